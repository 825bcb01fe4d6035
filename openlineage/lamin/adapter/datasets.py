"""Paths as datasets, with their content: hashed once for as long as the files stay the same."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from lamin_core.errors import Unavailable
from lamin_core.storage import digest_cache
from lamin_core.storage.hashing import files_in
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dataset as it was when it was read."""

    dataset: Dataset
    state: digest_cache.State | None = None
    """How its files stood; None for a URL, and for what cannot be read."""

    def is_rewritten(self, earlier: Snapshot) -> bool:
        """Whether a file in it was written since, be it with the same bytes: modified, replaced, added or removed.

        A change of mode or owner does not count.
        """
        return _written(self.state) != _written(earlier.state)


def _written(state: digest_cache.State | None) -> set[tuple[str, int, int, int]] | None:
    """The state of each file that a write changes: the time of its last change, its size, its inode."""
    if state is None:
        return None
    return {(name, modified, size, inode) for name, modified, _, size, inode, _ in state}


class DatasetReader:
    """Datasets by path, read once for as long as times, sizes and inodes stay what they were.

    With a `shelf`, a file that can be removed at any time, the digests of large files outlive the
    process.
    """

    def __init__(self, shelf: Path | None = None) -> None:
        self._digests = digest_cache.DigestCache(shelf)

    def at(self, location: str) -> Dataset | None:
        """Return the dataset at this path or URL; None for a pipe, an empty folder, and a missing file.

        Also None for a folder that contains the working directory: the job runs in it, it does not
        read it.

        >>> DatasetReader().at("/no/such/file") is None, DatasetReader().at("s3://bucket/a.csv").name
        (True, 'a.csv')
        """
        snapshot = self.snapshot(location)
        return None if snapshot is None else snapshot.dataset

    def snapshot(self, location: str) -> Snapshot | None:
        """Return the dataset as `at` does, and how its files stand, to see later whether they were rewritten."""
        dataset = Dataset(*dataset_name(location))
        if dataset.namespace != "file":
            return Snapshot(dataset)
        if not _holds_bytes(dataset.name):
            return None
        try:
            stat_digest = self._digests.at(Path(dataset.name))
        except Unavailable:  # unreadable: its name is recorded all the same
            return Snapshot(dataset)
        return Snapshot(dataset.with_digest(stat_digest.digest), stat_digest.state)


def _holds_bytes(name: str) -> bool:
    """Whether this is a file, or a folder with a file in it that is not just where the job runs."""
    try:
        stat_result = os.stat(name)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
    if not stat.S_ISDIR(stat_result.st_mode):
        return stat.S_ISREG(stat_result.st_mode)
    if _holds_the_working_directory(name):
        return False
    try:
        return next(files_in(name), None) is not None
    except OSError:  # a folder in it that may not be read
        return True


def _holds_the_working_directory(folder: str) -> bool:
    parent = os.path.realpath(folder)
    return os.path.commonpath([os.path.realpath(os.getcwd()), parent]) == parent
