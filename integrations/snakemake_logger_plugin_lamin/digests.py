"""What is in the files of a workflow: each is hashed once, and only if it is still the file that the job saw."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from threading import BoundedSemaphore

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
    return Stamp(stat_result.st_dev, stat_result.st_ino, stat_result.st_size, stat_result.st_mtime_ns, is_folder)


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
        return Dataset(
            namespace, name, content.hash, content.hash_type, size=content.size, n_files=content.n_files, role=file.role
        )

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
        try:
            computed = digest(source)
        except OSError:
            return None
        # A file that changed while it was read, or before, is not what the job saw: its content stays unknown.
        if stamp(source) != seen:
            return None
        self._files[file.path, seen] = computed
        return computed

    def _folder(self, path: str) -> Digest | None:
        before = _signature(path)
        signature, cached = self._folders.get(path, (None, None))
        if signature == before or self._is_too_large(sum(size for _, size, _, _ in before)):
            return cached if signature == before else None
        try:
            computed = digest(path)
        except OSError:
            return None
        if _signature(path) != before:
            return None
        self._folders[path] = before, computed
        return computed

    def _is_too_large(self, size: int) -> bool:
        return self.hurried or (self.limit is not None and size > self.limit)


def _signature(folder: str) -> Signature:
    return tuple(sorted(_entries(folder)))


def _entries(folder: str) -> Iterator[tuple[str, int, int, int]]:
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            seen = stamp(path)
            if seen is not None:
                yield path, seen.size, seen.modified, seen.inode
