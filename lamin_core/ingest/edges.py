"""Writing edges: each finds or makes the version of the dataset that it saw, in the order of time.

What comes in order only appends. What comes late binds to the newest version where that was there
already at the time; else everything known of the series is folded again, so that the order of
arrival leaves no trace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import delete_rows, insert_rows, reserve, select_in, update_rows
from lamin_core.ingest import containment, new_rows
from lamin_core.ingest.datasets import Series, last_numbers, load_series
from lamin_core.ingest.deleted import deleted_numbers, deletions_of
from lamin_core.ingest.edits import update_unedited
from lamin_core.ingest.labels import annotate
from lamin_core.ingest.reversion import key_of, refold
from lamin_core.ingest.versions import Observation, Version, matching_version
from lamin_core.models import Artifact, ArtifactSeries, Run, RunArtifact
from lamin_core.storage.locations import suffix_of

TRAITS = ("n_observations", "description", "real_key")
"""The traits that are columns of an artifact."""
_SAID = ("content_id", "observed_at", "role", "facets", "traits")


@dataclass(slots=True)
class Edge:
    """An edge to insert or to update."""

    run_id: int | None
    run_uid: str
    direction: str
    series: Series
    values: dict[str, Any]
    event_hash: str | None = None
    own_write: datetime | None = None
    """When the run wrote the same dataset."""

    @property
    def seen(self) -> Observation:
        """The edge in the form that the fold over versions reads."""
        return Observation(
            self.values["observed_at"],
            cast(Any, self.direction),
            self.values["content_id"],
            self.run_id,
            run_uid=self.run_uid,
            traits=self.values["traits"],
            own_write=self.own_write,
        )


@dataclass(slots=True)
class _LatestVersion:
    """The newest version of a series while a batch is written; `id` is 0 until a new one gets its key."""

    id: int
    number: int
    content_id: int | None
    run_id: int | None
    created_at: datetime
    origin: str
    traits: dict[str, Any]
    was_latest: bool = True
    is_hidden: bool = False
    """Whether it is in the trash, as all versions of its series are."""


@dataclass(slots=True)
class _Batch:
    """The changes of a batch, before they are written."""

    bound: list[tuple[Edge, _LatestVersion]] = field(default_factory=list)
    new_versions: list[tuple[Series, _LatestVersion]] = field(default_factory=list)
    replaced: list[_LatestVersion] = field(default_factory=list)
    changed: dict[int, _LatestVersion] = field(default_factory=dict)
    marks: list[tuple[_LatestVersion, Mapping[str, Any]]] = field(default_factory=list)
    late: set[int] = field(default_factory=set)
    """Series that have to be folded again."""


def write(
    session: Session,
    edges: Sequence[Edge],
    runs: Collection[int],
    new_runs: Collection[int],
    sizes: Mapping[int, int],
) -> None:
    """Write these edges: all that these runs have, and more of others.

    `fresh` are the runs that had none before; `sizes` how many files those contents have that are
    of folders.
    """
    new, late = _compared(session, edges, set(runs) - set(new_runs))
    series = {edge.series.id: edge.series for edge in new}
    # What was deleted for good is not made again by late events of its runs: the fold knows it.
    deleted = deletions_of(session, {item.stem for item in series.values() if not item.is_new})
    late |= {item.id for item in series.values() if deleted[item.stem].contents}
    heads = _heads(
        session, [item.id for item in series.values() if item.last_observed_at is not None]
    )
    batch = _Batch(late=late)
    grouped: defaultdict[int, list[Edge]] = defaultdict(list)
    for edge in new:
        grouped[edge.series.id].append(edge)
    for key, group in grouped.items():
        _bind(
            session,
            batch,
            series[key],
            heads.get(key),
            sorted(group, key=lambda edge: edge.seen.order),
        )
    _write_versions(session, batch)
    insert_rows(session, RunArtifact, [_row(edge, head) for edge, head in batch.bound])
    _note_times(session, grouped)
    if batch.marks:
        annotate(session, Artifact, _merged(batch.marks))
    if batch.late:
        refold(session, batch.late)
    containment.link(
        session,
        [
            _lying(item, head, sizes)
            for item, head in batch.new_versions
            if item.id not in batch.late
        ],
    )
    containment.relink(session, list(batch.changed))


def _compared(
    session: Session, edges: Sequence[Edge], old: Collection[int]
) -> tuple[list[Edge], set[int]]:
    """The edges that are new; and the series in which known edges of old runs say something else than before."""
    existing = {
        (row.run_id, row.direction, row.series_id): row
        for row in select_in(session, _HELD, RunArtifact.run_id, old)
    }
    event_hashes = {edge.event_hash for edge in edges if edge.event_hash is not None}
    recorded_hashes = {
        row.event_hash for row in select_in(session, _TOLD, RunArtifact.event_hash, event_hashes)
    }
    new, changes, moved = [], [], set()
    for edge in edges:
        row = existing.pop((edge.run_id, edge.direction, edge.series.id), None)
        if row is not None:
            if any(getattr(row, name) != edge.values[name] for name in _SAID):
                changes.append({"id": row.id, **edge.values})
            if any(
                getattr(row, name) != edge.values[name]
                for name in ("content_id", "observed_at", "traits")
            ):
                moved.add(edge.series.id)
        elif edge.event_hash is None or edge.event_hash not in recorded_hashes:
            new.append(edge)
    update_rows(session, RunArtifact, changes)
    untold = [row for row in existing.values() if row.origin == "event"]
    delete_rows(session, RunArtifact, [row.id for row in untold])
    return new, moved | {row.series_id for row in untold}


_HELD = select(
    *(
        RunArtifact.id,
        RunArtifact.run_id,
        RunArtifact.direction,
        RunArtifact.series_id,
        RunArtifact.origin,
    ),
    *(getattr(RunArtifact, name) for name in _SAID),
)
_TOLD = select(RunArtifact.event_hash)


def _heads(session: Session, series: Collection[int]) -> dict[int, _LatestVersion]:
    heads = {
        row.series_id: _head(row) for row in select_in(session, _LATEST, Artifact.series_id, series)
    }
    missing = set(series) - set(heads)
    for row in select_in(session, _HIDDEN, Artifact.series_id, missing):
        heads[row.series_id] = _head(row)  # the last of them is the newest
    return heads


def _head(row: Any) -> _LatestVersion:
    traits = {name: getattr(row, name) for name in TRAITS}
    return _LatestVersion(
        *(row.id, row.number, row.content_id, row.run_id, row.created_at, row.origin, traits),
        is_hidden=row.deleted_at is not None,
    )


_NEWEST = select(
    Artifact.series_id,
    Artifact.id,
    Artifact.number,
    Artifact.content_id,
    Artifact.run_id,
    Artifact.created_at,
    Artifact.origin,
    Artifact.deleted_at,
    *(getattr(Artifact, name) for name in TRAITS),
)
_LATEST = _NEWEST.where(Artifact.is_latest)
_HIDDEN = _NEWEST.where(Artifact.deleted_at.is_not(None)).order_by(
    Artifact.created_at, Artifact.number
)


def _bind(
    session: Session,
    batch: _Batch,
    series: Series,
    head: _LatestVersion | None,
    edges: Iterable[Edge],
) -> None:
    """Bind the edges of one series, oldest first."""
    if (
        head is not None and head.is_hidden
    ):  # the fold says what comes back out of the trash, and what stays
        batch.late.add(series.id)
        batch.bound += [(edge, head) for edge in edges]
        return
    last: Observation | None = None
    for edge in edges:
        seen = edge.seen
        if head is None or last is not None or _is_newest(series, seen):
            version = None if head is None else _placed(session, batch, series, head, seen)
            if version is None:
                head = _appended(batch, series, head, seen)
                version = head
            elif version is head:
                _join(batch, head, seen)
            elif (
                seen.traits
            ):  # what it says of an older version has its place among what others said
                batch.late.add(series.id)
            series.last_observed_at = max(seen.at, series.last_observed_at or seen.at)
            last = seen  # sorted: whatever follows in this batch is newer
            batch.bound.append((edge, version))
            continue
        if not _was_there(head, seen):
            batch.late.add(series.id)
        batch.bound.append(
            (edge, head)
        )  # for now, where the series is late: the fold finds the right one


def _is_newest(series: Series, seen: Observation) -> bool:
    return series.last_observed_at is None or seen.counts_at > series.last_observed_at


def _was_there(head: _LatestVersion, seen: Observation) -> bool:
    """Whether a late reader certainly saw the newest version, and says nothing new of it."""
    return (
        not seen.wrote
        and head.created_at < seen.counts_at
        and seen.content_id in (None, head.content_id)
        and (
            head.origin == "api"
            or all(head.traits.get(name) == v for name, v in (seen.traits or {}).items())
        )
    )


def _placed(
    session: Session, batch: _Batch, series: Series, head: _LatestVersion, seen: Observation
) -> _LatestVersion | None:
    version = Version(head.created_at, head.content_id, head.run_id)
    if matching_version(seen, [version]) is version:
        return head
    if seen.wrote or seen.content_id is None:
        return None
    matches = [
        candidate
        for owner, candidate in batch.new_versions
        if owner.id == series.id and candidate.content_id == seen.content_id
    ]
    return matches[-1] if matches else _older(session, series, seen.content_id)


def _older(session: Session, series: Series, content_id: int) -> _LatestVersion | None:
    """The newest earlier version with these bytes."""
    row = (
        session.connection()
        .execute(_BY_CONTENT, {"series": series.id, "content": content_id})
        .first()
    )
    return (
        None if row is None else _LatestVersion(row.id, 0, content_id, None, row.created_at, "", {})
    )


_BY_CONTENT = (
    select(Artifact.id, Artifact.created_at)
    .where(Artifact.series_id == bindparam("series"), Artifact.content_id == bindparam("content"))
    .order_by(Artifact.created_at.desc(), Artifact.number.desc())
    .limit(1)
)


def _appended(
    batch: _Batch, series: Series, head: _LatestVersion | None, seen: Observation
) -> _LatestVersion:
    if head is not None:
        head.was_latest = False
        if head.id:
            batch.replaced.append(head)
    writer = seen.run_id if seen.direction == "output" else None
    traits = {name: (seen.traits or {}).get(name) for name in TRAITS}
    is_first = head is None and series.is_new  # else versions may have been deleted for good
    new_head = _LatestVersion(
        0, 0 if is_first else -1, seen.content_id, writer, seen.at, "event", traits
    )
    batch.new_versions.append((series, new_head))
    _collect_annotations(batch, new_head, seen)
    return new_head


def _collect_annotations(batch: _Batch, head: _LatestVersion, seen: Observation) -> None:
    """Keep what becomes no column, but a tie to other rows."""
    attributes = {name: value for name, value in (seen.traits or {}).items() if name not in TRAITS}
    if attributes and head.origin == "event":
        batch.marks.append((head, attributes))


def _merged(
    marks: Iterable[tuple[_LatestVersion, Mapping[str, object]]],
) -> dict[int, dict[str, object]]:
    merged: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for head, attributes in marks:
        merged[head.id].update(attributes)
    return merged


def _join(batch: _Batch, head: _LatestVersion, seen: Observation) -> None:
    before = (head.content_id, head.run_id, dict(head.traits))
    if head.content_id is None:
        head.content_id = seen.content_id
    if head.run_id is None and seen.direction == "output" and head.origin == "event":
        head.run_id = seen.run_id
    if head.origin == "event":
        head.traits |= {
            name: value for name, value in (seen.traits or {}).items() if name in TRAITS
        }
    if head.id and before != (head.content_id, head.run_id, head.traits):
        batch.changed[head.id] = head
    _collect_annotations(batch, head, seen)


def _write_versions(session: Session, batch: _Batch) -> None:
    _number(session, batch)
    update_rows(session, Artifact, [{"id": head.id, "is_latest": False} for head in batch.replaced])
    update_unedited(
        session,
        Artifact,
        [
            {"id": head.id, "content_id": head.content_id, "run_id": head.run_id, **head.traits}
            for head in batch.changed.values()
        ],
    )
    for (_, head), identity in zip(
        batch.new_versions, reserve(session, Artifact, len(batch.new_versions)), strict=True
    ):
        head.id = identity
    insert_rows(session, Artifact, [_version(series, head) for series, head in batch.new_versions])


def _number(session: Session, batch: _Batch) -> None:
    """New versions follow the highest number of their series."""
    after = {series.id for series, head in batch.new_versions if head.number < 0}
    last = last_numbers(session, after)
    for series, head in batch.new_versions:
        head.number = last[series.id] = last.get(series.id, -1) + 1


def _version(series: Series, head: _LatestVersion) -> dict[str, object]:
    row = new_rows.artifact_version(
        series,
        head.number,
        is_latest=head.was_latest,
        key=key_of(series.key, head.traits),
        suffix=suffix_of(series.key or ""),
        content_id=head.content_id,
        run_id=head.run_id,
        created_at=head.created_at,
        origin="event",
    )
    return {"id": head.id, **row, **head.traits}


def _lying(
    series: Series, head: _LatestVersion, sizes: Mapping[int, int]
) -> containment.FolderMember:
    """The new version as far as folders are concerned."""
    n_files = None if head.content_id is None else sizes.get(head.content_id)
    key, real_key = key_of(series.key, head.traits), head.traits.get("real_key")
    return containment.FolderMember(
        *(head.id, series.id, series.storage_id, key, real_key),
        *(head.created_at, head.number, n_files, head.run_id),
    )


def _row(edge: Edge, head: _LatestVersion) -> dict[str, object]:
    row = new_rows.edge(
        edge.run_id,
        head.id,
        edge.series.id,
        edge.direction,
        content_id=edge.values["content_id"],
        observed_at=edge.values["observed_at"],
        role=edge.values["role"],
        origin="event",
    )
    return {**row, **edge.values, "event_hash": edge.event_hash}


def _note_times(session: Session, grouped: Mapping[int, Sequence[Edge]]) -> None:
    """Store the time of the last observation of each series: later observations only append."""
    rows = [
        {"id": key, "last_observed_at": edges[0].series.last_observed_at}
        for key, edges in grouped.items()
    ]
    update_rows(session, ArtifactSeries, rows)


def move(session: Session, pairs: Mapping[int, int]) -> set[str]:
    """Move the facts of each series to the series that it turned out to be; what people entered stays.

    The run ids of the runs whose edges have to be written anew, as two datasets of theirs may be
    one now.
    """
    query = select(
        RunArtifact.id,
        RunArtifact.series_id,
        RunArtifact.direction,
        RunArtifact.run_id,
        Run.origin,
        Run.external_id,
    ).outerjoin(Run, RunArtifact.run_id == Run.id)
    rows = list(select_in(session, query, RunArtifact.series_id, set(pairs) | set(pairs.values())))
    affected_run_ids = {
        row.external_id for row in rows if row.series_id in pairs and row.origin == "event"
    }
    taken = {
        (row.run_id, row.direction, row.series_id) for row in rows if row.series_id not in pairs
    }
    stays: list[Any] = []
    goes: list[Any] = []
    for row in (row for row in rows if row.series_id in pairs):
        edge_key = (row.run_id, row.direction, pairs[row.series_id])
        is_double = row.run_id is not None and (row.origin == "event" or edge_key in taken)
        (goes if is_double else stays).append(row)
        taken.add(edge_key)
    delete_rows(session, RunArtifact, [row.id for row in goes])
    update_rows(
        session, RunArtifact, [{"id": row.id, "series_id": pairs[row.series_id]} for row in stays]
    )
    refold(session, set(pairs) | set(pairs.values()))
    emptied = load_series(session, pairs)
    used_series_ids = {
        row.series_id
        for row in select_in(session, select(Artifact.series_id), Artifact.series_id, emptied)
    }
    deleted = deleted_numbers(session, {series.stem for series in emptied.values()})
    used_series_ids |= {key for key, series in emptied.items() if deleted[series.stem]}
    delete_rows(session, ArtifactSeries, [key for key in emptied if key not in used_series_ids])
    return affected_run_ids
