"""The files of a finished run as they are now, if they are still those that the run read and wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lamin_core.storage.hashing import files_in
from lamin_nextflow.finished.facts import FinishedFile
from openlineage.lamin.adapter.datasets import DatasetReader
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name

Reading = tuple[Dataset, str | None]
"""A dataset, and why its content is unknown, if it is."""
Reader = Callable[[FinishedFile, str | None], Reading]
_SAME_TIME = timedelta(milliseconds=2)
"""Records have nanoseconds, some file systems do not."""
_SLACK = timedelta(seconds=2)
"""Seconds by which a file may be closed after the recorded end: traces round durations."""


class Contents:
    """Reads each file once, as long as it stays what it is."""

    def __init__(self) -> None:
        self._reader = DatasetReader()

    def read(self, file: FinishedFile, role: str | None) -> Reading:
        """Return the dataset with its content; without content if the file was removed or written since."""
        dataset = Dataset(*dataset_name(file.path), size=file.size, role=role)
        if dataset.namespace != "file":
            return dataset, None
        moved = (copy for copy in file.copies if is_unchanged(file, copy))
        path = dataset.name if os.path.exists(dataset.name) else next(moved, None)
        if path is None:
            return dataset, f"{file.path!r} is not there any more: its content is unknown"
        if not is_unchanged(file, path):
            return dataset, f"{file.path!r} was written since: what the run saw of it is unknown"
        current = self._reader.at(path)
        if current is None:
            return replace(dataset, size=None), None
        return replace(current, namespace="file", name=dataset.name, role=role), None


def is_unchanged(file: FinishedFile, path: str) -> bool:
    """Whether a file is at this path that can be what the record speaks of, by size and time of modification."""
    if not os.path.exists(path):
        return False
    modified, size = _state(path)
    if file.modified is not None and not os.path.isdir(path):
        is_same_size = file.size is None or file.size == size
        return is_same_size and abs(modified - file.modified) <= _SAME_TIME
    return file.by is None or modified <= file.by + _SLACK


def _state(path: str) -> tuple[datetime, int]:
    """The latest modification in a file or folder, and the size of a file."""
    stat_result = os.stat(path)
    times = [stat_result.st_mtime, *(_times(path) if os.path.isdir(path) else ())]
    return datetime.fromtimestamp(max(times), UTC), stat_result.st_size


def _times(folder: str) -> Iterator[float]:
    for _, path in files_in(folder):
        yield os.stat(path).st_mtime
