"""Find copies in managed storages that belong to no artifact."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from lamin_core.admin.fsck.problem import Problem
from lamin_core.admin.fsck.stores import Found, store_at
from lamin_core.errors import Conflict
from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Content, Storage
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import spare_key
from lamin_core.storage.rooted_paths import own_location

GRACE = 3600.0
"""Seconds that a copy may be there before its row."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A copy that no row names, and the root of its storage."""

    root: str
    file: Found

    @property
    def problem(self) -> Problem:
        """Describe the orphan as a problem."""
        is_part = self.file.upload is not None
        why = "was not uploaded to its end" if is_part else "belongs to no artifact"
        what = f"{self.file.path} ({self.file.size} bytes) {why}"
        return Problem(
            "orphan", what, "`lamin fsck --delete-orphans` removes it", path=self.file.path
        )


def find_orphans(
    instance: Instance, checked: Counter[str], *, grace: float = GRACE
) -> Iterator[Orphan]:
    """The files in managed storages that no artifact is or contains, unless they are younger than `grace`."""
    with instance.db.reading() as session:
        roots = [
            (row.id, row.root) for row in session.scalars(select(Storage).where(Storage.is_managed))
        ]
    before = time.time() - grace
    for storage_id, root in roots:
        try:
            files = list(
                store_at(root).copies(root)
            )  # first the files: what is saved meanwhile has its row by then
        except (
            Conflict
        ):  # the folder of copies leads out of the storage, which is a problem of its own
            continue
        with instance.db.reading() as session:
            artifact_keys = {*session.scalars(_keys(storage_id)), *_spare_keys(session)}
        checked["copies"] += sum(file.upload is None for file in files)
        last: dict[str, float] = {}  # of a folder, files are there one by one until the last one is
        for file in files:
            last[_copy(file.path, root)] = max(file.written, last.get(_copy(file.path, root), 0.0))
        for file in files:
            is_kept = file.upload is None and _is_known(_key(file.path, root), artifact_keys)
            if last[_copy(file.path, root)] <= before and not is_kept:
                yield Orphan(root, file)


def _keys(storage_id: int) -> Select[tuple[str | None]]:
    return select(Artifact.real_key).where(
        Artifact.storage_id == storage_id, Artifact.real_key.is_not(None)
    )


def _spare_keys(session: Session) -> Iterator[str]:
    """The folders that may have second copies of bytes in place."""
    columns = Artifact.suffix, Content.hash_type, Content.hash, Content.size
    query = select(*columns).join(Content, Content.id == Artifact.content_id).distinct()
    for suffix, *digest in session.execute(query.where(Artifact.real_key.is_(None))):
        yield spare_key(Digest(*digest), suffix)


def _key(path: str, root: str) -> str:
    return path[len(root.rstrip("/")) + 1 :]


def _copy(path: str, root: str) -> str:
    """The copy that this file is or belongs to: a folder has many files, and is one copy."""
    return "/".join(_key(path, root).split("/")[:2])


def _is_known(key: str, artifact_keys: set[str | None]) -> bool:
    """Whether this, or a folder above it, is an artifact.

    >>> _is_known(".lamindb/a.zarr/x/0", {".lamindb/a.zarr"}), _is_known(".lamindb/b", {".lamindb/a.zarr"})
    (True, False)
    """
    parts = key.split("/")
    return any("/".join(parts[:depth]) in artifact_keys for depth in range(1, len(parts) + 1))


def remove(orphan: Orphan) -> None:
    """Remove the file. Raises `Unavailable`, and `Conflict` if it is not below its storage."""
    own_location(orphan.root, _key(orphan.file.path, orphan.root))
    store_at(orphan.root).remove(orphan.file)
