"""Follows the facts of one invocation, and sends an event for the start and the end of every run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from lamin_core.enums import Direction
from lamin_core.runtime.parent_context import RunReference
from lamin_snakemake import facts, translate
from lamin_snakemake.plain_values import benchmark_rows
from lamin_snakemake.source import Sources
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Dependency, Run
from openlineage.lamin.emit.sinks import Sink
from snakemake_logger_plugin_lamin.digests import Contents, stamp
from snakemake_logger_plugin_lamin.held_files import release
from snakemake_logger_plugin_lamin.late_digests import LateDigests
from snakemake_logger_plugin_lamin.schema_checks import SchemaChecks


class Listener:
    """The state of the workflow and its jobs; `hear` one fact after the other.

    With `late`, a job whose files take long to hash is told at once, and their content when it is known;
    with `checks`, so are the results of checks against schemas.
    What Snakemake guarantees: JobsStarted < JobDescribed < JobFinished of a job. A job that fails
    at once may fail before it is described; the extractor describes it then.
    """

    def __init__(
        self,
        sink: Sink,
        contents: Contents,
        parent: RunReference | None = None,
        late: LateDigests | None = None,
        checks: SchemaChecks | None = None,
    ) -> None:
        self._late = late
        self._checks = checks
        self._sink = sink
        self._contents = contents
        self._parent = parent
        self._sources = Sources()
        self._workflow: Run | None = None
        self._attempts: dict[int, int] = {}
        self._waiting: dict[int, tuple[float, tuple[facts.File, ...]]] = {}
        self._running: dict[int, tuple[Run, facts.Job]] = {}
        self._unclear: list[tuple[Run, facts.JobFailed, tuple[facts.File, ...]]] = []
        self._restored: set[int] = set()
        self._failed: dict[int, str] = {}
        self._finished = 0
        self._stopped: str | None = None
        self._failure: str | None = None
        self._nothing_to_do = False

    def hear(self, fact: facts.Fact) -> None:
        """Take in one fact."""
        if isinstance(fact, facts.WorkflowStarted):
            self._begin(fact)
            return
        if isinstance(fact, facts.Hashed):
            if self._late is not None:
                self._late.hear(fact)
            self._add_contents(fact)
            return
        if isinstance(fact, facts.Checked):
            self._add_checks(fact)
            return
        if self._workflow is None:
            return
        if not isinstance(fact, facts.JobFailed | facts.Stopped):
            self._settle(stopped=False)
        match fact:
            case facts.JobsStarted():
                self._announce(fact)
            case facts.JobDescribed():
                self._start(self._workflow, fact)
            case facts.JobSubmitted():
                self._submitted(fact)
            case facts.JobRestored():
                self._restored.add(fact.jobid)
            case facts.JobFinished():
                self._complete(fact)
            case facts.JobFailed():
                self._fail(fact)
            case facts.Stopped():
                self._stopped = self._stopped or fact.reason
                self._settle(stopped=True)
            case facts.WorkflowFailed():
                self._failure = self._failure or fact.message
            case facts.NothingToDo():
                self._nothing_to_do = True
            case facts.Closed():
                self._end(self._workflow, fact.at)

    def _begin(self, fact: facts.WorkflowStarted) -> None:
        if self._workflow is not None:  # one API session may execute twice
            self._end(self._workflow, fact.at)
        source = self._sources.of_workflow(fact.workflow.sources)
        job = translate.workflow_job(fact.workflow, source)
        self._workflow = translate.workflow_run(fact.workflow, job, self._parent)
        self._sink.emit(events.start(self._workflow, _time(fact.at)))

    def _announce(self, fact: facts.JobsStarted) -> None:
        for jobid, before in fact.before.items():
            self._attempts[jobid] = self._attempts.get(jobid, 0) + 1
            self._waiting[jobid] = fact.at, before
            self._failed.pop(jobid, None)

    def _start(self, workflow: Run, fact: facts.JobDescribed) -> None:
        job = fact.job
        if job.jobid not in self._waiting:  # it has failed, and was described then
            return
        at, before = self._waiting.pop(job.jobid)
        run = translate.step_run(
            workflow,
            job,
            self._attempts[job.jobid],
            self._sources.of_rule(job.rule),
            list(self._dependencies(workflow, job)),
        )
        conda = self._sources.text(str(job.details.get("conda", "")))
        run = translate.in_environment(run, conda)
        self._running[job.jobid] = run, job
        files = (*before, *job.inputs)
        inputs = self._datasets(run, "input", files)
        self._sink.emit(events.start(run, _time(at), inputs=inputs))

    def _dependencies(self, workflow: Run, job: facts.Job) -> Iterable[Dependency]:
        for need in job.needs:
            attempt = self._attempts.get(need.jobid)
            if attempt is not None:  # else it was up to date and has no run here
                yield Dependency(
                    translate.step_reference(workflow, need.rule, need.jobid, attempt), need.role
                )

    def _submitted(self, fact: facts.JobSubmitted) -> None:
        if fact.jobid in self._running:
            run, job = self._running[fact.jobid]
            run = replace(run, details={**run.details, "external_jobid": fact.external_jobid})
            self._running[fact.jobid] = run, job
            self._sink.emit(events.running(run, _time(fact.at)))

    def abandon(self, at: float) -> None:
        """Report the files that will not be hashed."""
        if self._late is not None:
            for fact in self._late.abandoned(at):
                self._add_contents(fact)

    def _add_contents(self, fact: facts.Hashed) -> None:
        news = [dataset for dataset in fact.datasets if dataset.hash or dataset.facets]
        if news:
            side = {"input": "inputs", "output": "outputs"}[fact.direction]
            self._sink.emit(events.running(fact.run, _time(fact.at), **{side: news}))

    def _add_checks(self, fact: facts.Checked) -> None:
        if self._checks is not None:
            self._checks.hear()
        if fact.datasets:
            self._sink.emit(events.running(fact.run, _time(fact.at), outputs=fact.datasets))

    def _complete(self, fact: facts.JobFinished) -> None:
        if fact.jobid not in self._running:
            _release(fact.outputs or ())
            return
        run, job = self._running.pop(fact.jobid)
        self._finished += 1
        run = replace(run, cached=fact.jobid in self._restored)
        if job.benchmark is not None:
            run = translate.benchmarked(run, benchmark_rows(job.benchmark))
        files = job.outputs if fact.outputs is None else fact.outputs
        self._contents.written(files)
        outputs = self._datasets(run, "output", (*files, *_logs_of_success(job)))
        self._sink.emit(events.complete(run, _time(fact.at), outputs=outputs))
        if job.schemas and self._checks is not None:
            self._checks.submit(run, files, job.schemas)

    def _fail(self, fact: facts.JobFailed) -> None:
        run, job = self._running.pop(fact.jobid, (None, None))
        if run is None or job is None:
            return
        self._failed[fact.jobid] = run.name or run.job.name
        if self._stopped or fact.by_hand:
            self._abort(run, fact.at)
        elif fact.by_hand is None:
            self._unclear.append((run, fact, _logs(job)))
        else:
            self._emit_failure(run, fact, _logs(job))

    def _settle(self, *, stopped: bool) -> None:
        """Decide whether failed jobs were stopped by a person: the next record of Snakemake shows it."""
        for run, fact, logs in self._unclear:
            if stopped:
                self._abort(run, fact.at)
            else:
                self._emit_failure(run, fact, logs)
        self._unclear.clear()

    def _emit_failure(self, run: Run, fact: facts.JobFailed, logs: tuple[facts.File, ...]) -> None:
        message = translate.failure_message(run.name or run.job.name, fact)
        if fact.exit_status is not None:
            run = replace(run, details={**run.details, "exit_status": fact.exit_status})
        outputs = self._datasets(run, "output", logs)
        self._sink.emit(
            events.fail(run, _time(fact.at), message, trace=fact.trace, outputs=outputs)
        )

    def _abort(self, run: Run, at: float) -> None:
        self._sink.emit(events.abort(run, _time(at), self._stopped or "interrupted"))

    def _end(self, workflow: Run, at: float) -> None:
        for run, _ in self._running.values():
            reason = self._stopped or "Snakemake ended before the job did"
            self._sink.emit(events.abort(run, _time(at), reason))
        details = {
            **workflow.details,
            "jobs_finished": self._finished,
            "jobs_failed": len(self._failed),
        }
        if self._nothing_to_do:
            details["nothing_to_do"] = True
        workflow = replace(workflow, details=details)
        if self._stopped:
            self._sink.emit(events.abort(workflow, _time(at), self._stopped))
        elif self._failure:
            message = translate.workflow_failure(self._failure, list(self._failed.values()))
            self._sink.emit(events.fail(workflow, _time(at), message))
        else:
            self._sink.emit(events.complete(workflow, _time(at)))
        self._forget()

    def _forget(self) -> None:
        self._workflow = self._stopped = self._failure = None
        self._nothing_to_do = False
        self._finished = 0
        for memory in (self._attempts, self._waiting, self._running, self._failed, self._restored):
            memory.clear()

    def _datasets(
        self, run: Run, direction: Direction, files: tuple[facts.File, ...]
    ) -> list[Dataset]:
        """The files with their content; without it, for now, where it takes long to read them."""
        if self._late is None or not self._contents.takes_long(files):
            try:
                return self._contents.datasets(files)
            finally:
                _release(files)
        datasets = self._contents.outlines(files)
        if not self._late.submit(run, direction, files):
            unhashed = self._contents.unverified(files, "too many files waited to be hashed")
            datasets = list({(d.namespace, d.name): d for d in (*datasets, *unhashed)}.values())
            _release(files)
        return datasets


def _logs(job: facts.Job) -> tuple[facts.File, ...]:
    """The log files that are there: the report of the run."""
    files = (replace(file, stamp=stamp(file.path)) for file in job.logs)
    return tuple(file for file in files if file.stamp is not None)


def _logs_of_success(job: facts.Job) -> tuple[facts.File, ...]:
    """The log files that are there, and those in a storage, where another machine may have put them."""
    files = (replace(file, stamp=stamp(file.path)) for file in job.logs)
    return tuple(file for file in files if file.stamp or file.url)


def _release(files: Iterable[facts.File]) -> None:
    for file in files:
        release(file)


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
