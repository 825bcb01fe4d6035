"""Bytes against rows: what each artifact says of its file, folder or object, and what lies there."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import dataclass, replace

from sqlalchemy import Row, Select, exists, select

from lamin_core.copies import remove
from lamin_core.errors import LaminError, NotFound
from lamin_core.fsck.problem import Problem
from lamin_core.fsck.stores import REACHABLE, store_at
from lamin_core.hashing import Digest
from lamin_core.instance import Instance
from lamin_core.models import Artifact, Content, RunArtifact, Storage
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.parallel import at_once
from lamin_core.progress import progress
from lamin_core.storage import is_remote
from lamin_core.types import MANAGED

_REMOVED = ("temporary", "rolled_back")
"""Roles of edges whose writer took the file away again, as it was asked to."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What one row says: where its bytes are and what they are."""

    uid: str
    key: str | None
    root: str
    real_key: str | None
    content: Digest

    @property
    def path(self) -> str:
        """Where the bytes are."""
        return f"{self.root.rstrip('/')}/{self.real_key or self.key}"

    @property
    def is_copy(self) -> bool:
        """Whether only the registry writes there."""
        return (self.real_key or "").startswith(f"{MANAGED}/")


def check_contents(instance: Instance, checked: Counter[str], *, deep: bool) -> list[Problem]:
    """What is wrong with the bytes of the artifacts."""
    with instance.db.reading() as session:
        rows = [_kept(row) for row in session.execute(_rows())]
        managed = session.scalars(select(Storage.root).where(Storage.is_managed)).all()
    gone = {root for root in managed if not is_remote(root) and not os.path.isdir(root)}
    within_reach = [kept for kept in rows if _is_reachable(kept.root) and kept.root not in gone]
    checked["artifacts"] += len(within_reach)
    if len(within_reach) < len(rows):
        checked["out of reach"] += len(rows) - len(within_reach)
    places = {(kept.path, kept.content): kept for kept in within_reach}  # many rows may share a copy
    size = sum(max(kept.content.size, 0) for kept in places.values()) if deep else 0
    checked["bytes"] += size
    with progress("reading every byte", size) as watch:

        def look(kept: Kept) -> Problem | None:
            problem = _look(kept, deep=deep)
            if watch is not None:
                watch(max(kept.content.size, 0))
            return problem

        found = dict(zip(places, at_once(look, places.values()), strict=True))
    return [_gone(root) for root in sorted(gone)] + [
        replace(problem, uid=kept.uid)
        for kept in within_reach
        if (problem := found[kept.path, kept.content]) is not None
    ]


def _gone(root: str) -> Problem:
    return Problem("storage", f"the storage {root} is gone, with all copies in it", "is it mounted?", path=root)


def remove_copy(path: str) -> None:
    """Remove the file or folder, the object or all below it. Raises `Unavailable`."""
    folder, _, name = path.rpartition("/")
    remove(folder, name)


def _rows() -> Select[tuple[str, str | None, str, str | None, str, str, int, int | None]]:
    """Rows whose bytes must be there: copies of all versions, but of what is written in place only the latest."""
    removed = exists().where(RunArtifact.artifact_id == Artifact.id, RunArtifact.role.in_(_REMOVED))
    is_copy = Artifact.real_key.startswith(f"{MANAGED}/", autoescape=True)
    must_be_there = is_copy | (Artifact.is_latest & ~removed)
    return (
        select(
            Artifact.uid,
            Artifact.key,
            Storage.root,
            Artifact.real_key,
            Content.hash_type,
            Content.hash,
            Content.size,
            Content.n_files,
        )
        .join(Storage, Storage.id == Artifact.storage_id)
        .join(Content, Content.id == Artifact.content_id)
        .where(must_be_there)
        .order_by(Artifact.id)
    )


def _kept(row: Row[tuple[str, str | None, str, str | None, str, str, int, int | None]]) -> Kept:
    uid, key, root, real_key, hash_type, digest, size, n_files = row
    return Kept(uid, key, root, real_key, Digest(hash_type, digest, size, n_files))


def _is_reachable(root: str) -> bool:
    """Whether files can be looked at there: not in the tables of a database."""
    return not is_remote(root) or root.partition("://")[0] in REACHABLE


def _look(kept: Kept, *, deep: bool) -> Problem | None:
    store = store_at(kept.root)
    try:
        found = store.digest(kept.path, kept.content) if deep else store.measure(kept.path, kept.content)
    except NotFound:
        return _missing(kept)
    except LaminError as error:
        return Problem("unreadable", error.message, "check the path and its permissions", kept.uid, kept.path)
    return None if _agrees(kept.content, found) else _differs(kept, found)


def _agrees(told: Digest, found: Digest) -> bool:
    same_size = UNKNOWN_SIZE in (told.size, found.size) or told.size == found.size
    same_count = None in (told.n_files, found.n_files) or told.n_files == found.n_files
    same_hash = not found.hash or found.hash_type != told.hash_type or found.hash == told.hash
    return same_size and same_count and same_hash


def _missing(kept: Kept) -> Problem:
    if kept.is_copy:
        hint = f"save the same file again, or `lamin delete artifact {kept.uid} --permanent`"
    else:
        hint = f"restore it, or `lamin delete artifact {kept.uid}`"
    return Problem("missing", f"nothing at {kept.path}", hint, kept.uid, kept.path)


def _differs(kept: Kept, found: Digest) -> Problem:
    told = kept.content
    how = f"{found.size} bytes instead of {told.size}" if found.size != told.size else "other bytes of the same size"
    if kept.is_copy:
        hint = "`lamin fsck --deep --delete-damaged`, then save the original again"
        return Problem("damaged", f"{kept.path} has {how}", hint, kept.uid, kept.path)
    hint = f"`lamin save {shlex.quote(kept.path)}` makes it a new version; or restore it"
    return Problem("changed", f"{kept.path} has {how}", hint, kept.uid, kept.path)
