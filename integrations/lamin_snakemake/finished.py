"""A finished workflow as it can be known from its records: jobs, the invocations they belong to, and their events."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lamin_core.uids import derived_run_id
from lamin_snakemake import facts, translate
from lamin_snakemake.metadata import InvocationLog, OutputRecord
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Event, Run, RunReference

_STORED = os.path.join(".snakemake", "storage", "")
_STREAMS = ("<pipe>", "<service>")


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """One job, from the records of its outputs."""

    record: OutputRecord
    """Of its first output; the others differ in the output and by microseconds."""
    outputs: tuple[OutputRecord, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Its input files; local copies of files in a storage do not say what they are copies of."""
        return tuple(
            path for path in self.record.input if not path.startswith((_STORED, *_STREAMS))
        )


def jobs_of(records: Iterable[OutputRecord]) -> list[FinishedJob]:
    """Put the outputs of each job together, in the order in which the jobs began.

    Outputs that are local copies of files in a storage are left out: what they are copies of is not known.

    >>> a, b = (OutputRecord(name, "sort", 1.0, 2.0, job_hash=7) for name in ("a.txt", "b.txt"))
    >>> [[record.output for record in job.outputs] for job in jobs_of([b, a])]
    [['a.txt', 'b.txt']]
    """
    groups: dict[object, list[OutputRecord]] = {}
    for record in records:
        if not record.output.startswith(_STORED):
            groups.setdefault(_job_key(record), []).append(record)
    jobs = []
    for group in groups.values():
        outputs = tuple(sorted(group, key=lambda record: record.output))
        jobs.append(FinishedJob(outputs[0], outputs))
    return sorted(jobs, key=lambda job: (job.record.started, job.record.output))


def _job_key(record: OutputRecord) -> object:
    if record.job_hash is None:
        return record.output
    return record.rule, record.job_hash, record.input, record.log, record.command


def invocation_of(job: FinishedJob, logs: Sequence[InvocationLog]) -> InvocationLog | None:
    """Return the log of the invocation that ran the job: the latest that began before it and was written until its end.

    >>> logs = [InvocationLog("a", 1.0, 9.0), InvocationLog("b", 3.0, 4.0)]
    >>> job = FinishedJob(OutputRecord("x", "r", 3.5, 8.0), ())
    >>> invocation_of(job, logs).name
    'a'
    """
    for log in reversed(logs):
        is_open = log.last_written is None or log.last_written >= job.record.ended - 1.0
        if log.started <= job.record.started + 1.0 and is_open:
            return log
    return None


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known of the files of a finished workflow."""

    dataset_read: Callable[[str, float], Dataset]
    """The file at an absolute path as it was read by a job that began at this time."""
    dataset_written: Callable[[str, float], Dataset]
    """The file at an absolute path as it was written at this time."""
    log: Callable[[str, float], Dataset | None]
    """The log file at an absolute path of a job that ended at this time; None if it no longer exists."""
    benchmark: Callable[[str, float], Sequence[Mapping[str, object]]]
    """The rows of the benchmark table at an absolute path of a job that ended at this time; none if it is missing."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A working directory and the workflow that ran in it."""

    path: str
    workflow: facts.Workflow

    def location(self, name: str) -> str:
        """The location of a file with this name in Snakemake: an absolute path, or a URL in a storage."""
        return name if "://" in name else os.path.join(self.path, name)

    def name(self, path: str) -> str:
        """What Snakemake calls a file: by its path in this folder, if it is there."""
        return path.removeprefix(os.path.join(self.path, ""))


def workflow_run(folder: Folder, log: InvocationLog, source: str | None) -> Run:
    """One invocation as a run; without a source where the code that ran is not known."""
    run_id = derived_run_id("snakemake", folder.path, log.name)
    job = replace(translate.workflow_job(folder.workflow, ""), source=source)
    details = {
        "log": os.path.join(folder.path, ".snakemake", "log", log.name),
        "working_directory": folder.path,
        "recorded_by": "import",
    }
    return Run(
        run_id,
        job,
        translate.ENGINE,
        folder.workflow.version,
        name=job.name,
        params=folder.workflow.config,
        details=details,
    )


def workflow_events(run: Run, log: InvocationLog, jobs: Sequence[FinishedJob]) -> list[Event]:
    """The beginning and the end of an invocation; one whose log does not say how it ended is lost."""
    last = max(job.record.ended for job in jobs)
    ended = _time(max(last, log.last_written or last))
    start = events.start(run, _time(log.started))
    if "(100%) done" in log.tail:
        return [start, events.complete(run, ended)]
    if "Exiting because a job execution failed" in log.tail or "WorkflowError" in log.tail:
        message = "At least one job did not complete successfully."
        return [start, events.fail(run, ended, message)]
    return [start, events.running(replace(run, is_lost=True), ended)]


def job_run(
    folder: Folder,
    job: FinishedJob,
    source: tuple[str | None, str | None],
    parent: RunReference | None,
) -> Run:
    """A job as a run."""
    record = job.record
    rule = facts.Rule(record.rule, folder.workflow.snakefile, facts.Code("none"))
    params = {} if record.named_params is None else record.named_params
    described = facts.Job(0, rule, record.wildcards, params, details=_details(record))
    workflow = translate.workflow_run(
        folder.workflow, translate.workflow_job(folder.workflow, ""), None
    )
    run = translate.step_run(workflow, described, 1, source, ())
    run_id = derived_run_id("snakemake", folder.path, record.output, repr(record.started))
    return replace(run, id=run_id, parent=parent, root=parent, process=None)


def job_events(run: Run, folder: Folder, job: FinishedJob, contents: Contents) -> list[Event]:
    """The beginning of a job with what it read, and its end with what it wrote."""
    record = job.record
    inputs = [contents.dataset_read(folder.location(path), record.started) for path in job.inputs]
    outputs = [
        contents.dataset_written(folder.location(output.output), output.ended)
        for output in job.outputs
    ]
    ended = max(output.ended for output in job.outputs)
    logs = [contents.log(folder.location(path), ended) for path in record.log]
    outputs += [log for log in logs if log is not None]
    start = events.start(run, _time(record.started), inputs=inputs)
    if record.benchmark is not None:
        rows = contents.benchmark(folder.location(record.benchmark), ended)
        run = translate.benchmarked(run, rows)
    return [start, events.complete(run, _time(ended), outputs=outputs)]


def _details(record: OutputRecord) -> Mapping[str, object]:
    details = {
        "wildcards": dict(record.wildcards),
        "log": list(record.log),
        "benchmark": record.benchmark,
        "command": record.command,
        "conda": record.conda,
        "container": record.container,
        "software_deployment": record.deployed,
        "external_jobid": record.external_jobid,
        "param_values": list(record.params) if record.named_params is None else None,
        "recorded_by": "import",
    }
    return {name: value for name, value in details.items() if value}


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
