"""An artifact that is being saved: its series, its latest version and the next version number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_missing, parts, update_rows
from lamin_core.enums import MANAGED
from lamin_core.ingest import new_rows
from lamin_core.ingest.datasets import (
    Series,
    copied_series,
    last_numbers,
    load_series,
    make_series,
    roots,
    series_where,
    storage_for,
)
from lamin_core.ingest.new_rows import ARTIFACT_STEM, artifact_stem
from lamin_core.models import Artifact, ArtifactSeries, Run, now
from lamin_core.models.arguments import Source
from lamin_core.models.tables import table_of
from lamin_core.storage.blobs import Copy
from lamin_core.storage.locations import Root, outer_root
from lamin_core.uids import random_uid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class ArtifactDraft:
    """An artifact, and what the steps of saving find out about it."""

    artifact: Artifact
    source: Source
    run: Run | None
    revises: Artifact | None = None
    copy: Copy | None = None
    """None where the bytes stay where they are."""
    is_new_copy: bool = False
    content_id: int | None = None
    root: Root | None = None
    """The storage that has the bytes."""
    series: Series = field(init=False)
    head: Artifact | None = None
    """The latest version so far."""
    at: datetime = EPOCH
    """The time of the observation, set when the series is known."""
    row: dict[str, Any] = field(default_factory=dict)
    """The columns of a new version."""

    @property
    def is_known(self) -> bool:
        """Whether the newest version has these bytes already."""
        return (
            self.head is not None
            and self.content_id is not None
            and self.head.content_id == self.content_id
        )

    @property
    def is_written(self) -> bool:
        """Whether the run may have made these bytes: a file in place that is older than the run is only named by it."""
        if self.run is None:
            return False
        seen, started = self.source.seen, self.run.started_at
        if self.source.target is not None or seen is None or started is None:
            return True
        return (
            max((modified for _, modified, *_ in seen.state), default=0)
            >= started.timestamp() * 1e9
        )


def find_series(session: Session, pending: Sequence[ArtifactDraft]) -> None:
    """Say of each which series it is a version of, made where it is new, and which storage has its bytes."""
    keyed: list[tuple[ArtifactDraft, Root, str]] = []
    unnamed: list[ArtifactDraft] = []
    for draft in pending:
        source = draft.source
        draft.root = (
            source.target or source.location.root or storage_for(session, outer_root(source.path))
        )
        key = (
            draft.artifact.key
            if source.target is not None
            else source.path[len(draft.root.root.rstrip("/")) + 1 :]
        )
        series_id = _known_series(session, draft, key)
        if series_id is not None:
            draft.series = load_series(session, [series_id])[series_id]
        elif key is not None:
            keyed.append((draft, draft.root, key))
        else:
            unnamed.append(draft)
    _find_keyed(session, keyed)
    _make_unnamed(session, unnamed)


def _known_series(session: Session, draft: ArtifactDraft, key: str | None) -> int | None:
    """The series of what a revision revises, or of what the registry's own copy is a copy of."""
    revised = draft.revises
    if revised is not None:
        return int(revised.series_id)
    if draft.source.target is None and key is not None and key.startswith(f"{MANAGED}/"):
        return copied_series(session, draft.source.path, roots(session))
    return None


def _find_keyed(session: Session, keyed: Sequence[tuple[ArtifactDraft, Root, str]]) -> None:
    places = {(root.id, key): artifact_stem(root.uid, key) for _, root, key in keyed}
    series_by_key = _added(session, places, now()) or _found_or_made(session, places, now())
    for draft, root, key in keyed:
        draft.series = series_by_key[root.id, key]


_Placed = dict[tuple[int, str | None], Series]
"""Series by storage and key."""


def _added(session: Session, places: Mapping[tuple[int, str], str], at: datetime) -> _Placed:
    """The common case in one statement: the series of a single artifact, unless it is there."""
    if len(places) != 1:
        return {}
    [((storage_id, key), stem)] = places.items()
    row = new_rows.artifact_series(stem, storage_id, key, at)
    identity = insert_missing(session, table_of(ArtifactSeries), row)
    return (
        {}
        if identity is None
        else {(storage_id, key): Series(identity, stem, storage_id, key, at, is_new=True)}
    )


def _found_or_made(
    session: Session, places: Mapping[tuple[int, str], str], at: datetime
) -> _Placed:
    """The series of these places; the missing ones are made."""
    rows = series_where(session, ArtifactSeries.key, {key for _, key in places}).values()
    existing: _Placed = {(series.storage_id, series.key): series for series in rows}
    missing = [(stem, *location) for location, stem in places.items() if location not in existing]
    return existing | {
        (series.storage_id, series.key): series for series in make_series(session, missing, at)
    }


def _make_unnamed(session: Session, unnamed: Sequence[ArtifactDraft]) -> None:
    """A series of its own for each artifact without a key."""
    new = [
        (random_uid(ARTIFACT_STEM), draft.root.id, None)
        for draft in unnamed
        if draft.root is not None
    ]
    for draft, series in zip(unnamed, make_series(session, new, now()), strict=True):
        draft.series = series


def find_heads(session: Session, batch: Sequence[ArtifactDraft]) -> None:
    """Say of each which version of its series is the latest; each series is there once."""
    heads = {}
    for chunk in parts({draft.series.id for draft in batch if not draft.series.is_new}):
        for head in session.scalars(
            select(Artifact).where(Artifact.series_id.in_(chunk), Artifact.is_latest)
        ):
            heads[head.series_id] = head
    for draft in batch:
        draft.head = heads.get(draft.series.id)


def tell_moments(batch: Sequence[ArtifactDraft]) -> None:
    """Say of each when it is observed: now, but not before what was observed already, should the clocks differ."""
    observed_at = now()
    for draft in batch:
        last = draft.series.last_observed_at
        if last is not None and draft.series.is_new:
            draft.at = last  # as its series says
        else:
            draft.at = (
                observed_at
                if last is None or last < observed_at
                else last + timedelta(microseconds=1)
            )


def next_numbers(session: Session, new: Sequence[ArtifactDraft]) -> list[int]:
    """The number of each of these new versions, of which each series has one; what was the latest is so no more."""
    superseded = [
        {"id": draft.head.id, "is_latest": False} for draft in new if draft.head is not None
    ]
    update_rows(session, Artifact, superseded)
    older = {draft.series.id for draft in new if not draft.series.is_new}
    newest = last_numbers(session, older)
    return [newest.get(draft.series.id, -1) + 1 for draft in new]
