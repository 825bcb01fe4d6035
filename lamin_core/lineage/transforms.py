"""Writing transforms: a series for each job, a version for each source, numbered in the order of their first runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lamin_core.bulk import delete_rows, insert_rows, reserve, select_in, update_rows
from lamin_core.lineage.facts import Facets, JobFacts, TransformFacts
from lamin_core.models import Run, Transform, TransformSeries
from lamin_core.uids import derived_uid, version_suffix

Key = tuple[str, str]
"""Namespace and key of a job."""
Version = tuple[str, str, str | None]
"""Namespace, key and hash of the source of a version."""


@dataclass(slots=True)
class _Wanted:
    """A version that some run of the batch is of, with the latest description of it and its first moment."""

    facts: TransformFacts
    at: datetime
    declared_at: datetime | None = None


class Wishes:
    """The versions and facets that a batch asks for, collected before anything is written."""

    def __init__(self) -> None:
        self.versions: dict[Version, _Wanted] = {}
        self.facets: dict[Key, dict[str, tuple[str, Any]]] = {}
        self.declared: dict[Key, datetime] = {}

    def want(self, facts: TransformFacts, at: datetime, *, declared: bool = False) -> None:
        """There is a run of this code, or the job was declared with it; first heard of at this time."""
        held = self.versions.setdefault(version_of(facts), _Wanted(facts, at))
        held.at = min(held.at, at)
        if facts.stamp > held.facts.stamp:
            held.facts = facts
        if declared:
            held.declared_at = at if held.declared_at is None else min(held.declared_at, at)

    def declare(self, job: JobFacts) -> None:
        """Somebody told of the job without a run."""
        key = job.transform.namespace, job.transform.key
        self.say(job.transform, job.facets)
        if job.transform.source_hash is not None:
            self.want(job.transform, job.at, declared=True)
        else:
            self.declared[key] = min(job.at, self.declared.get(key, job.at))

    def say(self, facts: TransformFacts, facets: Facets) -> None:
        """This was said of the job."""
        if facets:
            merge(self.facets.setdefault((facts.namespace, facts.key), {}), facets)


def version_of(facts: TransformFacts) -> Version:
    """What tells this version from all others."""
    return facts.namespace, facts.key, facts.source_hash


def merge(held: dict[str, tuple[str, Any]], said: Facets) -> bool:
    """Take what was said later over what is held, name by name; whether anything changed."""
    newer = {name: entry for name, entry in said.items() if name not in held or entry[0] > held[name][0]}
    held.update(newer)
    return bool(newer)


def write(session: Session, wishes: Wishes) -> dict[Version, int]:
    """Make what is missing and complete what is there; the primary key of each version that was asked for."""
    keys = {version[:2] for version in wishes.versions} | set(wishes.facets) | set(wishes.declared)
    if not keys:
        return {}
    series, declared = _series(session, keys, wishes)
    found = _versions(session, series, wishes)
    _describe(session, series, wishes)
    _place_declared(session, declared)
    return found


@lru_cache(maxsize=10_000)
def _stem(namespace: str, key: str) -> str:
    return derived_uid(12, "transform", namespace, key)


def _series(session: Session, keys: Collection[Key], wishes: Wishes) -> tuple[dict[Key, int], set[int]]:
    """The series of these jobs, and which of them were declared without their code."""
    stems = {_stem(*key): key for key in keys}
    rows = {stems[row.stem]: row for row in select_in(session, _BY_STEM, TransformSeries.stem, stems)}
    missing = sorted(key for key in keys if key not in rows)
    made = dict(zip(missing, reserve(session, TransformSeries, len(missing)), strict=True))
    insert_rows(session, TransformSeries, [_new_series(identity, key, wishes) for key, identity in made.items()])
    earlier = {
        rows[key].id: at
        for key, at in wishes.declared.items()
        if key in rows and (rows[key].declared_at is None or at < rows[key].declared_at)
    }
    update_rows(session, TransformSeries, [{"id": identity, "declared_at": at} for identity, at in earlier.items()])
    series = made | {key: row.id for key, row in rows.items()}
    return series, {series[key] for key in wishes.declared} | {r.id for r in rows.values() if r.declared_at is not None}


def _new_series(identity: int, key: Key, wishes: Wishes) -> dict[str, Any]:
    at = wishes.declared.get(key)
    return {"id": identity, "stem": _stem(*key), "namespace": key[0], "key": key[1], "facets": None, "declared_at": at}


_BY_STEM = select(TransformSeries.id, TransformSeries.stem, TransformSeries.declared_at)
_ROW = select(
    Transform.id,
    Transform.series_id,
    Transform.hash,
    Transform.origin,
    Transform.created_at,
    Transform.declared_at,
    Transform.stamp,
    Transform.kind,
    Transform.reference,
    Transform.reference_type,
)


def _versions(session: Session, series: Mapping[Key, int], wishes: Wishes) -> dict[Version, int]:
    keys = {identity: key for key, identity in series.items()}
    wanted_hashes = {version[2] for version in wishes.versions}
    query = _ROW.where(Transform.hash.in_(wanted_hashes - {None}) | Transform.hash.is_(None))
    held = {
        (*keys[row.series_id], row.hash): row
        for row in select_in(session, query, Transform.series_id, {series[v[:2]] for v in wishes.versions})
    }
    found = {version: held[version].id for version in wishes.versions if version in held}
    moved = _complete(session, [(held[v], wanted) for v, wanted in wishes.versions.items() if v in held])
    missing = [version for version in wishes.versions if version not in held]
    made = dict(zip(missing, reserve(session, Transform, len(missing)), strict=True))
    insert_rows(
        session, Transform, [_new(identity, series, wishes.versions[version]) for version, identity in made.items()]
    )
    settle(session, moved | {series[version[:2]] for version in made})
    return found | made


def _complete(session: Session, pairs: Iterable[tuple[Any, _Wanted]]) -> set[int]:
    """Bring rows up to date; the series whose order that may have changed."""
    changes, moved = [], set()
    for row, wanted in pairs:
        if row.origin != "event":
            continue
        told = [at for at in (row.declared_at, wanted.declared_at) if at is not None]
        values = {"created_at": min(row.created_at, wanted.at), "declared_at": min(told, default=None)}
        newer = wanted.facts.stamp > (row.stamp or "")
        values |= _description(wanted.facts) if newer else {name: getattr(row, name) for name in _DESCRIBED}
        if values["created_at"] != row.created_at:
            moved.add(row.series_id)
        if any(getattr(row, name) != value for name, value in values.items()):
            changes.append({"id": row.id, **values})
    update_rows(session, Transform, changes)
    return moved


_DESCRIBED = ("stamp", "kind", "reference", "reference_type")


def _description(facts: TransformFacts) -> dict[str, Any]:
    return {
        "stamp": facts.stamp,
        "kind": facts.kind or "pipeline",
        "reference": facts.reference,
        "reference_type": facts.reference_type,
    }


def _new(identity: int, series: Mapping[Key, int], wanted: _Wanted) -> dict[str, Any]:
    facts = wanted.facts
    return {
        "id": identity,
        "uid": f"~{identity}",  # until it is numbered
        "number": -identity,
        "is_latest": False,
        "series_id": series[facts.namespace, facts.key],
        "namespace": facts.namespace,
        "key": facts.key,
        "hash": facts.source_hash,
        "source_code": facts.source,
        "language": facts.language,
        "description": facts.description,
        "origin": "event",
        "created_at": wanted.at,
        "declared_at": wanted.declared_at,
        **_description(facts),
    }


def settle(session: Session, series: Collection[int]) -> None:
    """Number the versions that events told of in the order of their first runs, whatever the order of arrival.

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
    changes = [change for rows in grouped.values() for change in _numbering(rows)]
    # Two steps, so that no number and no `latest` is ever given twice.
    away = [{**change, "uid": f"~{change['id']}", "number": -change["id"], "is_latest": False} for change in changes]
    update_rows(session, Transform, [row for row in away if row["id"] not in _unnumbered(grouped)])
    update_rows(session, Transform, changes)


def _unnumbered(grouped: Mapping[int, list[Any]]) -> set[int]:
    return {row.id for rows in grouped.values() for row in rows if row.number < 0}


def _numbering(rows: list[Any]) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda row: (row.created_at, row.hash or ""))
    if any(row.origin == "api" for row in rows):
        kept = sorted((row for row in rows if row.number >= 0), key=lambda row: row.number)
        ordered = kept + [row for row in ordered if row.number < 0]
        spare = 1 + max((row.number for row in kept), default=-1)
        numbers = [row.number for row in kept] + list(range(spare, spare + len(ordered) - len(kept)))
    else:
        numbers = list(range(len(ordered)))
    wanted = [
        (row, number, place == len(ordered) - 1)
        for place, (row, number) in enumerate(zip(ordered, numbers, strict=True))
    ]
    return [
        {"id": row.id, "uid": row.stem + version_suffix(number), "number": number, "is_latest": is_latest}
        for row, number, is_latest in wanted
        if (row.number, row.is_latest) != (number, is_latest)
    ]


def _describe(session: Session, series: Mapping[Key, int], wishes: Wishes) -> None:
    """Keep the facets of each job with its series; its documentation is the description of all versions."""
    ids = {series[key]: key for key in wishes.facets}
    query = select(TransformSeries.id, TransformSeries.facets)
    changes = []
    for identity, facets in select_in(session, query, TransformSeries.id, ids):
        held = {name: (stamp, value) for name, (stamp, value) in (facets or {}).items()}
        if merge(held, wishes.facets[ids[identity]]):
            changes.append({"id": identity, "facets": held})
    update_rows(session, TransformSeries, changes)


def tidy(session: Session, left: Collection[int]) -> None:
    """Of versions that runs have left: drop those that nobody is of any more, and date the others anew."""
    if not left:
        return
    first = select(func.min(Run.created_at)).where(Run.transform_id == Transform.id).scalar_subquery()
    query = select(Transform.id, Transform.series_id, Transform.declared_at, first.label("first")).where(
        Transform.origin == "event"
    )
    rows = list(select_in(session, query, Transform.id, left))
    gone = [row for row in rows if row.first is None and row.declared_at is None]
    delete_rows(session, Transform, [row.id for row in gone])
    dates = {row.id: [at for at in (row.first, row.declared_at) if at is not None] for row in rows}
    update_rows(session, Transform, [{"id": key, "created_at": min(times)} for key, times in dates.items() if times])
    touched = {row.series_id for row in rows}
    settle(session, touched)
    declared = select(TransformSeries.id).where(TransformSeries.declared_at.is_not(None))
    _place_declared(session, {row.id for row in select_in(session, declared, TransformSeries.id, touched)})


def _place_declared(session: Session, series: Collection[int]) -> None:
    """A job that was declared without its code has a version of unknown code just as long as it has no other."""
    if not series:
        return
    first = select(func.min(Run.created_at)).where(Run.transform_id == Transform.id).scalar_subquery()
    query = select(Transform.id, Transform.series_id, Transform.hash, first.label("first"))
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in select_in(session, query, Transform.series_id, series):
        grouped[row.series_id].append(row)
    every = select(TransformSeries.id, TransformSeries.namespace, TransformSeries.key, TransformSeries.declared_at)
    made, dated, gone = [], [], []
    for told in select_in(session, every, TransformSeries.id, series):
        rows = grouped[told.id]
        idle = next((row for row in rows if row.hash is None and row.first is None), None)
        if not rows:
            made.append(told)
        elif idle is not None and len(rows) > 1:
            gone.append(idle.id)
        elif idle is not None:
            dated.append({"id": idle.id, "created_at": told.declared_at})
    delete_rows(session, Transform, gone)
    update_rows(session, Transform, dated)
    ids = reserve(session, Transform, len(made))
    insert_rows(session, Transform, [_unknown(identity, told) for identity, told in zip(ids, made, strict=True)])
    settle(session, series)


def _unknown(identity: int, told: Any) -> dict[str, Any]:
    facts = TransformFacts(told.namespace, told.key)
    return _new(identity, {(told.namespace, told.key): told.id}, _Wanted(facts, told.declared_at))
