"""What a file or folder holds at this moment, hashed once for as long as it stays the same."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator

from openlineage.lamin.events import Dataset
from openlineage.lamin.naming import dataset_name

# A file changed twice within one tick of the filesystem's clock shows one time for two contents. Clocks tick every few
# milliseconds where they know fractions of a second, every two seconds where they do not.
_FINE_TICK, _COARSE_TICK = 50_000_000, 2_000_000_000
_KEPT = 4096

Entry = tuple[str, int, int, int, int, int]
"""Relative path, modified and changed (nanoseconds), size, inode, device."""


class Contents:
    """Datasets by path, remembered for as long as times, sizes and inodes stay what they were."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, tuple[Entry, ...]], Dataset] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, location: str) -> Dataset | None:
        """The dataset at this path or URL; None where there is nothing to read: no file, a pipe, an empty folder.

        A folder that contains the working directory is none either: it is where the job runs, not what it reads.

        >>> Contents().at("/no/such/file") is None, Contents().at("s3://bucket/a.csv").name
        (True, 'a.csv')
        """
        namespace, name = dataset_name(location)
        if namespace != "file":
            return Dataset(namespace, name)
        before = _entries(name)
        if not before:
            return None
        with self._lock:
            known = self._known.get((name, before))
        if known is not None:
            return known
        began = time.time_ns()
        dataset = Dataset.at(name)
        if dataset.hash is not None and _settled(before, began) and _entries(name) == before:
            self._remember((name, before), dataset)
        return dataset

    def _remember(self, key: tuple[str, tuple[Entry, ...]], dataset: Dataset) -> None:
        with self._lock:
            self._known[key] = dataset
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)


def _entries(name: str) -> tuple[Entry, ...]:
    """What tells whether the file, or any file in the folder, is still the same; empty where there is nothing."""
    try:
        found = os.stat(name)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return ()
    if stat.S_ISREG(found.st_mode):
        return (_entry("", found),)
    if not stat.S_ISDIR(found.st_mode) or _holds_the_working_directory(name):
        return ()
    return tuple(sorted(_files_in(name)))


def _files_in(folder: str) -> Iterator[Entry]:
    for root, folders, names in os.walk(folder):
        links = [path for name in folders if os.path.islink(path := os.path.join(root, name))]
        # What lies behind a link to a folder is hashed but not watched: with one, a folder never counts as settled.
        yield from ((path, time.time_ns(), 0, 0, 0, 0) for path in links)
        for path in (os.path.join(root, name) for name in names):
            try:
                yield _entry(path, os.stat(path))
            except OSError:  # a broken link
                continue


def _entry(name: str, found: os.stat_result) -> Entry:
    return name, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _settled(entries: tuple[Entry, ...], now: int) -> bool:
    return all(
        now - modified > (_FINE_TICK if modified % 1_000_000_000 else _COARSE_TICK) for _, modified, *_ in entries
    )


def _holds_the_working_directory(folder: str) -> bool:
    here, above = os.path.realpath(os.getcwd()), os.path.realpath(folder)
    return os.path.commonpath([here, above]) == above
