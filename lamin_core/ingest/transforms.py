"""Write transforms: a series for each job, a version for each source, numbered in the order of their first runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import (
    among,
    insert_rows,
    listed,
    reserve,
    select_in,
    update_rows,
)
from lamin_core.ingest import new_rows
from lamin_core.ingest.edits import update_unedited
from lamin_core.ingest.facts import JobAttributes, ReadJob, TransformFacts, nothing_said
from lamin_core.ingest.labels import annotate
from lamin_core.ingest.new_rows import transform_stem
from lamin_core.ingest.renamed_jobs import Key, rename, shared_names, stems
from lamin_core.ingest.transform_batch import (
    TransformBatch,
    TransformRequest,
    Version,
    attributes_of,
    merge,
    version_of,
)
from lamin_core.ingest.transform_numbers import number_versions
from lamin_core.models import Transform, TransformSeries


def write(
    session: Session, batch: TransformBatch, read_job: ReadJob
) -> tuple[dict[Version, int], set[int]]:
    """Make what is missing and complete what is there: the primary key of each version that was asked for.

    And the series that were declared without their code: to be tidied up when the runs are written.
    """
    if not batch.keys:
        return {}, set()
    series_by_key = _load_series(session, _stems(batch.keys), batch)
    _make_series(session, batch, series_by_key, read_job)
    names = shared_names(
        {key: series.id for key, series in series_by_key.items()},
        {series.id: series.key for series in series_by_key.values()},
    )
    current = batch.renamed(names) if names else batch
    for previous, job in names.items():
        series_by_key.setdefault(job, series_by_key[previous])
    _date(session, series_by_key, current)
    version_ids, renewed = _versions(session, series_by_key, current)
    _describe(session, series_by_key, current, renewed, read_job)
    for version in batch.versions:
        job = names.get(version[:2], version[:2])
        version_ids[version] = version_ids[(*job, version[2])]
    return version_ids, {
        series.id
        for key, series in series_by_key.items()
        if key in current.declared or series.declared_at is not None
    }


def _stems(keys: Iterable[Key]) -> dict[str, Key]:
    return {transform_stem(*key): key for key in keys}


@dataclass(slots=True)
class _Series:
    """A recorded job: its series, and the versions of it that may be needed, by the hash of their code."""

    id: int
    key: str
    declared_at: datetime | None = None
    facets: dict[str, tuple[str, Any]] = field(default_factory=dict)
    versions: dict[str | None, Any] = field(default_factory=dict)


def _load_series(
    session: Session, stems: Mapping[str, Key], batch: TransformBatch
) -> dict[Key, _Series]:
    """The series with these stems, each by the key that its job is called by here."""
    if not stems:
        return {}
    hashes = {version[2] for version in batch.versions} - {None}
    values = {"stems": listed(session, stems), "hashes": listed(session, hashes)}
    series_by_key: dict[Key, _Series] = {}
    for row in session.connection().execute(_series_query(session.get_bind().dialect.name), values):
        facets = {name: (stamp, value) for name, (stamp, value) in (row.facets or {}).items()}
        series = series_by_key.setdefault(
            stems[row.stem], _Series(row.series_id, row.series_key, row.declared_at, facets)
        )
        if row.id is not None:
            series.versions[row.hash] = row
    return series_by_key


@cache
def _series_query(dialect: str) -> Select[Any]:
    """Series and versions in one: this is asked for every event."""
    version = Transform.hash.is_(None) | among(dialect, Transform.hash, "hashes")
    return (
        select(
            *(TransformSeries.id.label("series_id"), TransformSeries.key.label("series_key")),
            *(TransformSeries.stem, TransformSeries.declared_at, TransformSeries.facets),
            *(Transform.id, Transform.hash, Transform.origin, Transform.created_at),
            *(Transform.stamp, Transform.reference, Transform.reference_type),
        )
        .outerjoin(Transform, and_(Transform.series_id == TransformSeries.id, version))
        .where(among(dialect, TransformSeries.stem, "stems"))
    )


def _make_series(
    session: Session,
    batch: TransformBatch,
    series_by_key: dict[Key, _Series],
    read_job: ReadJob,
) -> None:
    """Find the series of jobs that were renamed, and create the series of new jobs."""
    missing = batch.keys - series_by_key.keys()
    if not missing:
        return
    series_by_key |= _load_series(session, stems(session, missing), batch)
    renamings = batch.renamings(missing - series_by_key.keys(), read_job)
    # What is in this batch under its previous name comes first.
    _insert_series(
        session, missing - {renaming.key for renaming in renamings}, batch, series_by_key
    )
    renamed = rename(session, renamings)
    series_by_key |= _load_series(session, renamed, batch)
    keys = {series_by_key[key].id: key[1] for key in renamed.values()}
    for series in series_by_key.values():
        series.key = keys.get(series.id, series.key)
    _insert_series(session, missing, batch, series_by_key)


def _insert_series(
    session: Session,
    keys: Collection[Key],
    batch: TransformBatch,
    series_by_key: dict[Key, _Series],
) -> None:
    missing = sorted(key for key in keys if key not in series_by_key)
    for key, identity in zip(missing, reserve(session, TransformSeries, len(missing)), strict=True):
        series_by_key[key] = _Series(identity, key[1], batch.declared.get(key))
    insert_rows(session, TransformSeries, [_new_series(key, series_by_key[key]) for key in missing])


def _new_series(key: Key, series: _Series) -> dict[str, object]:
    row = new_rows.transform_series(transform_stem(*key), *key)
    return {"id": series.id, **row, "facets": None, "declared_at": series.declared_at}


def _date(session: Session, series_by_key: Mapping[Key, _Series], batch: TransformBatch) -> None:
    """Some jobs were declared earlier than known."""
    changes = []
    for key, at in batch.declared.items():
        before = series_by_key[key].declared_at
        if before is None or at < before:
            changes.append({"id": series_by_key[key].id, "declared_at": at})
    update_rows(session, TransformSeries, changes)


def _versions(
    session: Session, series_by_key: Mapping[Key, _Series], batch: TransformBatch
) -> tuple[dict[Version, int], set[Key]]:
    """The version for each wish, and the jobs that have new ones."""
    existing = {
        v: series_by_key[v[:2]].versions[v[2]]
        for v in batch.versions
        if v[2] in series_by_key[v[:2]].versions
    }
    moved = _complete(
        session, [(row, batch.versions[version]) for version, row in existing.items()]
    )
    missing = [version for version in batch.versions if version not in existing]
    created = dict(zip(missing, reserve(session, Transform, len(missing)), strict=True))
    rows = [
        new_version(identity, series_by_key[v[:2]].id, batch.versions[v])
        for v, identity in created.items()
    ]
    insert_rows(session, Transform, rows)
    renumbered = moved | {series_by_key[version[:2]].id for version in created}
    if renumbered:
        number_versions(session, renumbered)
    return {version: row.id for version, row in existing.items()} | created, {
        version[:2] for version in created
    }


def _complete(session: Session, pairs: Iterable[tuple[Any, TransformRequest]]) -> set[int]:
    """Bring rows up to date; the series whose order that may have changed."""
    changes, moved = [], set()
    for row, request in pairs:
        if row.origin != "event":
            continue
        newer = request.facts.stamp > (row.stamp or "")
        values = (
            _reference(request.facts)
            if newer
            else {name: getattr(row, name) for name in _REFERENCE}
        )
        values["created_at"] = min(row.created_at, request.at)
        if values["created_at"] != row.created_at:
            moved.add(row.series_id)
        if any(getattr(row, name) != value for name, value in values.items()):
            changes.append({"id": row.id, **values})
    update_unedited(session, Transform, changes)
    return moved


_REFERENCE = ("stamp", "reference", "reference_type")


def _reference(facts: TransformFacts) -> dict[str, object]:
    return {
        "stamp": facts.stamp or None,
        "reference": facts.reference if facts.source_hash else None,
        "reference_type": facts.reference_type if facts.source_hash else None,
    }


def new_version(identity: int, series_id: int, request: TransformRequest) -> dict[str, Any]:
    facts = request.facts
    return {
        "id": identity,
        "uid": f"~{identity}",  # until it is numbered
        "number": -identity,
        "is_latest": False,
        "series_id": series_id,
        "namespace": facts.namespace,
        "key": facts.key,
        "hash": facts.source_hash,
        "source_code": facts.source,
        "language": facts.language,
        "kind": facts.kind or "pipeline",
        "origin": "event",
        "created_at": request.at,
        **_reference(facts),
    }


def unknown_version(session: Session, namespace: str, key: str, at: datetime) -> int:
    """The primary key of the latest version of this job; without a version, of a new one with unknown code."""
    job = TransformSeries.namespace == namespace, TransformSeries.key == key
    latest = (
        select(Transform.id)
        .join(TransformSeries, Transform.series_id == TransformSeries.id)
        .where(*job, Transform.is_latest)
    )
    existing = session.scalar(latest)
    if existing is not None:
        return existing
    facts, batch = TransformFacts(namespace, key), TransformBatch()
    batch.request(facts, at)
    versions, _ = write(session, batch, nothing_said)
    return versions[version_of(facts)]


def _describe(
    session: Session,
    series_by_key: Mapping[Key, _Series],
    batch: TransformBatch,
    renewed: Collection[Key],
    read_job: ReadJob,
) -> None:
    """Store the description of each job with its series, and copy it to all its versions from events."""
    changes = []
    described: dict[int, JobAttributes] = {}
    for key in {*batch.facets, *renewed}:
        series, facets = series_by_key[key], dict(series_by_key[key].facets)
        if merge(facets, batch.facets.get(key, {})):
            changes.append({"id": series.id, "facets": facets})
        attributes = attributes_of(facets, read_job)
        if key in renewed or attributes_of(series.facets, read_job) != attributes:
            described[series.id] = attributes
    update_rows(session, TransformSeries, sorted(changes, key=lambda row: row["id"]))
    update_attributes(session, described)


def restate(session: Session, series: Collection[int], read_job: ReadJob) -> None:
    """Number the versions of these series again, and update them with the facts of their jobs."""
    number_versions(session, series)
    query = select(TransformSeries.id, TransformSeries.facets)
    update_attributes(
        session,
        {
            row.id: attributes_of(row.facets or {}, read_job)
            for row in select_in(session, query, TransformSeries.id, series)
        },
    )


def update_attributes(session: Session, described: Mapping[int, JobAttributes]) -> None:
    """Write the attributes of jobs to all versions of their series from events."""
    if not described:
        return
    query = select(Transform.id, Transform.series_id, Transform.hash).where(
        Transform.origin == "event"
    )
    rows = list(select_in(session, query, Transform.series_id, described))
    attributes = {row.id: described[row.series_id] for row in rows}
    update_unedited(session, Transform, [_described(*item) for item in attributes.items()])
    # Versions whose code is known have a reference of their own.
    unknown = [row.id for row in rows if row.hash is None]
    update_unedited(session, Transform, [_referred(i, attributes[i]) for i in unknown])
    annotate(
        session,
        Transform,
        {i: {"labels": job.labels, "owner": job.owner} for i, job in attributes.items()},
    )


def _described(identity: int, attributes: JobAttributes) -> dict[str, object]:
    return {"id": identity, "kind": attributes.kind, "description": attributes.description}


def _referred(identity: int, attributes: JobAttributes) -> dict[str, object]:
    reference = {"reference": attributes.reference, "reference_type": attributes.reference_type}
    return {"id": identity, **reference}
