"""Writing transforms: a series for each job, a version for each source, numbered in the order of their first runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import (
    among,
    delete_rows,
    insert_rows,
    listed,
    reserve,
    select_in,
    update_rows,
)
from lamin_core.ingest import new_rows
from lamin_core.ingest.deleted import deleted_numbers, free_numbers
from lamin_core.ingest.edits import update_unedited
from lamin_core.ingest.facts import (
    Facets,
    JobAttributes,
    JobFacts,
    ReadJob,
    TransformFacts,
    nothing_said,
)
from lamin_core.ingest.labels import annotate
from lamin_core.ingest.new_rows import transform_stem
from lamin_core.ingest.renamed_jobs import Key, Renaming, rename, shared_names, stems
from lamin_core.models import Run, Transform, TransformSeries

Version = tuple[str, str, str | None]
"""Namespace, key and hash of the source of a version."""


@dataclass(slots=True)
class _TransformRequest:
    """A version that is asked for, with the latest description of it and its first moment."""

    facts: TransformFacts
    at: datetime


class TransformBatch:
    """The versions and facets that a batch asks for, collected before anything is written."""

    def __init__(self) -> None:
        self.versions: dict[Version, _TransformRequest] = {}
        self.facets: dict[Key, dict[str, tuple[str, Any]]] = {}
        self.declared: dict[Key, datetime] = {}

    def want(self, facts: TransformFacts, at: datetime) -> None:
        """Request a version for this code, which was described at this time."""
        request = self.versions.setdefault(version_of(facts), _TransformRequest(facts, at))
        request.at = min(request.at, at)
        request.facts = max(request.facts, facts, key=lambda candidate: candidate.precedence)

    def declare(self, job: JobFacts) -> None:
        """Note a job that an event described without a run."""
        key = job.transform.namespace, job.transform.key
        self.say(key, job.facets)
        if job.transform.source_hash is not None:
            self.want(job.transform, job.at)
        else:
            self.declared[key] = min(job.at, self.declared.get(key, job.at))

    def say(self, job: Key, facets: Facets) -> None:
        """The facts of the job."""
        if facets:
            merge(self.facets.setdefault(job, {}), facets)

    @property
    def keys(self) -> set[Key]:
        """The jobs that it speaks of."""
        return {version[:2] for version in self.versions} | set(self.facets) | set(self.declared)

    def renamings(self, keys: Collection[Key], read_job: ReadJob) -> list[Renaming]:
        """The earlier names of those jobs that have been renamed."""
        hashes: dict[Key, set[str]] = defaultdict(set)
        for namespace, name, value in self.versions:
            hashes[namespace, name].update([] if value is None else [value])
        renamings = []
        for key in sorted(keys):
            previous = _attributes(self.facets.get(key, {}), read_job).previous_name
            if previous is not None and previous != key[1]:
                renamings.append(Renaming(key, previous, frozenset(hashes[key])))
        return renamings

    def under(self, names: Mapping[Key, Key]) -> TransformBatch:
        """The same of the jobs that have other names now."""
        batch = TransformBatch()
        for request in self.versions.values():
            namespace, key = request.facts.namespace, request.facts.key
            batch.want(
                replace(request.facts, key=names.get((namespace, key), (namespace, key))[1]),
                request.at,
            )
        for job, facets in self.facets.items():
            batch.say(names.get(job, job), facets)
        for job, at in self.declared.items():
            job = names.get(job, job)
            batch.declared[job] = min(at, batch.declared.get(job, at))
        return batch


def version_of(facts: TransformFacts) -> Version:
    """The key that identifies this version."""
    return facts.namespace, facts.key, facts.source_hash


def merge(facets: dict[str, tuple[str, Any]], updates: Facets) -> bool:
    """For each name, take the later of the two facts; return whether anything changed."""
    newer = {
        name: entry
        for name, entry in updates.items()
        if name not in facets or entry[0] > facets[name][0]
    }
    facets.update(newer)
    return bool(newer)


def write(
    session: Session, wishes: TransformBatch, read_job: ReadJob
) -> tuple[dict[Version, int], set[int]]:
    """Make what is missing and complete what is there: the primary key of each version that was asked for.

    And the series that were declared without their code: to be tidied up when the runs are written.
    """
    if not wishes.keys:
        return {}, set()
    series_by_key = _load_series(session, _stems(wishes.keys), wishes)
    _make_series(session, wishes, series_by_key, read_job)
    names = shared_names(
        {key: series.id for key, series in series_by_key.items()},
        {series.id: series.key for series in series_by_key.values()},
    )
    current = wishes.under(names) if names else wishes
    for previous, job in names.items():
        series_by_key.setdefault(job, series_by_key[previous])
    _date(session, series_by_key, current)
    version_ids, renewed = _versions(session, series_by_key, current)
    _describe(session, series_by_key, current, renewed, read_job)
    for version in wishes.versions:
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
    session: Session, stems: Mapping[str, Key], wishes: TransformBatch
) -> dict[Key, _Series]:
    """The series with these stems, each by the key that its job is called by here."""
    if not stems:
        return {}
    hashes = {version[2] for version in wishes.versions} - {None}
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
    wishes: TransformBatch,
    series_by_key: dict[Key, _Series],
    read_job: ReadJob,
) -> None:
    """Find the series of jobs that were renamed, and create the series of new jobs."""
    missing = wishes.keys - series_by_key.keys()
    if not missing:
        return
    series_by_key |= _load_series(session, stems(session, missing), wishes)
    renamings = wishes.renamings(missing - series_by_key.keys(), read_job)
    # What is in this batch under its previous name comes first.
    _insert_series(
        session, missing - {renaming.key for renaming in renamings}, wishes, series_by_key
    )
    renamed = rename(session, renamings)
    series_by_key |= _load_series(session, renamed, wishes)
    keys = {series_by_key[key].id: key[1] for key in renamed.values()}
    for series in series_by_key.values():
        series.key = keys.get(series.id, series.key)
    _insert_series(session, missing, wishes, series_by_key)


def _insert_series(
    session: Session,
    keys: Collection[Key],
    wishes: TransformBatch,
    series_by_key: dict[Key, _Series],
) -> None:
    missing = sorted(key for key in keys if key not in series_by_key)
    for key, identity in zip(missing, reserve(session, TransformSeries, len(missing)), strict=True):
        series_by_key[key] = _Series(identity, key[1], wishes.declared.get(key))
    insert_rows(session, TransformSeries, [_new_series(key, series_by_key[key]) for key in missing])


def _new_series(key: Key, series: _Series) -> dict[str, object]:
    row = new_rows.transform_series(transform_stem(*key), *key)
    return {"id": series.id, **row, "facets": None, "declared_at": series.declared_at}


def _date(session: Session, series_by_key: Mapping[Key, _Series], wishes: TransformBatch) -> None:
    """Some jobs were declared earlier than known."""
    changes = []
    for key, at in wishes.declared.items():
        before = series_by_key[key].declared_at
        if before is None or at < before:
            changes.append({"id": series_by_key[key].id, "declared_at": at})
    update_rows(session, TransformSeries, changes)


def _versions(
    session: Session, series_by_key: Mapping[Key, _Series], wishes: TransformBatch
) -> tuple[dict[Version, int], set[Key]]:
    """The version for each wish, and the jobs that have new ones."""
    existing = {
        v: series_by_key[v[:2]].versions[v[2]]
        for v in wishes.versions
        if v[2] in series_by_key[v[:2]].versions
    }
    moved = _complete(
        session, [(row, wishes.versions[version]) for version, row in existing.items()]
    )
    missing = [version for version in wishes.versions if version not in existing]
    created = dict(zip(missing, reserve(session, Transform, len(missing)), strict=True))
    rows = [
        _new(identity, series_by_key[v[:2]].id, wishes.versions[v])
        for v, identity in created.items()
    ]
    insert_rows(session, Transform, rows)
    settle(session, moved | {series_by_key[version[:2]].id for version in created})
    return {version: row.id for version, row in existing.items()} | created, {
        version[:2] for version in created
    }


def _complete(session: Session, pairs: Iterable[tuple[Any, _TransformRequest]]) -> set[int]:
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


def _new(identity: int, series_id: int, request: _TransformRequest) -> dict[str, Any]:
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
    batch.want(facts, at)
    versions, _ = write(session, batch, nothing_said)
    return versions[version_of(facts)]


def settle(session: Session, series: Collection[int]) -> None:
    """Number the versions from events in the order of their first runs, independent of the order of arrival.

    In a series where people made one, numbers that are given stay, and new ones follow.
    """
    query = select(
        Transform.id,
        Transform.series_id,
        Transform.number,
        Transform.is_latest,
        Transform.origin,
        Transform.created_at,
        Transform.hash,
        TransformSeries.stem,
    ).join(TransformSeries, Transform.series_id == TransformSeries.id)
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in select_in(session, query, Transform.series_id, series):
        grouped[row.series_id].append(row)
    deleted = deleted_numbers(session, {rows[0].stem for rows in grouped.values()})
    changes = [
        change for rows in grouped.values() for change in _numbering(rows, deleted[rows[0].stem])
    ]
    # Two steps, so that no number and no `latest` is ever given twice.
    away = [
        {**change, "uid": f"~{change['id']}", "number": -change["id"], "is_latest": False}
        for change in changes
    ]
    update_rows(session, Transform, [row for row in away if row["id"] not in _unnumbered(grouped)])
    update_rows(session, Transform, changes)


def _unnumbered(grouped: Mapping[int, list[Any]]) -> set[int]:
    return {row.id for rows in grouped.values() for row in rows if row.number < 0}


def _numbering(rows: list[Any], deleted: Collection[int]) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda row: (row.created_at, row.hash or ""))
    if any(row.origin == "api" for row in rows):
        numbered = sorted((row for row in rows if row.number >= 0), key=lambda row: row.number)
        ordered = numbered + [row for row in ordered if row.number < 0]
        spare = 1 + max([-1, *(row.number for row in numbered), *deleted])
        numbers = [row.number for row in numbered] + list(
            range(spare, spare + len(ordered) - len(numbered))
        )
    else:
        numbers = list(islice(free_numbers(deleted), len(ordered)))
    assignments = [
        (row, number, position == len(ordered) - 1)
        for position, (row, number) in enumerate(zip(ordered, numbers, strict=True))
    ]
    return [
        {
            "id": row.id,
            **new_rows.numbered(row.stem, number),
            "is_latest": is_latest,
        }
        for row, number, is_latest in assignments
        if (row.number, row.is_latest) != (number, is_latest)
    ]


def _describe(
    session: Session,
    series_by_key: Mapping[Key, _Series],
    wishes: TransformBatch,
    renewed: Collection[Key],
    read_job: ReadJob,
) -> None:
    """Store the description of each job with its series, and copy it to all its versions from events."""
    changes = []
    described: dict[int, JobAttributes] = {}
    for key in {*wishes.facets, *renewed}:
        series, facets = series_by_key[key], dict(series_by_key[key].facets)
        if merge(facets, wishes.facets.get(key, {})):
            changes.append({"id": series.id, "facets": facets})
        attributes = _attributes(facets, read_job)
        if key in renewed or _attributes(series.facets, read_job) != attributes:
            described[series.id] = attributes
    update_rows(session, TransformSeries, sorted(changes, key=lambda row: row["id"]))
    _say(session, described)


def restate(session: Session, series: Collection[int], read_job: ReadJob) -> None:
    """Number the versions of these series again, and update them with the facts of their jobs."""
    settle(session, series)
    query = select(TransformSeries.id, TransformSeries.facets)
    _say(
        session,
        {
            row.id: _attributes(row.facets or {}, read_job)
            for row in select_in(session, query, TransformSeries.id, series)
        },
    )


def _attributes(stamped: Facets, read_job: ReadJob) -> JobAttributes:
    return read_job({name: value for name, (_, value) in stamped.items()})


def _say(session: Session, described: Mapping[int, JobAttributes]) -> None:
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


def tidy(
    session: Session,
    stale_versions: Collection[int],
    declared: Collection[int],
    read_job: ReadJob,
) -> None:
    """Delete versions without runs among these, and compute the times of the others again."""
    if stale_versions:
        declared = {*declared, *_redate(session, stale_versions)}
    _place_declared(session, declared, read_job)


def _redate(session: Session, stale_versions: Collection[int]) -> set[int]:
    """The series among theirs that were declared without their code."""
    first = (
        select(func.min(Run.created_at)).where(Run.transform_id == Transform.id).scalar_subquery()
    )
    query = select(Transform.id, Transform.series_id, first.label("first")).where(
        Transform.origin == "event", Transform.hash.is_(None)
    )
    rows = list(select_in(session, query, Transform.id, stale_versions))
    delete_rows(session, Transform, [row.id for row in rows if row.first is None])
    update_rows(
        session,
        Transform,
        [{"id": r.id, "created_at": r.first} for r in rows if r.first is not None],
    )
    touched = {row.series_id for row in rows}
    settle(session, touched)
    _forget_empty(session, touched)
    declared = select(TransformSeries.id).where(TransformSeries.declared_at.is_not(None))
    return {row.id for row in select_in(session, declared, TransformSeries.id, touched)}


def _forget_empty(session: Session, series: Collection[int]) -> None:
    """Delete the series without a version and without a description."""
    query = select(TransformSeries.id).where(
        TransformSeries.declared_at.is_(None),
        TransformSeries.facets.is_(None),
        ~exists().where(Transform.series_id == TransformSeries.id),
    )
    delete_rows(
        session,
        TransformSeries,
        [row.id for row in select_in(session, query, TransformSeries.id, series)],
    )


def _place_declared(session: Session, series: Collection[int], read_job: ReadJob) -> None:
    """A job that was declared without its code has a version of unknown code just as long as it has no other."""
    if not series:
        return
    first = (
        select(func.min(Run.created_at)).where(Run.transform_id == Transform.id).scalar_subquery()
    )
    query = select(
        Transform.id,
        Transform.series_id,
        Transform.hash,
        Transform.created_at,
        Transform.origin,
        first.label("first"),
    )
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in select_in(session, query, Transform.series_id, series):
        grouped[row.series_id].append(row)
    columns = ("id", "namespace", "key", "declared_at", "facets")
    every = select(*(getattr(TransformSeries, name) for name in columns))
    empty_series, dated, gone = [], [], []
    for job in select_in(session, every, TransformSeries.id, series):
        rows = grouped[job.id]
        unknown = next((row for row in rows if row.hash is None and row.origin == "event"), None)
        if not rows:
            empty_series.append(job)
        elif unknown is not None and unknown.first is None and len(rows) > 1:
            gone.append(unknown.id)
        elif unknown is not None:
            dated.append({"id": unknown.id, "created_at": unknown.first or job.declared_at})
    delete_rows(session, Transform, gone)
    update_rows(session, Transform, dated)
    ids = reserve(session, Transform, len(empty_series))
    insert_rows(
        session,
        Transform,
        [_unknown(identity, job) for identity, job in zip(ids, empty_series, strict=True)],
    )
    settle(session, series)
    _say(session, {job.id: _attributes(job.facets or {}, read_job) for job in empty_series})


def _unknown(identity: int, job: Any) -> dict[str, Any]:
    return _new(
        identity, job.id, _TransformRequest(TransformFacts(job.namespace, job.key), job.declared_at)
    )
