"""All events with one run id: of one run, or of several jobs that share the id.

Producers rename a job on the run (Spark), and give one id to several jobs (a copied example, ids that
follow from names). Two jobs are two runs where each lived its own life: it has started and ended, or
has started after the other had ended. Events of other jobs belong to the run that had started last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lamin_core.ingest.facts import RunFacts
from lamin_core.ingest.run_names import name_with_job
from openlineage.lamin.receive.fold import History, Job, Order
from openlineage.lamin.receive.parse import ParsedEvent, without_secrets


@dataclass(slots=True)
class RunHistory:
    """The facts of the events with a run id so far, by the job that they name."""

    run_id: str
    jobs: dict[Job, History] = field(default_factory=dict)

    def absorb(self, event: ParsedEvent) -> None:
        """Take one more event; the same one again changes nothing."""
        data = without_secrets(event)
        job = data["job"]["namespace"], data["job"]["name"]
        if job not in self.jobs:
            self.jobs[job] = History(self.run_id)
        self.jobs[job].absorb_masked(event, data)

    def facts(self) -> list[RunFacts]:
        """The facts of each run from all events: first of the run that has the id alone."""
        if len(self.jobs) == 1:
            return [history.facts() for history in self.jobs.values()]
        runs = list(self._runs())
        if len(runs) == 1:
            return [history.facts() for _, history in runs]
        first, *others = runs
        named = [first[1].facts()]
        for job, history in others:
            name = name_with_job(self.run_id, _text(job))
            named.append(replace(history.facts(), run_id=name))
        jobs = {_text(job) for job, _ in runs}
        return [_doubted(facts, jobs - facts.jobs) for facts in named]

    def _runs(self) -> Iterator[tuple[Job, History]]:
        """The runs with the job that names each, the first run first."""
        jobs = sorted(self.jobs, key=lambda job: (_first(self.jobs[job]), job))
        leading = [job for job in jobs if self._lives_by_itself(job)]
        if len(leading) < 2:
            leading = jobs[:1]
        runs = {job: [job] for job in leading}
        for job in jobs:
            if job not in runs:
                before = [other for other in leading if self._started_before(other, job)]
                runs[before[-1] if before else leading[0]].append(job)
        for job, members in runs.items():
            merged = History(self.run_id)
            for member in members:
                merged.merge(self.jobs[member])
            yield job, merged

    def _lives_by_itself(self, job: Job) -> bool:
        history = self.jobs[job]
        if history.first_start is None:
            return False
        ends = [end for other in self.jobs if other != job for end in self.jobs[other].ends]
        return bool(history.ends) or any(end < history.first_start for end in ends)

    def _started_before(self, job: Job, other: Job) -> bool:
        start = self.jobs[job].first_start
        return start is not None and start <= _first(self.jobs[other])


def _first(history: History) -> Order:
    assert history.first is not None
    return history.first


def _text(job: Job) -> str:
    return "/".join(job)


def _doubted(facts: RunFacts, others: set[str]) -> RunFacts:
    details = dict(facts.details or {})
    doubts = [f"its run id is also that of the job {job!r}" for job in sorted(others)]
    details["doubts"] = [*details.get("doubts", []), *doubts]
    return replace(facts, details=details)
