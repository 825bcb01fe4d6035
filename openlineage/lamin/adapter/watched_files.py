"""Files that a function of an engine opens, as datasets: what it reads and writes without naming it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

from lamin_core.runtime.paths import find_trusted_instance
from lamin_core.runtime.settings import settings
from lamin_core.watching import libraries, opening
from lamin_core.watching.recorder import InputFile, RunFiles, digest_in_hex
from lamin_core.watching.scope import Scope
from openlineage.lamin.adapter.datasets import DatasetReader
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name


class WatchedFiles:
    """What a run opens below its project while it is `active`.

    The project is the folder of the instance, else the working directory. With the setting
    `watch_files` off, nothing is noted. Files that the engine knows already are left out by the
    caller: what is declared counts.

    >>> WatchedFiles().datasets(DatasetReader())
    ([], [])
    """

    def __init__(self) -> None:
        folder = find_trusted_instance()
        project = os.getcwd() if folder is None else str(folder.parent)
        log = os.path.join(tempfile.gettempdir(), f"lamin-{uuid4().hex}.files")
        self._files = RunFiles(Scope([project]), log) if settings.watch_files else None

    @contextmanager
    def active(self) -> Iterator[None]:
        """In here, in this thread or task and in what copies its context, this is what takes the files.

        A thread without a context belongs to what is active, if that is one thing alone.
        """
        opening.watch(_files_here, digest_in_hex)
        libraries.wrap()
        token = _active.set(self._files)
        _open.append(self._files)
        try:
            yield
        finally:
            _open.remove(self._files)
            _active.reset(token)

    def datasets(self, reader: DatasetReader) -> tuple[list[Dataset], list[Dataset]]:
        """What was read, with what it held then, and what was written, with what it holds now."""
        if self._files is None:
            return [], []
        with opening.unwatched():
            self._files.collect()
            inputs = [_input(file, reader) for file in self._files.inputs()]
            outputs = [reader.at(path) for path in self._files.outputs()]
        return (
            [dataset for dataset in inputs if dataset is not None],
            [dataset for dataset in outputs if dataset is not None],
        )


_active: ContextVar[RunFiles | None] = ContextVar("lamin_watched_files", default=None)
_open: list[RunFiles | None] = []


def _files_here() -> RunFiles | None:
    files = _active.get()
    if files is None and len(_open) == 1 and threading.current_thread() is not _main:
        return _open[0]
    return files


_main = threading.main_thread()


def _input(file: InputFile, reader: DatasetReader) -> Dataset | None:
    """The file as it was read; None where it holds something else now, and nobody knows what it held."""
    if file.before is None:
        return reader.at(file.path)
    if file.content is None:
        return None
    return Dataset(*dataset_name(file.path)).with_digest(file.content)
