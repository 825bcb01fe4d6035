"""What a file or folder holds at this moment, hashed once for as long as it stays the same."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lamin_core.errors import Unavailable
from lamin_core.storage import digest_cache
from lamin_core.storage.hashing import files_in
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name


class Contents:
    """Datasets by path, read once for as long as times, sizes and inodes stay what they were."""

    def __init__(self) -> None:
        self._digests = digest_cache.DigestCache()

    def at(self, location: str) -> Dataset | None:
        """The dataset at this path or URL; None where there is nothing to read: no file, a pipe, an empty folder.

        A folder that contains the working directory is none either: it is where the job runs, not what it reads.

        >>> Contents().at("/no/such/file") is None, Contents().at("s3://bucket/a.csv").name
        (True, 'a.csv')
        """
        dataset = Dataset(*dataset_name(location))
        if dataset.namespace != "file":
            return dataset
        if not _holds_bytes(dataset.name):
            return None
        with suppress(Unavailable):  # unreadable: its name is still worth telling
            digest = self._digests.at(Path(dataset.name)).digest
            return replace(
                dataset, hash=digest.hash, hash_type=digest.hash_type, size=digest.size, n_files=digest.n_files
            )
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
    here, above = os.path.realpath(os.getcwd()), os.path.realpath(folder)
    return os.path.commonpath([here, above]) == above
