"""What the direct API writes of versions: one artifact at a time, found or made by its storage, key and content."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table, select
from sqlalchemy.orm import Session, make_transient_to_detached

from lamin_core.db import insert_missing
from lamin_core.hashing import Digest
from lamin_core.models import Artifact, ArtifactSeries, Content, Storage
from lamin_core.storage import MANAGED, Root, locate, outer_root, root_type
from lamin_core.uids import derived_uid, random_uid


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
