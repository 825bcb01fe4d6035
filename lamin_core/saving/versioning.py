"""Which series an artifact to be saved belongs to, what its latest version is, and the number of the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_missing, parts, update_rows
from lamin_core.enums import MANAGED
from lamin_core.ingest.datasets import Series, last_numbers, load_series, make_series, series_where
from lamin_core.ingest.series import copied_series, roots, storage_for
from lamin_core.models import Artifact, ArtifactSeries, now
from lamin_core.models.relations import table_of
from lamin_core.saving.draft import Pending
from lamin_core.storage.locations import Root, outer_root
from lamin_core.uids import derived_uid, random_uid


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
            one.series = load_series(session, [known])[known]
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


def _find_keyed(session: Session, keyed: Sequence[tuple[Pending, Root, str]]) -> None:
    places = {(root.id, key): derived_uid(16, root.uid, key) for _, root, key in keyed}
    found = _added(session, places, now()) or _found_or_made(session, places, now())
    for one, root, key in keyed:
        one.series = found[root.id, key]


_Placed = dict[tuple[int, str | None], Series]
"""Series by storage and key."""


def _added(session: Session, places: Mapping[tuple[int, str], str], moment: datetime) -> _Placed:
    """The common case in one statement: the series of a single artifact, unless it is there."""
    if len(places) != 1:
        return {}
    [((storage_id, key), stem)] = places.items()
    row = {"stem": stem, "storage_id": storage_id, "key": key, "last_observed_at": moment}
    made = insert_missing(session, table_of(ArtifactSeries), row)
    return {} if made is None else {(storage_id, key): Series(made, stem, storage_id, key, moment, is_new=True)}


def _found_or_made(session: Session, places: Mapping[tuple[int, str], str], moment: datetime) -> _Placed:
    """The series of these places; the missing ones are made."""
    rows = series_where(session, ArtifactSeries.key, {key for _, key in places}).values()
    found: _Placed = {(one.storage_id, one.key): one for one in rows}
    missing = [(stem, *place) for place, stem in places.items() if place not in found]
    return found | {(one.storage_id, one.key): one for one in make_series(session, missing, moment)}


def _make_unnamed(session: Session, unnamed: Sequence[Pending]) -> None:
    """A series of its own for each artifact without a key."""
    new = [(random_uid(16), one.root.id, None) for one in unnamed if one.root is not None]
    for one, series in zip(unnamed, make_series(session, new, now()), strict=True):
        one.series = series


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
        last = one.series.last_observed_at
        if last is not None and one.series.is_new:
            one.at = last  # as its series says
        else:
            one.at = moment if last is None or last < moment else last + timedelta(microseconds=1)


def next_numbers(session: Session, new: Sequence[Pending]) -> list[int]:
    """The number of each of these new versions, of which each series has one; what was the latest is so no more."""
    superseded = [{"id": one.head.id, "is_latest": False} for one in new if one.head is not None]
    update_rows(session, Artifact, superseded)
    older = {one.series.id for one in new if not one.series.is_new}
    newest = last_numbers(session, older)
    return [newest.get(one.series.id, -1) + 1 for one in new]
