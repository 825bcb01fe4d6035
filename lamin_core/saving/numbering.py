"""Which series an artifact to be saved belongs to, what its latest version is, and the number of the next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lamin_core.bulk import insert_rows, parts, reserve, select_in, table_of, update_rows
from lamin_core.db import insert_missing, insert_missing_rows
from lamin_core.lineage.series import copied_series, roots, storage_for
from lamin_core.models import Artifact, ArtifactSeries, now
from lamin_core.saving.pending import Pending, Series
from lamin_core.storage import Root, outer_root
from lamin_core.types import MANAGED
from lamin_core.uids import derived_uid, random_uid

_SERIES = select(ArtifactSeries.id, ArtifactSeries.stem, ArtifactSeries.key, ArtifactSeries.last_observed_at)

_PLACED = _SERIES.add_columns(ArtifactSeries.storage_id)
_NEWEST = select(Artifact.series_id, func.max(Artifact.number)).group_by(Artifact.series_id)


def find_series(session: Session, pending: Sequence[Pending]) -> None:
    """Say of each which series it is a version of, made where it is new, and which storage has its bytes."""
    keyed: list[tuple[Pending, Root, str]] = []
    unnamed: list[Pending] = []
    for one in pending:
        source = one.source
        one.root = source.target or source.place.root or storage_for(session, outer_root(source.path))
        key = one.artifact.key if source.target is not None else source.path[len(one.root.root.rstrip("/")) + 1 :]
        known = _known_series(session, one, key)
        if known is not None:
            one.series = _by_id(session, known)
        elif key is not None:
            keyed.append((one, one.root, key))
        else:
            unnamed.append(one)
    _find_keyed(session, keyed)
    _make_unnamed(session, unnamed)


def _known_series(session: Session, one: Pending, key: str | None) -> int | None:
    """Of a revision that of what it revises, of the registry's own copies that of what they are copies of."""
    revised = one.artifact.__dict__.get("_revises")
    if revised is not None:
        return int(revised.series_id)
    if one.source.target is None and key is not None and key.startswith(f"{MANAGED}/"):
        return copied_series(session, one.source.path, roots(session))
    return None


def _by_id(session: Session, identity: int) -> Series:
    return Series(*session.connection().execute(_SERIES.where(ArtifactSeries.id == identity)).one())


def _find_keyed(session: Session, keyed: Sequence[tuple[Pending, Root, str]]) -> None:
    moment = now()
    rows = {
        (root.id, key): {
            "stem": derived_uid(16, root.uid, key),
            "storage_id": root.id,
            "key": key,
            "last_observed_at": moment,
        }
        for _, root, key in keyed
    }
    found = _found_or_made(session, list(rows.values()))
    for one, root, key in keyed:
        one.series = found[root.id, key]


def _found_or_made(session: Session, rows: list[dict[str, Any]]) -> dict[tuple[int, str], Series]:
    """The series of these storages and keys; the missing ones are made."""
    table = table_of(ArtifactSeries)
    if len(rows) == 1:  # the common case, in one statement
        row = rows[0]
        made = insert_missing(session, table, row)
        if made is not None:
            series = Series(made, row["stem"], row["key"], row["last_observed_at"], is_new=True)
            return {(row["storage_id"], row["key"]): series}
    before = _there(session, rows)
    missing = [row for row in rows if (row["storage_id"], row["key"]) not in before]
    if not missing:
        return before
    insert_missing_rows(session, table, missing)
    made_now = _there(session, missing)
    for series in made_now.values():
        series.is_new = True
    return before | made_now


def _there(session: Session, rows: list[dict[str, Any]]) -> dict[tuple[int, str], Series]:
    found = select_in(session, _PLACED, ArtifactSeries.key, {row["key"] for row in rows})
    return {(storage, key): Series(identity, stem, key, at) for identity, stem, key, at, storage in found}


def _make_unnamed(session: Session, unnamed: Sequence[Pending]) -> None:
    """A series of its own for each artifact without a key."""
    moment = now()
    for one, identity in zip(unnamed, reserve(session, ArtifactSeries, len(unnamed)), strict=True):
        one.series = Series(identity, random_uid(16), None, moment, is_new=True)
    rows = [
        {
            "id": one.series.id,
            "stem": one.series.stem,
            "storage_id": None if one.root is None else one.root.id,
            "key": None,
            "last_observed_at": moment,
        }
        for one in unnamed
    ]
    insert_rows(session, ArtifactSeries, rows)


def find_heads(session: Session, batch: Sequence[Pending]) -> None:
    """Say of each which version of its series is the latest; each series is there once."""
    heads = {}
    for chunk in parts({one.series.id for one in batch if not one.series.is_new}):
        for head in session.scalars(select(Artifact).where(Artifact.series_id.in_(chunk), Artifact.is_latest)):
            heads[head.series_id] = head
    for one in batch:
        one.head = heads.get(one.series.id)


def tell_moments(batch: Sequence[Pending]) -> None:
    """Say of each when it is observed: now, but not before what was observed already, should the clocks differ."""
    moment = now()
    for one in batch:
        last = one.series.observed_at
        if last is not None and one.series.is_new:
            one.at = last  # as its series says
        else:
            one.at = moment if last is None or last < moment else last + timedelta(microseconds=1)


def next_numbers(session: Session, new: Sequence[Pending]) -> list[int]:
    """The number of each of these new versions, of which each series has one; what was the latest is so no more."""
    superseded = [{"id": one.head.id, "is_latest": False} for one in new if one.head is not None]
    update_rows(session, Artifact, superseded)
    older = {one.series.id for one in new if not one.series.is_new}
    newest = {row[0]: row[1] for row in select_in(session, _NEWEST, Artifact.series_id, older)}
    return [newest.get(one.series.id, -1) + 1 for one in new]
