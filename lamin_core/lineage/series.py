"""What the direct API writes of versions: one artifact at a time, found or made by its storage, key and content."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session, make_transient_to_detached

from lamin_core.db import insert_missing
from lamin_core.hashing import Digest
from lamin_core.lineage import folders
from lamin_core.models import Artifact, ArtifactSeries, Content, Storage, blank
from lamin_core.storage import MANAGED, Root, locate, outer_root, root_type, suffix_of
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


def head_of(session: Session, series: ArtifactSeries) -> Artifact | None:
    """The newest version; None where nothing was observed yet."""
    if series.last_observed_at is None:
        return None
    return session.scalar(select(Artifact).where(Artifact.series_id == series.id, Artifact.is_latest))


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
        folders.relink(session, [row.id], fresh=True)
    return row


def _event_row(series: ArtifactSeries) -> Artifact:
    return blank(Artifact, origin="event", suffix=suffix_of(series.key or ""))
