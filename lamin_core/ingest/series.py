"""What the direct API writes of versions: one artifact at a time, found or made by its storage, key and content."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_missing
from lamin_core.models import Artifact, Content, Storage
from lamin_core.models.relations import table_of
from lamin_core.runtime.redaction import without_credentials
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import Root, locate, root_type
from lamin_core.uids import random_uid


def roots(session: Session) -> list[Root]:
    """Return all storages as the resolver sees them: credentials, which older roots may show, are no part of them."""
    columns = select(Storage.id, Storage.uid, Storage.root, Storage.is_managed)
    return [Root(row.id, row.uid, without_credentials(row.root), row.is_managed) for row in session.execute(columns)]


def storage_for(session: Session, root: str, *, is_managed: bool = False) -> Root:
    """The storage with this root, made if it is new."""
    found = session.scalar(select(Storage).where(Storage.root == root))
    if found is None:
        found = Storage(uid=random_uid(12), root=root, type=root_type(root), is_managed=is_managed)
        session.add(found)
        session.flush()
    return Root(found.id, found.uid, found.root, found.is_managed)


def copied_series(session: Session, path: str, known: list[Root]) -> int | None:
    """The series whose copy the registry keeps at this path: who reads that means the artifact, not the copy."""
    place = locate(path, known)
    if place.root is None:
        return None
    held = select(Artifact.series_id).where(Artifact.real_key == place.key, Artifact.storage_id == place.root.id)
    return session.scalar(held.order_by(Artifact.id.desc()).limit(1))


def content_for(session: Session, digest: Digest) -> int:
    """The primary key of this content, made if it is new."""
    values = {"hash": digest.hash, "hash_type": digest.hash_type, "size": digest.size}
    made = insert_missing(session, table_of(Content), {**values, "n_files": digest.n_files})
    if made is not None:
        return made
    return session.scalars(select(Content.id).filter_by(**values)).one()
