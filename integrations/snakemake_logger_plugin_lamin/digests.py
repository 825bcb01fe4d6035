"""What is in the files of a workflow: each is hashed once, and only if it is still the file that the job saw."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from threading import BoundedSemaphore

from lamin_core.storage.digest_cache import state_of
from lamin_core.storage.hashing import Digest, digest
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name
from snakemake_logger_plugin_lamin.facts import File, Stamp

HELD = 64
"""How many files are held open at most: a small part of what a process may open."""

Signature = tuple[tuple[str, int, int, int], ...]
_free_descriptors = BoundedSemaphore(HELD)


def stamp(path: str) -> Stamp | None:
    """How the file at this path stands; None if there is no file or folder.

    >>> stamp("/no/such/file") is None
    True
    """
    try:
        stat_result = os.stat(path)
    except (OSError, ValueError):
        return None
    is_folder = stat.S_ISDIR(stat_result.st_mode)
    if not is_folder and not stat.S_ISREG(stat_result.st_mode):
        return None
    return Stamp(
        stat_result.st_dev,
        stat_result.st_ino,
        stat_result.st_size,
        stat_result.st_mtime_ns,
        is_folder,
    )


def hold(file: File) -> File:
    """The file kept readable although it will be removed: an open descriptor outlives the name."""
    if file.stamp is None or file.stamp.is_folder or not _free_descriptors.acquire(blocking=False):
        return file
    try:
        return replace(file, descriptor=os.open(file.path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        _free_descriptors.release()
        return file


def release(file: File) -> None:
    """Let go of a held file."""
    if file.descriptor is not None:
        os.close(file.descriptor)
        _free_descriptors.release()


class Contents:
    """Digests of files, remembered by how the file stood; `limit` is the size in bytes above which none is taken.

    Set `hurried` to take no further digest.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.hurried = False
        self._files: dict[tuple[str, Stamp], Digest] = {}
        self._folders: dict[str, tuple[Signature, Digest]] = {}

    def dataset(self, file: File) -> Dataset:
        """The file as a dataset: with its content, or with only its name and size."""
        namespace, name = dataset_name(file.url or file.path)
        content = file.digest or self._digest(file)
        if content is None:
            size = file.stamp.size if file.stamp and not file.stamp.is_folder else None
            return Dataset(namespace, name, size=size, role=file.role)
        return Dataset(namespace, name, role=file.role).with_digest(content)

    def cached_digest(self, path: str, seen: Stamp) -> Digest | None:
        """The digest of the file in this state, if it has been taken before."""
        return self._files.get((path, seen))

    def _digest(self, file: File) -> Digest | None:
        seen = file.stamp
        if seen is None:
            return None
        if seen.is_folder:
            return self._folder(file.path)
        cached = self._files.get((file.path, seen))
        if cached is not None or self._is_too_large(seen.size):
            return cached
        source = file.path if file.descriptor is None else f"/dev/fd/{file.descriptor}"
        # A file that changed while it was read, or before, is not what the job saw: its content
        # stays unknown.
        computed = _digest_unless_changed(source, lambda: stamp(source) == seen)
        if computed is not None:
            self._files[file.path, seen] = computed
        return computed

    def _folder(self, path: str) -> Digest | None:
        try:
            before = _signature(path)
        except OSError:
            return None
        signature, cached = self._folders.get(path, (None, None))
        if signature == before:
            return cached
        if self._is_too_large(sum(size for _, size, _, _ in before)):
            return None
        computed = _digest_unless_changed(path, lambda: _signature(path) == before)
        if computed is not None:
            self._folders[path] = before, computed
        return computed

    def _is_too_large(self, size: int) -> bool:
        return self.hurried or (self.limit is not None and size > self.limit)


def _digest_unless_changed(path: str, is_unchanged: Callable[[], bool]) -> Digest | None:
    """Return the digest of a file or folder; None where it cannot be read, or has changed by the end."""
    try:
        computed = digest(path)
        return computed if is_unchanged() else None
    except OSError:
        return None


def _signature(folder: str) -> Signature:
    """Return path, size, time and inode of each file. Not when its inode changed: a job may link what another made."""
    return tuple(
        (name, size, modified, inode) for name, modified, _, size, inode, _ in state_of(folder)
    )
