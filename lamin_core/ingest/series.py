"""What the direct API writes of versions: one artifact at a time, found or made by its storage, key and content."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_missing
from lamin_core.models import Artifact, Content, Storage
from lamin_core.models.relations import table_of
from lamin_core.runtime.url_credentials import without_credentials
from lamin_core.storage.canonical_urls import canonical_url
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import Root, locate, root_type
from lamin_core.uids import random_uid


def roots(session: Session) -> list[Root]:
    """Return all storages as the resolver sees them: without credentials, and in the spelling of today.

    Older releases have written roots with both as they came.
    """
    columns = select(Storage.id, Storage.uid, Storage.root, Storage.is_managed)
    return [
        Root(row.id, row.uid, canonical_url(without_credentials(row.root)), row.is_managed)
        for row in session.execute(columns)
    ]


def storage_for(session: Session, root: str, *, is_managed: bool = False) -> Root:
    """The storage with this root, made if it is new."""
    storage = session.scalar(select(Storage).where(Storage.root == root))
    if storage is None:
        storage = Storage(
            uid=random_uid(12), root=root, type=root_type(root), is_managed=is_managed
        )
        session.add(storage)
        session.flush()
    return Root(storage.id, storage.uid, storage.root, storage.is_managed)


def copied_series(session: Session, path: str, storage_roots: list[Root]) -> int | None:
    """The series whose copy the registry keeps at this path: who reads that means the artifact, not the copy."""
    location = locate(path, storage_roots)
    if location.root is None:
        return None
    query = select(Artifact.series_id).where(
        Artifact.real_key == location.key, Artifact.storage_id == location.root.id
    )
    return session.scalar(query.order_by(Artifact.id.desc()).limit(1))


def content_for(session: Session, digest: Digest) -> int:
    """The primary key of this content, made if it is new."""
    values = {"hash": digest.hash, "hash_type": digest.hash_type, "size": digest.size}
    identity = insert_missing(session, table_of(Content), {**values, "n_files": digest.n_files})
    if identity is not None:
        return identity
    return session.scalars(select(Content.id).filter_by(**values)).one()
