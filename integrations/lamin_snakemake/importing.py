"""Bring a finished workflow into the registry that is at work: what ran there without lineage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import lamin_core as ln
from lamin_core.errors import NotFound
from lamin_core.lineage.path_lookup import artifacts_at
from lamin_core.runtime.paths import user_cache
from lamin_snakemake import facts, translate
from lamin_snakemake.code_on_disk import DEFAULT_SNAKEFILES, CodeOnDisk
from lamin_snakemake.finished import (
    Contents,
    FinishedJob,
    Folder,
    invocation_of,
    job_events,
    job_run,
    jobs_of,
    workflow_events,
    workflow_run,
)
from lamin_snakemake.metadata import InvocationLog, OutputRecord, read_logs
from lamin_snakemake.plain_values import benchmark_rows
from openlineage.lamin.adapter.datasets import DatasetReader
from openlineage.lamin.adapter.git_source import GitSource
from openlineage.lamin.emit.events import Dataset, Event, RunReference
from openlineage.lamin.emit.naming import dataset_name
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.waiting import take_waiting

_BATCH = 500
_SAME_RUN = timedelta(seconds=2)
"""The highest difference in seconds between the time of a file and that of the run that wrote it."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did."""

    jobs: int
    """Jobs that were recorded now."""
    invocations: int
    recorded_before: int
    """Jobs that the registry had already, from `--logger lamin` or from an earlier import."""

    def __str__(self) -> str:
        return (
            f"{_count(self.jobs, 'job')} of {_count(self.invocations, 'invocation')} imported, "
            f"{self.recorded_before} recorded before"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def find_snakefile(folder: Path, name: str | None) -> str:
    """Return the absolute path of the Snakefile. Raises `NotFound`."""
    candidates = DEFAULT_SNAKEFILES if name is None else (name,)
    for candidate in candidates:
        path = folder / candidate if name is None else Path(candidate)
        if path.is_file():
            return os.path.abspath(path)
    raise NotFound(
        f"no Snakefile in {str(folder)!r}" if name is None else f"no file {name!r}",
        hint="lamin import snakemake FOLDER --snakefile FILE",
    )


def import_workflow(
    folder: Path, records: Iterable[OutputRecord], workflow: facts.Workflow
) -> ImportReport:
    """Record the jobs of these records in the instance at work, but for those that it has already."""
    instance = ln.connect()
    take_waiting(instance.db, instance.folder)
    importer = _Importer(Folder(os.path.realpath(folder), workflow), read_logs(folder))
    collected = importer.events(importer.jobs(records))
    for first in range(0, len(collected), _BATCH):
        ingest(instance.db, map(parse, collected[first : first + _BATCH]))
    return importer.report


def workflow_of(snakefile: str, title: str | None = None) -> facts.Workflow:
    """Return what can be known of a workflow from its Snakefile."""
    return facts.Workflow("", "", snakefile, (snakefile,), git=GitSource.of(snakefile), title=title)


class _Importer:
    def __init__(self, folder: Folder, logs: Sequence[InvocationLog]) -> None:
        self._folder = folder
        self._logs = logs
        self._code = CodeOnDisk(folder.workflow.snakefile)
        reader = _FileReader()
        self._contents = Contents(reader.read, reader.written, reader.log, reader.benchmark)
        self.report = ImportReport(0, 0, 0)

    def jobs(self, records: Iterable[OutputRecord]) -> list[FinishedJob]:
        """The jobs of these records, with what the Snakefile says of them."""
        every = list(records)
        no_files = {record.output for record in every if self._code.is_stream(record)}
        if self._code.uses_storage:
            names = chain.from_iterable((record.output, *record.input) for record in every)
            no_files.update(filter(self._may_be_stored, names))
        files = (record for record in every if record.output not in no_files)
        return jobs_of(self._described(record, no_files) for record in files)

    def _may_be_stored(self, name: str) -> bool:
        """Whether this may be an artifact in a storage, or a local file that is gone; the record is the same."""
        return "://" not in name and not os.path.lexists(self._folder.location(name))

    def _described(self, record: OutputRecord, no_files: set[str]) -> OutputRecord:
        written = self._code.written(record)
        return replace(
            record,
            input=tuple(path for path in record.input if path not in no_files),
            wildcards=record.wildcards or written.wildcards,
            benchmark=record.benchmark or written.benchmark,
            conda=self._folder.name(written.conda) if written.conda else None,
        )

    def events(self, jobs: Sequence[FinishedJob]) -> list[Event]:
        """The events of the jobs that are not recorded yet, each invocation before its jobs."""
        by_log: dict[InvocationLog | None, list[FinishedJob]] = {}
        for job in jobs:
            by_log.setdefault(invocation_of(job, self._logs), []).append(job)
        events: list[Event] = []
        new_jobs = invocations = 0
        for log, members in by_log.items():
            recorded = [self._recorded(job) for job in members]
            new = [job for job, run in zip(members, recorded, strict=True) if run is None]
            if not new:
                continue
            parent = next((_parent(run) for run in recorded if run is not None), None)
            if parent is None and log is not None:
                run = workflow_run(self._folder, log, self._code.of_workflow(log.started))
                parent = run.reference
                events += workflow_events(run, log, members)
                invocations += 1
            for job in new:
                events += self._job_events(job, parent)
            new_jobs += len(new)
        self.report = ImportReport(new_jobs, invocations, len(jobs) - new_jobs)
        return events

    def _job_events(self, job: FinishedJob, parent: RunReference | None) -> list[Event]:
        record = job.record
        run = job_run(self._folder, job, self._code.of_rule(record), parent)
        conda = record.conda_environment
        if conda is None and record.conda is not None:
            conda = self._code.text(self._folder.location(record.conda), record.started)
        run = translate.in_environment(run, conda)
        return job_events(run, self._folder, job, self._contents)

    def _recorded(self, job: FinishedJob) -> ln.Run | None:
        """The run that the registry has of this job: it wrote one of its outputs at that time."""
        for record in job.outputs:
            path = self._folder.location(record.output)
            with ln.connect().db.reading() as session:
                artifacts = artifacts_at(session, path)
            for artifact in artifacts:
                for version in artifact.versions:
                    for run in version.output_of_runs:
                        if _spans(run, record.ended):
                            return run
        return None


def _spans(run: ln.Run, at: float) -> bool:
    if run.started_at is None or run.finished_at is None or run.engine != "snakemake":
        return False
    begin, end = run.started_at - _SAME_RUN, run.finished_at + _SAME_RUN
    return begin.timestamp() <= at <= end.timestamp()


def _parent(run: ln.Run) -> RunReference | None:
    parent = run.parent
    if parent is None or parent.external_id is None:
        return None
    return RunReference(parent.external_id, "snakemake", parent.transform.key)


class _FileReader:
    """Files as datasets: with their content, if they have not been written since."""

    def __init__(self) -> None:
        self._reader = DatasetReader(user_cache() / "digests.db")

    def read(self, path: str, at: float) -> Dataset:
        """The file as a job read it that began at this time."""
        return self._unless_newer(path, at)

    def written(self, path: str, at: float) -> Dataset:
        """The file as it was written at this time, which is its own; of a file that is gone, its name."""
        if "://" in path:
            return Dataset(*dataset_name(path))
        role = None if os.path.lexists(path) else "temporary"
        dataset = self._unless_newer(path, at + 0.001)
        return Dataset(dataset.namespace, dataset.name, role=role) if role else dataset

    def log(self, path: str, at: float) -> Dataset | None:
        """The log file of a job that ended at this time; None if it is gone."""
        return replace(self._unless_newer(path, at), role="log") if os.path.lexists(path) else None

    def benchmark(self, path: str, at: float) -> list[dict[str, Any]]:
        """The rows of the table of a job whose outputs were written at this time: it is written right after them."""
        modified = _modified(path)
        is_of_job = modified is not None and modified <= at + _SAME_RUN.total_seconds()
        return benchmark_rows(path) if is_of_job else []

    def _unless_newer(self, path: str, at: float) -> Dataset:
        modified = _modified(path)
        if modified is None or modified > at:
            return Dataset(*dataset_name(path))
        return self._reader.at(path) or Dataset(*dataset_name(path))


def _modified(path: str) -> float | None:
    """The modification time of a file, or of the newest file in a folder."""
    try:
        if not os.path.isdir(path):
            return os.stat(path).st_mtime
        times = [
            os.stat(os.path.join(folder, name)).st_mtime
            for folder, _, names in os.walk(path)
            for name in names
        ]
    except OSError:
        return None
    return max(times, default=None)
