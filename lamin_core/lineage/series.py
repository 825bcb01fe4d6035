"""Writing versions: each observation finds or makes the artifact it belongs to, in the order of time.

What comes in order only appends. What comes late is folded again with everything known of that series, so that the
order of arrival leaves no trace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Table, delete, func, inspect, or_, select, update
from sqlalchemy.orm import Session, make_transient_to_detached

from lamin_core.db import insert_missing
from lamin_core.hashing import Digest
from lamin_core.lineage.versions import Observation, Version, fold, place
from lamin_core.models import Artifact, ArtifactSeries, Containment, Content, Run, RunArtifact, Storage, blank
from lamin_core.storage import MANAGED, Root, locate, outer_root, root_type, suffix_of
from lamin_core.types import Direction
from lamin_core.uids import derived_uid, random_uid, version_suffix


def roots(session: Session) -> list[Root]:
    """All storages, as the resolver wants them."""
    columns = select(Storage.id, Storage.uid, Storage.root, Storage.is_managed)
    return [Root(*row) for row in session.execute(columns)]


def storage_for(session: Session, root: str, *, is_managed: bool = False) -> Root:
    """The storage with this root, made if it is new."""
    found = session.scalar(select(Storage).where(Storage.root == root))
    if found is None:
        found = Storage(uid=random_uid(12), root=root, type=root_type(root), is_managed=is_managed)
        session.add(found)
        session.flush()
    return Root(found.id, found.uid, found.root, found.is_managed)


def series_at(session: Session, path: str, known: list[Root]) -> ArtifactSeries:
    """The series of the file at this absolute path or URL, made if it is new; `known` learns of new roots."""
    place = locate(path, known)
    if place.root is None:
        known.append(storage_for(session, outer_root(path)))
        place = locate(path, known)
    assert place.root is not None
    if place.key.startswith(MANAGED + "/"):
        held = session.scalar(
            select(Artifact)
            .where(Artifact.real_key == place.key, Artifact.storage_id == place.root.id)
            .order_by(Artifact.id.desc())
            .limit(1)
        )
        if held is not None:  # a copy that the registry keeps: the reader means the artifact, not the copy
            return session.get_one(ArtifactSeries, held.series_id)
    return series_for(session, place.root, place.key)


def series_for(session: Session, root: Root, key: str) -> ArtifactSeries:
    """The series with this key, made if it is new."""
    values = {"stem": derived_uid(16, root.uid, key), "storage_id": root.id, "key": key}
    made = insert_missing(session, cast(Table, ArtifactSeries.__table__), values)
    if made is None:
        return session.scalars(select(ArtifactSeries).filter_by(storage_id=root.id, key=key)).one()
    series = ArtifactSeries(id=made, last_observed_at=None, **values)
    make_transient_to_detached(series)  # the row is there: the session need not write or read it again
    session.add(series)
    return series


def content_for(session: Session, digest: Digest) -> int:
    """The primary key of this content, made if it is new."""
    values = {"hash": digest.hash, "hash_type": digest.hash_type, "size": digest.size}
    made = insert_missing(session, cast(Table, Content.__table__), {**values, "n_files": digest.n_files})
    if made is not None:
        return made
    return session.scalars(select(Content.id).filter_by(**values)).one()


def observe(session: Session, series: ArtifactSeries, edge: RunArtifact) -> None:
    """Bind a new edge (not yet in the database) to the version it saw, and write it."""
    if series.last_observed_at is not None and edge.observed_at <= series.last_observed_at:
        edge.artifact_id = _head(session, series).id  # for now: the fold finds the right one
        session.add(edge)
        session.flush()
        refold(session, series)
        return
    seen = Observation(edge.observed_at, cast(Direction, edge.direction), edge.content_id, edge.run_id)
    artifact = _appended(session, series, seen)
    edge.artifact_id = artifact.id
    session.add(edge)
    series.last_observed_at = edge.observed_at


def _appended(session: Session, series: ArtifactSeries, seen: Observation) -> Artifact:
    head = head_of(session, series)
    artifact = _placed(session, series, head, seen)
    if artifact is None:
        return new_version(session, series, head, seen.at, seen.content_id, run_id=_writer(seen))
    if artifact.content_id is None and seen.content_id is not None:
        artifact.content_id = seen.content_id
        session.flush()
        relink(session, series)
    if artifact.run_id is None and artifact.origin == "event":
        artifact.run_id = _writer(seen)
    return artifact


def _placed(session: Session, series: ArtifactSeries, head: Artifact | None, seen: Observation) -> Artifact | None:
    if head is None:
        return None
    version = Version(head.created_at, head.content_id, head.run_id)
    if place(seen, [version]) is version:
        return head
    if seen.direction == "output" or seen.content_id is None:
        return None
    return session.scalar(
        select(Artifact)
        .where(Artifact.series_id == series.id, Artifact.content_id == seen.content_id)
        .order_by(Artifact.created_at.desc(), Artifact.number.desc())
        .limit(1)
    )


def _writer(seen: Observation) -> int | None:
    return seen.run_id if seen.direction == "output" else None


def head_of(session: Session, series: ArtifactSeries) -> Artifact | None:
    """The newest version; None where nothing was observed yet."""
    if series.last_observed_at is None:
        return None
    return session.scalar(select(Artifact).where(Artifact.series_id == series.id, Artifact.is_latest))


def _head(session: Session, series: ArtifactSeries) -> Artifact:
    head = head_of(session, series)
    assert head is not None, "an observed series has a version"
    return head


def new_version(
    session: Session,
    series: ArtifactSeries,
    head: Artifact | None,
    at: datetime,
    content_id: int | None,
    *,
    run_id: int | None,
    artifact: Artifact | None = None,
) -> Artifact:
    """The next version of the series, after `head`; `artifact` is a row that a person filled, else one is made."""
    number = 0
    if head is not None:
        head.is_latest = False
        session.flush()
        newest = session.scalar(select(func.max(Artifact.number)).where(Artifact.series_id == series.id))
        number = (newest or 0) + 1
    row = artifact or _event_row(series)
    row.uid = series.stem + version_suffix(number)
    row.series_id, row.number, row.is_latest = series.id, number, True
    row.storage_id, row.key = series.storage_id, series.key
    row.content_id, row.run_id, row.created_at = content_id, run_id, at
    session.add(row)
    session.flush()
    if row.real_key is None:  # a copy lies in no folder, whatever its key
        relink(session, series)
    return row


def _event_row(series: ArtifactSeries) -> Artifact:
    return blank(Artifact, origin="event", suffix=suffix_of(series.key or ""))


def refold(session: Session, series: ArtifactSeries) -> None:
    """Fold all observations of the series again, and make its rows and edges say just that."""
    rows = list(session.scalars(select(Artifact).where(Artifact.series_id == series.id).order_by(Artifact.number)))
    told = session.execute(
        select(RunArtifact, Run.uid).join(Run, RunArtifact.run_id == Run.id).where(RunArtifact.series_id == series.id)
    ).all()
    edges = [edge for edge, _ in told]
    pins = [_as_pin(row) for row in rows if row.origin == "api"]
    versions = fold([*(_as_observation(edge, uid) for edge, uid in told), *pins])
    assigned = _assign(session, series, versions, rows)
    by_id = {edge.id: edge for edge in edges}
    for version, row in zip(versions, assigned, strict=True):
        for seen in version.seen_by:
            if seen.edge_id is not None:
                by_id[seen.edge_id].artifact_id = row.id
    series.last_observed_at = max((*(edge.observed_at for edge in edges), *(pin.at for pin in pins)), default=None)
    session.flush()
    for row in set(rows) - set(assigned):
        session.execute(delete(Containment).where(_links_of([row.id])))
        session.delete(row)
    session.flush()
    relink(session, series)


def _as_observation(edge: RunArtifact, run_uid: str) -> Observation:
    direction = cast(Direction, edge.direction)
    return Observation(edge.observed_at, direction, edge.content_id, edge.run_id, edge.id, run_uid=run_uid)


def _as_pin(row: Artifact) -> Observation:
    return Observation(row.created_at, "output", row.content_id, row.run_id, pinned=row.id)


def _assign(
    session: Session, series: ArtifactSeries, versions: Sequence[Version], rows: Sequence[Artifact]
) -> list[Artifact]:
    """A row for each version: pinned rows their own, the others by content, so that labels stay with the bytes."""
    pinned = {row.id: row for row in rows if row.origin == "api"}
    pool: defaultdict[int | None, list[Artifact]] = defaultdict(list)
    for row in rows:
        if row.origin != "api":
            pool[row.content_id].append(row)
    session.execute(
        update(Artifact).where(Artifact.series_id == series.id).values(is_latest=False),
        execution_options={"synchronize_session": "fetch"},
    )
    assigned = []
    for version in versions:
        if version.pinned is not None:
            assigned.append(pinned[version.pinned])
            continue
        row = next((pool[c].pop(0) for c in (version.content_id, None) if pool[c]), None) or _event_row(series)
        row.content_id, row.run_id, row.created_at = version.content_id, version.writer, version.at
        assigned.append(row)
    _number(session, series, rows, assigned, keep=bool(pinned))
    return assigned


def _number(
    session: Session, series: ArtifactSeries, rows: Sequence[Artifact], assigned: Sequence[Artifact], *, keep: bool
) -> None:
    """Number the versions in the order of time; where people made some of them, numbers they may have noted stay."""
    spare = 1 + max((row.number for row in rows), default=-1)
    if not keep:
        for row in rows:  # out of the way of the unique constraints
            row.number, row.uid = -row.id, f"~{row.id}"
        session.flush()
    for position, row in enumerate(assigned):
        if not keep:
            row.number = position
        elif _is_new(row):
            row.number, spare = spare, spare + 1
        row.uid = series.stem + version_suffix(row.number)
        row.series_id, row.storage_id, row.key = series.id, series.storage_id, series.key
        row.is_latest = position == len(assigned) - 1
        session.add(row)
    session.flush()


def _is_new(row: Artifact) -> bool:
    return inspect(row).transient


def relink(session: Session, series: ArtifactSeries) -> None:
    """Say anew which folders the versions of this series lie in, and which files lie in them."""
    if series.key is None:
        return
    folders = _folders_on_the_way(session, series)
    if not folders:
        return
    is_folder = folders.pop(series.id, None) is not None
    mine = list(session.scalars(select(Artifact).where(Artifact.series_id == series.id)))
    session.execute(delete(Containment).where(_links_of([row.id for row in mine])))
    pairs = {pair for row in mine for pair in _in_folders(row, folders)}
    if is_folder:
        below = _files_below(session, series)
        pairs |= {pair for row in below for pair in _in_folders(row, {series.id: mine})}
    session.add_all(Containment(directory_id=folder, artifact_id=row) for folder, row in sorted(pairs))
    session.flush()


def _folders_on_the_way(session: Session, series: ArtifactSeries) -> dict[int, list[Artifact]]:
    """The versions of every folder from the storage's root down to this key, itself included, by series."""
    parts = (series.key or "").split("/")
    keys = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    found = session.scalars(
        select(Artifact)
        .join(Content, Artifact.content_id == Content.id)
        .where(Artifact.storage_id == series.storage_id, Artifact.key.in_(keys), Content.n_files.is_not(None))
    )
    grouped: defaultdict[int, list[Artifact]] = defaultdict(list)
    for row in found:
        grouped[row.series_id].append(row)
    return dict(grouped)


def _files_below(session: Session, series: ArtifactSeries) -> list[Artifact]:
    prefix = f"{series.key}/"
    return list(
        session.scalars(
            select(Artifact).where(
                Artifact.storage_id == series.storage_id,
                Artifact.key >= prefix,
                Artifact.key < prefix[:-1] + chr(ord("/") + 1),
            )
        )
    )


def _in_folders(row: Artifact, folders: dict[int, list[Artifact]]) -> list[tuple[int, int]]:
    """The version of each folder that was there when this version of the file was seen, else the first one after."""
    pairs = []
    for versions in folders.values():
        ordered = sorted(versions, key=lambda folder: (folder.created_at, folder.number))
        before = [folder for folder in ordered if folder.created_at <= row.created_at]
        pairs.append(((before[-1] if before else ordered[0]).id, row.id))
    return pairs


def _links_of(ids: Sequence[int]) -> ColumnElement[bool]:
    return or_(Containment.artifact_id.in_(ids), Containment.directory_id.in_(ids))
