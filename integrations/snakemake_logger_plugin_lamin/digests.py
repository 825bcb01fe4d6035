"""The digests of the files of a workflow: each file is hashed once, if it is unchanged since the job used it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from lamin_core.storage.digest_cache import SHELVED_FROM, DigestShelf, is_settled, state_of
from lamin_core.storage.hashing import Digest, digest, files_in
from lamin_snakemake.facts import File, Stamp
from openlineage.lamin.emit.events import Dataset, timestamp
from openlineage.lamin.emit.facets import lamin_file
from openlineage.lamin.emit.naming import dataset_name

HASH_LIMIT = 10 << 30
"""Bytes above which a file or folder is recorded by its size and time alone, unless a setting says otherwise."""
AT_ONCE = 16 << 20
"""The number of bytes that are hashed before the event of a run; digests of larger files follow."""

_MANY_FILES = 1000
_REMEMBERED = 20_000
"""Digests kept in memory: some megabytes."""
_TOO_LATE = "the workflow ended before it was hashed"

Signature = tuple[tuple[str, int, int, int], ...]


class _NotHashed(Exception):
    """Why the content of a file is not known."""


def stamp(path: str) -> Stamp | None:
    """The state of the file at this path; None if there is no file or folder.

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


class Contents:
    """Digests of files and folders, remembered by how they stood.

    Args:
        limit: Bytes above which a file or folder is not hashed; None for no limit.
        shelf: Where digests of large files are remembered for later invocations.

    Set `hurried` to take no further digest. A folder is listed once for each state: until its own
    time changes, or `written` names a file in it.
    """

    def __init__(self, limit: int | None = None, shelf: DigestShelf | None = None) -> None:
        self.limit = limit
        self.hurried = False
        self._shelf = shelf
        self._digests: dict[tuple[str, Stamp], Digest] = {}
        self._folders: dict[str, Stamp] = {}
        self._lock = Lock()

    def datasets(self, files: Iterable[File]) -> list[Dataset]:
        """The files as datasets, each once."""
        return _distinct(self.dataset(file) for file in files)

    def outlines(self, files: Iterable[File]) -> list[Dataset]:
        """The files as datasets, each once, with the content where it is known already; nothing is read."""
        return _distinct(self._outline(file) for file in files)

    def unverified(self, files: Iterable[File], reason: str = _TOO_LATE) -> list[Dataset]:
        """The files whose content remains unknown, without repetition, with the reason."""
        unknown = (file for file in files if file.stamp is not None and self._is_unknown(file))
        return _distinct(_undigested(file, reason) for file in unknown)

    def takes_long(self, files: Iterable[File]) -> bool:
        """Whether there is more to read of these files than is read at once."""
        room = AT_ONCE
        for file in files:
            if file.stamp is not None and self._is_unknown(file):
                room -= _bytes_in(file.path, room) if file.stamp.is_folder else file.stamp.size
        return room < 0

    def dataset(self, file: File) -> Dataset:
        """The file as a dataset: with its content, or with its size, its time and why it was not hashed."""
        if file.stamp is None:
            return _described(file, file.digest)
        try:
            return _described(file, file.digest or self._digest(file, file.stamp))
        except _NotHashed as reason:
            return _undigested(file, str(reason))

    def written(self, files: Iterable[File]) -> None:
        """Forget the listings of the folders in which these files were written."""
        for file in files:
            path = file.path
            while self._folders and len(path) > 1:
                self._forget_folder(path)
                path = os.path.dirname(path)

    def cached_digest(self, path: str, seen: Stamp) -> Digest | None:
        """The digest of the file in this state, if it has been taken before."""
        return self._digests.get((path, seen))

    def _forget_folder(self, path: str) -> None:
        with self._lock:
            seen = self._folders.pop(path, None)
            if seen is not None:
                self._digests.pop((path, seen), None)

    def _remember(self, path: str, seen: Stamp, content: Digest) -> None:
        with self._lock:
            self._digests[path, seen] = content
            if seen.is_folder:
                self._folders[path] = seen
            while len(self._digests) > _REMEMBERED:
                oldest = next(iter(self._digests))
                del self._digests[oldest]
                self._folders.pop(oldest[0], None)

    def _is_unknown(self, file: File) -> bool:
        seen = file.stamp
        if seen is None or file.digest is not None or (file.path, seen) in self._digests:
            return False
        return seen.is_folder or not self._is_too_large(seen.size)

    def _outline(self, file: File) -> Dataset:
        cached = None if file.stamp is None else self.cached_digest(file.path, file.stamp)
        content = file.digest or cached
        size = _size(file)
        if content is None and size is not None and self._is_too_large(size):
            return _undigested(file, self._too_large())
        return _described(file, content)

    def _digest(self, file: File, seen: Stamp) -> Digest:
        content = self.cached_digest(file.path, seen)
        if content is None:
            read = self._read_folder if seen.is_folder else self._read_file
            content = read(file, seen)
            self._remember(file.path, seen, content)
        return content

    def _read_file(self, file: File, seen: Stamp) -> Digest:
        self._check_size(seen.size)
        shelved = self._shelved(file.path, seen, seen.size)
        if shelved is not None:
            return shelved
        began = time.time_ns()
        source = file.path if file.descriptor is None else f"/dev/fd/{file.descriptor}"
        # A file that changed while it was read, or before, is not what the job saw: its content
        # stays unknown.
        content = _digest_unless_changed(source, lambda: stamp(source) == seen)
        if is_settled(seen.modified, began):
            self._put_on_shelf(file.path, seen, content)
        return content

    def _read_folder(self, file: File, _seen: Stamp) -> Digest:
        try:
            before = _signature(file.path)
        except OSError:
            raise _NotHashed("it was removed before it was hashed") from None
        size = sum(entry[1] for entry in before)
        self._check_size(size)
        shelved = self._shelved(file.path, before, size)
        if shelved is not None:
            return shelved
        began = time.time_ns()
        content = _digest_unless_changed(file.path, lambda: _signature(file.path) == before)
        if all(is_settled(modified, began) for _, _, modified, _ in before):
            self._put_on_shelf(file.path, before, content)
        return content

    def _shelved(self, path: str, state: Stamp | Signature, size: int) -> Digest | None:
        if self._shelf is None or size < SHELVED_FROM:
            return None
        return self._shelf.get(path, state)

    def _put_on_shelf(self, path: str, state: Stamp | Signature, computed: Digest) -> None:
        if self._shelf is not None and computed.size >= SHELVED_FROM:
            self._shelf.put(path, state, computed)

    def _check_size(self, size: int) -> None:
        if self._is_too_large(size):
            raise _NotHashed(self._too_large())

    def _is_too_large(self, size: int) -> bool:
        return self.hurried or (self.limit is not None and size > self.limit)

    def _too_large(self) -> str:
        return _TOO_LATE if self.hurried else f"it is larger than {self.limit} bytes"


def _described(file: File, content: Digest | None) -> Dataset:
    facets = {"lamin_file": lamin_file(flags=file.flags)} if file.flags else {}
    namespace, name = dataset_name(file.url or file.path)
    dataset = Dataset(namespace, name, size=_size(file), role=file.role, facets=facets)
    return dataset if content is None else dataset.with_digest(content)


def _undigested(file: File, reason: str) -> Dataset:
    assert file.stamp is not None
    modified = datetime.fromtimestamp(file.stamp.modified / 1e9, UTC)
    facet: dict[str, Any] = lamin_file(file.flags, timestamp(modified), reason)
    namespace, name = dataset_name(file.url or file.path)
    facets = {"lamin_file": facet}
    return Dataset(namespace, name, size=_size(file), role=file.role, facets=facets)


def _size(file: File) -> int | None:
    return file.stamp.size if file.stamp and not file.stamp.is_folder else None


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


def _digest_unless_changed(path: str, is_unchanged: Callable[[], bool]) -> Digest:
    """Return the digest of a file or folder; raises `_NotHashed` if it does not exist or changes meanwhile."""
    try:
        computed = digest(path)
        if is_unchanged():
            return computed
    except FileNotFoundError:
        raise _NotHashed("it was removed before it was hashed") from None
    except OSError as error:
        raise _NotHashed(f"it cannot be read: {error.strerror or error}") from None
    raise _NotHashed("it was changed before it was hashed")


def _signature(folder: str) -> Signature:
    """Return path, size, time and inode of each file. Not when its inode changed: a job may link what another made."""
    return tuple(
        (name, size, modified, inode) for name, modified, _, size, inode, _ in state_of(folder)
    )
