"""What is in the files of a workflow: each is hashed once, and only if it is still the file that the job saw."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import BoundedSemaphore, Lock

from lamin_core.storage.digest_cache import SHELVED_FROM, DigestShelf, is_settled, state_of
from lamin_core.storage.hashing import Digest, digest, files_in
from lamin_snakemake.facts import File, Stamp
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name

HELD = 64
"""How many files are held open at most: a small part of what a process may open."""

Signature = tuple[tuple[str, int, int, int], ...]
_free_descriptors = BoundedSemaphore(HELD)
HELD_BYTES = 1 << 30
"""How many bytes of removed files are kept on disk at most, since they are held open: in total, in bytes."""
AT_ONCE = 16 << 20
"""Bytes that are hashed before a run is told; what is larger follows."""

_MANY_FILES = 1000


class _Budget:
    """Bytes that may still be held."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = Lock()

    def take(self, size: int) -> bool:
        """Take so many; whether there were as many left."""
        with self._lock:
            is_enough = size <= self._left
            self._left -= size if is_enough else 0
        return is_enough

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += size


_budget = _Budget(HELD_BYTES)


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
    """The file kept readable although it will be removed: an open descriptor outlives the name.

    As it is where that would hold too many files, or keep too many bytes on the disk.
    """
    if file.stamp is None or file.stamp.is_folder or not _budget.take(file.stamp.size):
        return file
    if not _free_descriptors.acquire(blocking=False):
        _budget.give_back(file.stamp.size)
        return file
    try:
        return replace(file, descriptor=os.open(file.path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        _free_descriptors.release()
        _budget.give_back(file.stamp.size)
        return file


def release(file: File) -> None:
    """Let go of a held file."""
    if file.descriptor is not None and file.stamp is not None:
        os.close(file.descriptor)
        _free_descriptors.release()
        _budget.give_back(file.stamp.size)


class Contents:
    """Digests of files, remembered by how the file stood; `limit` is the size in bytes above which none is taken.

    With a `shelf`, those of large files are remembered by later invocations too. Set `hurried` to
    take no further digest.
    """

    def __init__(self, limit: int | None = None, shelf: DigestShelf | None = None) -> None:
        self.limit = limit
        self.hurried = False
        self._shelf = shelf
        self._files: dict[tuple[str, Stamp], Digest] = {}
        self._folders: dict[str, tuple[Signature, Digest]] = {}

    def datasets(self, files: Iterable[File]) -> list[Dataset]:
        """The files as datasets, each once."""
        return _distinct(self.dataset(file) for file in files)

    def outlines(self, files: Iterable[File]) -> list[Dataset]:
        """The files as datasets, each once, with the content where it is known already; nothing is read."""
        return _distinct(self._outline(file) for file in files)

    def takes_long(self, files: Iterable[File]) -> bool:
        """Whether there is more to read of these files than is read at once."""
        room = AT_ONCE
        for file in files:
            if file.stamp is not None and self._is_unknown(file):
                room -= _bytes_in(file.path, room) if file.stamp.is_folder else file.stamp.size
        return room < 0

    def _is_unknown(self, file: File) -> bool:
        seen = file.stamp
        if seen is None or file.digest is not None:
            return False
        return seen.is_folder or not (
            self._is_too_large(seen.size) or (file.path, seen) in self._files
        )

    def dataset(self, file: File) -> Dataset:
        """The file as a dataset: with its content, or with only its name and size."""
        return self._described(file, file.digest or self._digest(file))

    def _outline(self, file: File) -> Dataset:
        cached = None if file.stamp is None else self._files.get((file.path, file.stamp))
        return self._described(file, file.digest or cached)

    @staticmethod
    def _described(file: File, content: Digest | None) -> Dataset:
        namespace, name = dataset_name(file.url or file.path)
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
        return self._read_file(file, seen)

    def _read_file(self, file: File, seen: Stamp) -> Digest | None:
        shelved = self._shelved(file.path, seen, seen.size)
        if shelved is not None:
            self._files[file.path, seen] = shelved
            return shelved
        began = time.time_ns()
        source = file.path if file.descriptor is None else f"/dev/fd/{file.descriptor}"
        # A file that changed while it was read, or before, is not what the job saw: its content
        # stays unknown.
        computed = _digest_unless_changed(source, lambda: stamp(source) == seen)
        if computed is not None:
            self._files[file.path, seen] = computed
            if is_settled(seen.modified, began):
                self._put_on_shelf(file.path, seen, computed)
        return computed

    def _folder(self, path: str) -> Digest | None:
        try:
            before = _signature(path)
        except OSError:
            return None
        signature, cached = self._folders.get(path, (None, None))
        if signature == before:
            return cached
        total = sum(size for _, size, _, _ in before)
        if self._is_too_large(total):
            return None
        began = time.time_ns()
        computed = self._shelved(path, before, total)
        if computed is None:
            computed = _digest_unless_changed(path, lambda: _signature(path) == before)
            if computed is not None and all(
                is_settled(modified, began) for _, _, modified, _ in before
            ):
                self._put_on_shelf(path, before, computed)
        if computed is not None:
            self._folders[path] = before, computed
        return computed

    def _shelved(self, path: str, state: Stamp | Signature, size: int) -> Digest | None:
        if self._shelf is None or size < SHELVED_FROM:
            return None
        return self._shelf.get(path, state)

    def _put_on_shelf(self, path: str, state: Stamp | Signature, computed: Digest) -> None:
        if self._shelf is not None and computed.size >= SHELVED_FROM:
            self._shelf.put(path, state, computed)

    def _is_too_large(self, size: int) -> bool:
        return self.hurried or (self.limit is not None and size > self.limit)


def _bytes_in(folder: str, enough: int) -> int:
    """The bytes in a folder; it stops to count where there is more than `enough`, or where there are many files."""
    total = 0
    try:
        for number, (_, path) in enumerate(files_in(folder)):
            total += os.stat(path).st_size
            if total > enough or number > _MANY_FILES:
                return enough + 1
    except OSError:
        return total
    return total


def _distinct(datasets: Iterable[Dataset]) -> list[Dataset]:
    by_name: dict[tuple[str, str], Dataset] = {}
    for dataset in datasets:
        by_name.setdefault((dataset.namespace, dataset.name), dataset)
    return list(by_name.values())


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
