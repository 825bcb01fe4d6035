"""Compare the bytes at each artifact's path with the digest and size in its row."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import dataclass, replace

from sqlalchemy import Row, Select, exists, select

from lamin_core.admin.fsck.problem import Problem
from lamin_core.admin.fsck.stores import REACHABLE, store_at
from lamin_core.enums import MANAGED
from lamin_core.errors import Conflict, LaminError, NotFound
from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Content, RunArtifact, Storage
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.runtime.parallel import at_once
from lamin_core.runtime.progress import progress
from lamin_core.storage.canonical_urls import file_host
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import is_below, is_copy_key, is_remote
from lamin_core.storage.rooted_paths import Location, copy_location, location, own_location

_REMOVED = ("temporary", "rolled_back")
"""Roles of edges whose writer took the file away again, as it was asked to."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The location and digest of the bytes of one row."""

    uid: str
    key: str | None
    root: str
    real_key: str | None
    content: Digest

    @property
    def path(self) -> str:
        """The location of the bytes in the row."""
        return Location(self.root, self.storage_key).text

    @property
    def storage_key(self) -> str:
        """The same below the root."""
        return self.real_key or self.key or ""

    @property
    def checked_path(self) -> str:
        """The path of the bytes. Raises `Conflict` if it is outside of the storage."""
        return (
            copy_location(self.root, self.storage_key)
            if self.is_copy
            else location(self.root, self.storage_key)
        )

    @property
    def is_copy(self) -> bool:
        """Whether only the registry writes there."""
        return is_copy_key(self.real_key)


def check_contents(instance: Instance, checked: Counter[str], *, deep: bool) -> list[Problem]:
    """The problems with the bytes of the artifacts."""
    with instance.db.reading() as session:
        rows = [_stored_artifact(row) for row in session.execute(_rows())]
        managed = session.scalars(select(Storage.root).where(Storage.is_managed)).all()
    rows = [
        artifact for artifact in rows if is_below(artifact.storage_key) or artifact.root == "/"
    ]  # of the others the rules tell
    gone = {root for root in managed if not is_remote(root) and not os.path.isdir(root)}
    within_reach = [
        artifact for artifact in rows if _is_reachable(artifact.root) and artifact.root not in gone
    ]
    checked["artifacts"] += len(within_reach)
    if len(within_reach) < len(rows):
        checked["out of reach"] += len(rows) - len(within_reach)
    places = {
        (artifact.path, artifact.content): artifact for artifact in within_reach
    }  # many rows may share a copy
    size = sum(max(artifact.content.size, 0) for artifact in places.values()) if deep else 0
    checked["bytes"] += size
    with progress("reading every byte", size) as watch:

        def look(artifact: Kept) -> Problem | None:
            problem = _look(artifact, deep=deep)
            if watch is not None:
                watch(max(artifact.content.size, 0))
            return problem

        observations = dict(zip(places, at_once(look, places.values()), strict=True))
    intact = {path for (path, _), problem in observations.items() if problem is None}
    problems = [_gone(root) for root in sorted(gone)]
    problems += [
        _led_away(root) for root in sorted(managed) if root not in gone and not _is_own(root)
    ]
    for artifact in within_reach:
        problem = observations[artifact.path, artifact.content]
        if problem is not None and problem.kind == "damaged" and artifact.path in intact:
            problem = _not_its_own(artifact)
        if problem is not None:
            problems.append(replace(problem, uid=artifact.uid))
    return problems


def _is_own(root: str) -> bool:
    """Whether the folder of copies is in the storage."""
    try:
        copy_location(root, MANAGED)
        own_location(root, f"{MANAGED}/any")
    except Conflict:
        return False
    return True


def _led_away(root: str) -> Problem:
    path = Location(root, MANAGED).text
    hint = "remove the link; or let the owner of the storage make it, if it was meant"
    return Problem(
        "outside", f"{path} is a link of somebody else, out of the storage", hint, path=path
    )


def _not_its_own(artifact: Kept) -> Problem:
    """The problem of an artifact whose path is the copy of another artifact, with other bytes."""
    what = f"{artifact.path} is the copy of another artifact"
    return Problem(
        "missing",
        what,
        f"`lamin delete artifact {artifact.uid} --permanent`",
        artifact.uid,
        artifact.path,
    )


def _gone(root: str) -> Problem:
    return Problem(
        "storage",
        f"the storage {root} is gone, with all copies in it",
        f"mount it; if it was moved: lamin storage move {shlex.quote(root)} NEW",
        path=root,
    )


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


def _stored_artifact(
    row: Row[tuple[str, str | None, str, str | None, str, str, int, int | None]],
) -> Kept:
    uid, key, root, real_key, hash_type, digest, size, n_files = row
    return Kept(uid, key, root, real_key, Digest(hash_type, digest, size, n_files))


def _is_reachable(root: str) -> bool:
    """Whether files can be looked at there: not in the tables of a database."""
    if file_host(root) is not None:
        return False
    return not is_remote(root) or root.partition("://")[0] in REACHABLE


def _look(artifact: Kept, *, deep: bool) -> Problem | None:
    store = store_at(artifact.root)
    try:
        path = artifact.checked_path
    except Conflict as error:
        return Problem(
            "outside",
            error.message,
            "remove the link; then `lamin fsck` once more",
            artifact.uid,
            artifact.path,
        )
    try:
        actual = (
            store.digest(path, artifact.content) if deep else store.measure(path, artifact.content)
        )
    except NotFound:
        return _missing(artifact)
    except LaminError as error:
        return Problem(
            "unreadable",
            error.message,
            "check the path and its permissions",
            artifact.uid,
            artifact.path,
        )
    return None if _agrees(artifact.content, actual) else _differs(artifact, actual)


def _agrees(expected: Digest, actual: Digest) -> bool:
    same_size = UNKNOWN_SIZE in (expected.size, actual.size) or expected.size == actual.size
    same_count = None in (expected.n_files, actual.n_files) or expected.n_files == actual.n_files
    same_hash = (
        not actual.hash or actual.hash_type != expected.hash_type or actual.hash == expected.hash
    )
    return same_size and same_count and same_hash


def _missing(artifact: Kept) -> Problem:
    if artifact.is_copy:
        hint = f"save the same file again, or `lamin delete artifact {artifact.uid} --permanent`"
    else:
        hint = f"restore it, or `lamin delete artifact {artifact.uid}`"
    return Problem("missing", f"nothing at {artifact.path}", hint, artifact.uid, artifact.path)


def _differs(artifact: Kept, actual: Digest) -> Problem:
    expected = artifact.content
    how = (
        f"{actual.size} bytes instead of {expected.size}"
        if actual.size != expected.size
        else "other bytes of the same size"
    )
    if artifact.is_copy:
        hint = "`lamin fsck --deep --delete-damaged`, then save the original again"
        return Problem(
            "damaged",
            f"{artifact.path} has {how}",
            hint,
            artifact.uid,
            artifact.path,
            artifact.root,
        )
    hint = f"`lamin save {shlex.quote(artifact.path)}` makes it a new version; or restore it"
    return Problem("changed", f"{artifact.path} has {how}", hint, artifact.uid, artifact.path)
