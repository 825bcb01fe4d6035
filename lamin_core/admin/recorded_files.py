"""The latest versions that are registered in place, in local storages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from lamin_core.enums import MANAGED
from lamin_core.models import Artifact, Content, RunArtifact, Storage
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import is_remote
from lamin_core.storage.rooted_paths import location

_REMOVED = ("temporary", "rolled_back")
"""Roles of edges whose writer took the file away again, as it was asked to."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file or folder, and what was recorded of it."""

    id: int
    uid: str
    key: str
    root: str
    created_at: datetime
    was_removed: bool
    """Whether the run that wrote it was asked to remove it again."""
    content: Digest

    @property
    def path(self) -> str:
        """The path of the file. Raises `Conflict` if it is outside of its storage."""
        return location(self.root, self.key)


def recorded_files(session: Session, *, removed: bool) -> list[RecordedFile]:
    """All of them by key; with `removed` also those that their writer was asked to remove."""
    was_removed = exists().where(
        RunArtifact.artifact_id == Artifact.id, RunArtifact.role.in_(_REMOVED)
    )
    key = func.coalesce(Artifact.real_key, Artifact.key)
    is_copy = func.coalesce(Artifact.real_key, "").startswith(f"{MANAGED}/", autoescape=True)
    query = (
        select(Artifact.id, Artifact.uid, key, Storage.root, Artifact.created_at, was_removed,
               Content.hash_type, Content.hash, Content.size, Content.n_files)
        .join(Storage, Storage.id == Artifact.storage_id)
        .join(Content, Content.id == Artifact.content_id)
        .where(Artifact.is_latest, ~is_copy, Artifact.key.is_not(None))
        .order_by(Artifact.key)
    )  # fmt: skip
    rows = session.execute(query if removed else query.where(~was_removed))
    return [_recorded(tuple(row)) for row in rows if not is_remote(row[3])]


def _recorded(row: tuple[Any, ...]) -> RecordedFile:
    identity, uid, key, root, created_at, was_removed, *content = row
    return RecordedFile(identity, uid, key, root, created_at, was_removed, Digest(*content))
