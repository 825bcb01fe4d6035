"""The shapes of answers, by Marquez's names, and beside them what Marquez does not know: rows in, JSON's values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lamin_core.enums import RunStatus
from lamin_core.models import Artifact, Content, Run, Storage, Transform, TransformSeries
from lamin_core.models.storage import UNKNOWN_SIZE
from openlineage.lamin.http.queries.names import Name

Json = dict[str, Any]
_STATES = {
    RunStatus.SCHEDULED: "NEW",
    RunStatus.RUNNING: "RUNNING",
    RunStatus.COMPLETED: "COMPLETED",
    RunStatus.FAILED: "FAILED",
    RunStatus.ABORTED: "ABORTED",
    RunStatus.LOST: "ABORTED",
}


def iso_timestamp(at: datetime | None) -> str | None:
    """ISO 8601, with microseconds, in UTC.

    >>> from datetime import UTC
    >>> iso_timestamp(datetime(2026, 1, 31, 12, tzinfo=UTC))
    '2026-01-31T12:00:00.000000Z'
    """
    return None if at is None else at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def state(status: str) -> str:
    """The state that Marquez has for this status.

    >>> state("completed"), state("lost"), state("scheduled")
    ('COMPLETED', 'ABORTED', 'NEW')
    """
    return _STATES[RunStatus(status)]


@dataclass(frozen=True, slots=True)
class Code:
    """The job of a run, and the version of it."""

    name: Name
    version: str

    @classmethod
    def of(cls, transform: Transform) -> Code:
        """The job that this transform is a version of."""
        return cls(Name(transform.namespace, transform.key), transform.version)

    def as_json(self) -> Json:
        """For JSON."""
        return {**self.name.as_json(), "version": self.version}


def run(row: Run, code: Code) -> Json:
    """A run as lists have it."""
    return {
        "id": row.external_id,
        "external_id": row.external_id,
        "uid": row.uid,
        "name": row.name,
        "job": code.name.as_json(),
        "jobVersion": code.as_json(),
        "engine": row.engine,
        "engineVersion": row.engine_version,
        "state": state(row.status),
        "status": row.status,
        "cached": row.cached,
        "attempt": row.attempt,
        "createdAt": iso_timestamp(row.created_at),
        "updatedAt": iso_timestamp(row.finished_at or row.started_at or row.created_at),
        "startedAt": iso_timestamp(row.started_at),
        "endedAt": iso_timestamp(row.finished_at),
        "durationMs": None if row.duration is None else round(row.duration * 1000),
        "error": row.error,
        "args": row.params or {},
    }


def run_facets(row: Run) -> Json:
    """The fields that only the response about one run has: its facets and what follows from them."""
    facets = (row.details or {}).get("facets")
    valid_facets = facets if isinstance(facets, dict) else {}
    nominal = valid_facets.get("nominalTime")
    times = nominal if isinstance(nominal, dict) else {}
    return {
        "nominalStartTime": times.get("nominalStartTime"),
        "nominalEndTime": times.get("nominalEndTime"),
        "details": {name: value for name, value in (row.details or {}).items() if name != "facets"},
        "facets": valid_facets,
    }


def run_reference(row: Run, code: Code) -> Json:
    """A run where another one names it."""
    return {
        "id": row.external_id,
        "external_id": row.external_id,
        "uid": row.uid,
        "job": code.name.as_json(),
        "status": row.status,
    }


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a dataset, with what other tables say of it."""

    row: Artifact
    name: Name
    root: str
    content: Content | None

    def as_id(self) -> Json:
        """Marquez's id of it."""
        return {**self.name.as_json(), "version": self.row.version}

    def facts(self) -> Json:
        """The facts about the bytes."""
        content = self.content
        return {
            "uid": self.row.uid,
            "hash": None if content is None else content.hash,
            "hashType": None if content is None else content.hash_type,
            "size": None if content is None or content.size == UNKNOWN_SIZE else content.size,
        }


def edge(version: Version, role: str | None, facets: Mapping[str, Any] | None) -> Json:
    """A dataset on one side of a run."""
    return {
        "datasetVersionId": version.as_id(),
        **version.facts(),
        "role": role,
        "facets": facets or {},
    }


def _dataset(version: Version, facets: Mapping[str, Any], tags: Iterable[str]) -> Json:
    return {
        "type": "DB_TABLE",
        "name": version.name.name,
        "physicalName": version.name.name,
        "namespace": version.name.namespace,
        "sourceName": version.root,
        "fields": fields(facets),
        "tags": sorted(tags),
        "description": version.row.description,
        "lastLifecycleState": _lifecycle(facets),
        "facets": dict(facets),
        "kind": version.row.kind,
        "suffix": version.row.suffix,
        "deleted": version.row.deleted_at is not None,
        **version.facts(),
    }


def dataset(
    version: Version, facets: Mapping[str, Any], tags: Iterable[str], since: datetime, count: int
) -> Json:
    """A dataset as its newest version shows it; `since` is when the first of its versions came to be."""
    return {
        "id": version.name.as_json(),
        **_dataset(version, facets, tags),
        "createdAt": iso_timestamp(since),
        "updatedAt": iso_timestamp(version.row.created_at),
        "lastModifiedAt": iso_timestamp(version.row.created_at),
        "currentVersion": version.row.version,
        "versionCount": count,
    }


def dataset_version(
    version: Version, facets: Mapping[str, Any], tags: Iterable[str], made_by: Json | None
) -> Json:
    """One version of a dataset, with the run that first made it."""
    return {
        "id": version.as_id(),
        **_dataset(version, facets, tags),
        "version": version.row.version,
        "isLatest": version.row.is_latest,
        "createdAt": iso_timestamp(version.row.created_at),
        "createdByRun": made_by,
    }


def fields(facets: Mapping[str, Any]) -> list[Json]:
    """The columns in a schema facet.

    >>> fields({"schema": {"fields": [{"name": "a", "type": "int"}, "nonsense"]}})
    [{'name': 'a', 'type': 'int', 'description': None, 'tags': []}]
    """
    schema = facets.get("schema")
    entries = schema.get("fields") if isinstance(schema, dict) else None
    rows = [row for row in entries if isinstance(row, dict)] if isinstance(entries, list) else []
    return [
        {
            "name": str(row.get("name")),
            "type": row.get("type"),
            "description": row.get("description"),
            "tags": [],
        }
        for row in rows
    ]


def _lifecycle(facets: Mapping[str, Any]) -> Any:
    facet = facets.get("lifecycleStateChange")
    return facet.get("lifecycleStateChange") if isinstance(facet, dict) else None


@dataclass(frozen=True, slots=True)
class Work:
    """The latest run of a job or of a version of it, and the inputs and outputs of this run."""

    latest: Json | None
    inputs: list[Json]
    outputs: list[Json]


def job_facets(series: TransformSeries) -> Json:
    """The facets of a job from events, except the datasets that it declares."""
    facets = {name: facet for name, (_, facet) in (series.facets or {}).items()}
    return {
        name: facet
        for name, facet in facets.items()
        if facet is not None and name not in ("inputs", "outputs")
    }


def declared(series: TransformSeries, side: str) -> list[Json]:
    """The inputs or outputs that a job declares without a run."""
    _, names = (series.facets or {}).get(side) or (None, None)
    return [Name(namespace, name).as_json() for namespace, name in names or ()]


def _job(row: Transform, series: TransformSeries, work: Work) -> Json:
    return {
        "type": "BATCH",
        "name": row.key,
        "simpleName": row.key,
        "namespace": row.namespace,
        "createdAt": iso_timestamp(row.created_at),
        "inputs": work.inputs,
        "outputs": work.outputs,
        "location": row.reference,
        "description": row.description,
        "latestRun": work.latest,
        "facets": job_facets(series),
        "uid": row.uid,
        "kind": row.kind,
        "language": row.language,
        "hash": row.hash,
    }


def job(row: Transform, series: TransformSeries, work: Work) -> Json:
    """A job as its newest version shows it."""
    return {
        "id": {"namespace": row.namespace, "name": row.key},
        **_job(row, series, work),
        "updatedAt": iso_timestamp(row.created_at)
        if work.latest is None
        else work.latest["updatedAt"],
        "currentVersion": row.version,
    }


def job_version(row: Transform, series: TransformSeries, work: Work) -> Json:
    """One version of a job, with its source code."""
    return {
        "id": {"namespace": row.namespace, "name": row.key, "version": row.version},
        **_job(row, series, work),
        "version": row.version,
        "isLatest": row.is_latest,
        "sourceCode": row.source_code,
    }


def source(row: Storage) -> Json:
    """A storage."""
    at = iso_timestamp(row.created_at)
    return {
        "name": row.root,
        "type": row.type.upper(),
        "createdAt": at,
        "updatedAt": at,
        "connectionUrl": row.root if "://" in row.root else f"file://{row.root}",
        "description": None,
        "isManaged": row.is_managed,
    }
