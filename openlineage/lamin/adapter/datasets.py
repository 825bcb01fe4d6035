"""Paths as datasets, with their content: hashed once for as long as the files stay the same."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from lamin_core.errors import Unavailable
from lamin_core.storage import digest_cache
from lamin_core.storage.hashing import files_in
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name


class DatasetReader:
    """Datasets by path, read once for as long as times, sizes and inodes stay what they were."""

    def __init__(self) -> None:
        self._digests = digest_cache.DigestCache()

    def at(self, location: str) -> Dataset | None:
        """Return the dataset at this path or URL; None for a pipe, an empty folder, and where there is no file.

        Also None for a folder that contains the working directory: the job runs in it, it does not
        read it.

        >>> DatasetReader().at("/no/such/file") is None, DatasetReader().at("s3://bucket/a.csv").name
        (True, 'a.csv')
        """
        dataset = Dataset(*dataset_name(location))
        if dataset.namespace != "file":
            return dataset
        if not _holds_bytes(dataset.name):
            return None
        with suppress(Unavailable):  # unreadable: its name is recorded all the same
            return dataset.with_digest(self._digests.at(Path(dataset.name)).digest)
        return dataset


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
