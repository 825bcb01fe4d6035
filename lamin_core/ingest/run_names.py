"""The names of runs: producers use one run id for several jobs, so a run is identified by run id and job.

The first run with an id is called by that id alone. Runs of other jobs with the same id add a suffix
that follows from their job. Where events have told of no run with the id, only the runs that they
started, a stub of the alphabetically first job is called by the id alone. So the names do not depend
on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lamin_core.ingest.facts import RunFacts
from lamin_core.runtime.parent_context import RunReference
from lamin_core.uids import derived_uid

JOBS = "jobs"
"""The key in the details of a run that lists its jobs, if there are several."""
_ID_LENGTH = 115
"""Characters of a run id in a name with a suffix: names have at most 128."""


def name_with_job(run_id: str, job: str) -> str:
    """The name of a run of this job, where the run id alone names another run.

    >>> name_with_job("scheduled__1", "airflow/sales")
    'scheduled__1#n73wclbFmvGz'
    """
    return f"{run_id[:_ID_LENGTH]}#{derived_uid(12, run_id, job)}"


def possible_run_ids(name: str) -> set[str]:
    """The run ids that the events of the run with this name may have.

    >>> sorted(possible_run_ids("a#b"))
    ['a', 'a#b']
    """
    return {name, name.rpartition("#")[0]} - {""}


def names_to_load(facts: Mapping[str, RunFacts], links: Iterable[RunReference]) -> set[str]:
    """The names under which rows of these runs, and of those that they name, may be in the registry."""
    names = set(facts)
    for link in links:
        names |= {link.run_id, name_with_job(link.run_id, link.job)}
    for name, run_facts in facts.items():
        names |= {name_with_job(name, job) for job in run_facts.jobs}
    return names


@dataclass(slots=True)
class Renaming:
    """The changes of stubs before runs are written: new names, and rows to merge into others."""

    names: dict[int, str] = field(default_factory=dict)
    """New names by primary key."""
    merged: dict[int, int] = field(default_factory=dict)
    """The row that each of these rows turned out to be."""
    stale_versions: set[int] = field(default_factory=set)
    """The versions of the transforms of removed rows."""


class RunNames:
    """Which row each run and each link to a run means."""

    def __init__(
        self,
        facts: Mapping[str, RunFacts],
        existing: dict[str, Any],
        links: Collection[RunReference],
    ) -> None:
        self._facts = facts
        self._rows = existing
        self.renaming = Renaming()
        self._first_jobs: dict[str, str] = {}
        for link in links:
            first = self._first_jobs.get(link.run_id, link.job)
            self._first_jobs[link.run_id] = min(first, link.job)
        for name in facts:
            self._settle_run(name)
        for run_id in self._first_jobs:
            self._settle_stub(run_id)

    def name_of(self, link: RunReference) -> str:
        """The name of the run that is meant."""
        jobs = self._jobs_of_run(link.run_id)
        if jobs is None:
            is_first = self._first_jobs.get(link.run_id) == link.job
            return link.run_id if is_first else name_with_job(link.run_id, link.job)
        is_run = not jobs or link.job in jobs
        return link.run_id if is_run else name_with_job(link.run_id, link.job)

    def _jobs_of_run(self, name: str) -> Collection[str] | None:
        """The jobs of the run with just this name; empty where it is of any, None where there is only a stub."""
        if name in self._facts:
            return self._facts[name].jobs
        row = self._rows.get(name)
        if row is None or row.origin == "stub":
            return None
        if row.origin == "api":
            return ()
        return {_job_of(row), *(row.details or {}).get(JOBS, ())}

    def _settle_run(self, name: str) -> None:
        """This run has events: stubs of its own jobs are merged into it, a stub of another job loses its name."""
        row = self._rows.get(name)
        jobs = self._facts[name].jobs
        if row is not None and row.origin == "stub" and jobs and _job_of(row) not in jobs:
            self._rename(name, name_with_job(name, _job_of(row)))
        for job in sorted(jobs):
            other = name_with_job(name, job)
            stub = self._rows.get(other)
            if stub is None or stub.origin != "stub" or other in self._facts:
                continue
            if name in self._rows:
                self.renaming.merged[stub.id] = self._rows[name].id
                self.renaming.stale_versions.add(stub.transform_id)
                del self._rows[other]
            else:
                self._rename(other, name)

    def _settle_stub(self, run_id: str) -> None:
        """If runs name several jobs with an id without events, the first job gets the id."""
        if self._jobs_of_run(run_id) is not None:
            return
        row = self._rows.get(run_id)
        if row is None:
            return
        first = min(self._first_jobs[run_id], _job_of(row))
        if first != _job_of(row):
            self._rename(run_id, name_with_job(run_id, _job_of(row)))
        self._first_jobs[run_id] = first

    def _rename(self, name: str, new_name: str) -> None:
        row = self._rows.pop(name)
        self._rows[new_name] = row
        self.renaming.names[row.id] = new_name


def _job_of(row: Any) -> str:
    return f"{row.namespace}/{row.key}"
