"""The facts of an adapter: a job, its run, the datasets it read and wrote, as OpenLineage run events.

An adapter describes the run once (`Run`) and then says what happens to it: `start`, `running`,
`complete`, `fail`, `abort`. The result is the wire form of OpenLineage 2-0-2, a plain dict, ready
for any `Sink`. Nothing here touches a file, a socket or a database, but for `Dataset.at`, which
reads the file it describes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from lamin_core.enums import DependencyRole
from lamin_core.runtime.parent_context import RunReference as RunReference
from lamin_core.runtime.process import Process
from lamin_core.runtime.redaction import redact, redact_text
from lamin_core.storage.hashing import Digest, digest
from openlineage.lamin.emit import facets
from openlineage.lamin.emit.naming import dataset_name
from openlineage.lamin.emit.redaction import (
    redact_datasets,
    redact_entity,
    redact_entry,
    redact_event,
    redact_facets,
)

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
EventType = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of code that can run: becomes a Transform, versioned by its source.

    `namespace` is the engine (`snakemake`), `name` is unique and stable in it
    (`align/Snakefile:map`), `type` is the engine's own word (`workflow`, `rule`, `process`, `flow`,
    `task`, `script`, `function`).
    """

    namespace: str
    name: str
    type: str
    source: str | None = None
    language: str | None = None
    description: str | None = None
    location: str | None = None
    """URL of the code, `file://` for a local path."""
    commit: str | None = None
    repository: str | None = None
    branch: str | None = None
    previous_name: str | None = None
    """The name of the job in an earlier release, by which a registry recognises it."""
    facets: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Others, ready made."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A run that this run waited for without a file between them."""

    on: RunReference
    role: DependencyRole


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job; one attempt is one run, with an id of its own (a UUID)."""

    id: str
    job: Job
    engine: str
    engine_version: str
    name: str | None = None
    parent: RunReference | None = None
    root: RunReference | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1
    cached: bool = False
    dependencies: Sequence[Dependency] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further data of the engine, stored as JSON: wildcards, threads, exit code, log path, external job id."""
    process: Process | None = None
    """The process that will report the end: if it ends without a report, the run is lost."""
    started_at: datetime | None = None
    """When it began, where the engine's way to speak has no START: the standard's says it with that event."""
    is_lost: bool = False
    """Whether its process has ended without reporting the end of the run."""
    facets: Mapping[str, Any] = field(default_factory=dict)
    """Others, ready made."""
    _masked: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Its facets without secrets, which all of its events have: built for the first of them."""

    @property
    def reference(self) -> RunReference:
        """This run, as its children name it."""
        return RunReference(self.id, self.job.namespace, self.job.name)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file, folder, object or table that a run read or wrote.

    `hash`, `hash_type`, `size` (bytes) and `n_files` (folders only) are its content, as
    `storage.hashing.digest` computes it; without a hash the content is unknown and the version is
    told by the run that wrote it. `role` says how it was used (`published`, `temporary`,
    `rolled_back` ...); None is plain reading or writing.
    """

    namespace: str
    name: str
    hash: str | None = None
    hash_type: str | None = None
    size: int | None = None
    n_files: int | None = None
    role: str | None = None
    n_observations: int | None = None
    real_key: str | None = None
    """The path of the copy in a registry, relative to the root of its storage."""
    facets: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Others, ready made."""

    @classmethod
    def at(
        cls, path: str | os.PathLike[str], role: str | None = None, limit: int | None = None
    ) -> Dataset:
        """The file or folder at this path with its content hashed; of a URL, a missing path, a pipe or a file
        above `limit` bytes only the name (and the size).

        >>> Dataset.at("/no/such/file").hash is None
        True
        """
        dataset = cls(*dataset_name(path), role=role)
        if dataset.namespace != "file" or not (
            os.path.isfile(dataset.name) or os.path.isdir(dataset.name)
        ):
            return dataset
        size = os.path.getsize(dataset.name)
        if limit is not None and size > limit:
            return replace(dataset, size=size)
        try:
            content = digest(dataset.name)
        except OSError:  # unreadable: its name is still worth telling
            return dataset
        return dataset.with_digest(content)

    def with_digest(self, digest: Digest) -> Dataset:
        """Return this dataset with this content.

        >>> Dataset("file", "/a.csv").with_digest(Digest("blake3", "af13", 3)).size
        3
        """
        return replace(
            self,
            hash=digest.hash,
            hash_type=digest.hash_type,
            size=digest.size,
            n_files=digest.n_files,
        )


def start(
    run: Run, at: datetime, inputs: Sequence[Dataset] = (), outputs: Sequence[Dataset] = ()
) -> Event:
    """The run has begun.

    >>> job = Job("python", "a.py", "script")
    >>> run = Run("0194e0a0-0000-7000-8000-000000000000", job, "python", "3.12")
    >>> event = start(run, datetime(2026, 1, 1, tzinfo=UTC))
    >>> event["eventType"], event["eventTime"], event["job"]["name"]
    ('START', '2026-01-01T00:00:00.000000Z', 'a.py')
    """
    event = _event("START", run, at, inputs, outputs)
    if run.process is not None:
        event["run"]["facets"]["lamin_process"] = facets.lamin_process(run.process)
    return event


def running(
    run: Run, at: datetime, inputs: Sequence[Dataset] = (), outputs: Sequence[Dataset] = ()
) -> Event:
    """Something more is known of the run: also after its end, which changes no state."""
    return _event("RUNNING", run, at, inputs, outputs)


def complete(
    run: Run, at: datetime, inputs: Sequence[Dataset] = (), outputs: Sequence[Dataset] = ()
) -> Event:
    """The run has ended well."""
    return _event("COMPLETE", run, at, inputs, outputs)


def fail(
    run: Run,
    at: datetime,
    message: str,
    *,
    trace: str | None = None,
    inputs: Sequence[Dataset] = (),
    outputs: Sequence[Dataset] = (),
) -> Event:
    """The run has failed, with this message."""
    event = _event("FAIL", run, at, inputs, outputs)
    event["run"]["facets"]["errorMessage"] = facets.error_message(
        redact_text(message), trace and redact_text(trace)
    )
    return event


def abort(
    run: Run,
    at: datetime,
    reason: str,
    inputs: Sequence[Dataset] = (),
    outputs: Sequence[Dataset] = (),
) -> Event:
    """The run was cancelled, interrupted or crashed."""
    event = _event("ABORT", run, at, inputs, outputs)
    event["run"]["facets"]["errorMessage"] = facets.error_message(redact_text(reason), None)
    return event


def end(
    run: RunReference,
    kind: Literal["COMPLETE", "FAIL", "ABORT"],
    at: datetime,
    message: str | None = None,
) -> Event:
    """The end of a run, reported by another program that knows nothing else about the run.

    >>> run = RunReference("0194e0a0-0000-7000-8000-000000000000", "prefect", "flow.py:study")
    >>> list(end(run, "ABORT", datetime(2026, 1, 1, tzinfo=UTC), "cancelled")["run"]["facets"])
    ['errorMessage']
    """
    why = {"errorMessage": facets.error_message(redact_text(message), None)} if message else {}
    return {
        "eventType": kind,
        **_head("RunEvent", at),
        "run": {"runId": run.run_id, "facets": why},
        "job": {"namespace": run.namespace, "name": run.name, "facets": {}},
        "inputs": [],
        "outputs": [],
    }


def declare(
    job: Job, at: datetime, inputs: Sequence[Dataset] = (), outputs: Sequence[Dataset] = ()
) -> Event:
    """The job by itself, without a run.

    >>> declare(Job("python", "a.py", "script"), datetime(2026, 1, 1, tzinfo=UTC))["schemaURL"].rpartition("/")[2]
    'JobEvent'
    """
    event = {
        **_head("JobEvent", at),
        "job": _job(job, job.namespace),
        "inputs": [_dataset(dataset) for dataset in inputs],
        "outputs": [_output(dataset) for dataset in outputs],
    }
    return redact_event(event)


def describe(dataset: Dataset, at: datetime) -> Event:
    """The dataset by itself, without a run.

    >>> describe(Dataset("file", "/a.csv"), datetime(2026, 1, 1, tzinfo=UTC))["dataset"]["name"]
    '/a.csv'
    """
    return redact_event({**_head("DatasetEvent", at), "dataset": _dataset(dataset)})


def schedule(run: Run, at: datetime) -> Event:
    """The run is known of, and has not begun."""
    return _event("OTHER", run, at, (), ())


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC with microseconds; a naive time is taken as local.

    >>> timestamp(datetime(2026, 1, 1, tzinfo=UTC))
    '2026-01-01T00:00:00.000000Z'
    """
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _event(
    kind: EventType, run: Run, at: datetime, inputs: Sequence[Dataset], outputs: Sequence[Dataset]
) -> Event:
    if not run._masked:
        run._masked.update(_run_facets(run))
    job = _redacted_job(run.job, run.engine)
    event = {
        "eventType": kind,
        **_head("RunEvent", at),
        "run": {"runId": run.id, "facets": _copies(run._masked)},
        "job": {**job, "facets": _copies(job["facets"])},
        "inputs": [_dataset(dataset) for dataset in inputs],
        "outputs": [_output(dataset) for dataset in outputs],
    }
    return redact_datasets(event)


def _copies(shared: Mapping[str, Any]) -> dict[str, Any]:
    """The facets for one event: a caller may change its event, and others have the same."""
    return {name: copy(facet) for name, facet in shared.items()}


@lru_cache(maxsize=256)
def _redacted_job(job: Job, engine: str) -> dict[str, Any]:
    """The job without secrets: most events are of a job that another one has named before."""
    masked: dict[str, Any] = redact_entity("job", _job(job, engine))
    return masked


def _head(kind: str, at: datetime) -> dict[str, Any]:
    return {"eventTime": timestamp(at), "producer": facets.PRODUCER, "schemaURL": f"{SCHEMA}{kind}"}


def _run_facets(run: Run) -> dict[str, Any]:
    """The facets of the run without secrets."""
    params = redact(dict(run.params))  # before some of them become JSON in a text
    engine = facets.processing_engine(run.engine, run.engine_version)
    run_facets = redact_facets({"processing_engine": engine, **run.facets})
    if params:
        parameters = facets.execution_parameters(params)
        parameters["parameters"] = redact_entry("parameters", parameters["parameters"])
        run_facets["executionParameters"] = parameters
    run_facets["lamin_run"] = _lamin_run(run, redact_entry("params", params))
    if run.parent is not None:
        parent, root = _redacted(run.parent), run.root and _redacted(run.root)
        run_facets["parent"] = facets.parent(parent, root)
    if run.dependencies:
        upstream = [Dependency(_redacted(source.on), source.role) for source in run.dependencies]
        run_facets["jobDependencies"] = facets.job_dependencies(upstream)
    return run_facets


def _lamin_run(run: Run, params: Mapping[str, Any]) -> dict[str, Any]:
    return facets.lamin_run(
        run.name and redact_text(run.name),
        params,
        run.attempt,
        run.cached,
        redact_entry("details", dict(run.details)),
        "lost" if run.is_lost else None,
        None if run.started_at is None else timestamp(run.started_at),
    )


@lru_cache(maxsize=1024)
def _redacted(run: RunReference) -> RunReference:
    """The run without secrets in the name of its job: many runs of a workflow name the same one."""
    job = redact_entity("job", {"namespace": run.namespace, "name": run.name})
    return RunReference(redact_text(run.run_id), job["namespace"], job["name"])


def _job(job: Job, engine: str) -> dict[str, Any]:
    return {"namespace": job.namespace, "name": job.name, "facets": _job_facets(job, engine)}


def _job_facets(job: Job, engine: str) -> dict[str, Any]:
    job_facets = {"jobType": facets.job_type(engine, job.type), **job.facets}
    if job.source is not None:
        job_facets["sourceCode"] = facets.source_code(job.language or "text", job.source)
    if job.location is not None:
        job_facets["sourceCodeLocation"] = facets.source_code_location(
            job.location, job.repository, job.commit, job.branch
        )
    if job.previous_name is not None:
        job_facets["lamin_job"] = facets.lamin_job(job.previous_name)
    if job.description:
        job_facets["documentation"] = facets.documentation(job.description)
    return job_facets


def _output(dataset: Dataset) -> dict[str, Any]:
    output = _dataset(dataset)
    size, files, rows = dataset.size, dataset.n_files, dataset.n_observations
    if (size, files, rows) != (None, None, None):
        output["outputFacets"] = {"outputStatistics": facets.output_statistics(size, files, rows)}
    return output


def _dataset(dataset: Dataset) -> dict[str, Any]:
    dataset_facets = {"lamin_artifact": facets.lamin_artifact(dataset), **dataset.facets}
    if dataset.hash is not None:
        dataset_facets["version"] = facets.dataset_version(f"{dataset.hash_type}:{dataset.hash}")
    return {"namespace": dataset.namespace, "name": dataset.name, "facets": dataset_facets}
