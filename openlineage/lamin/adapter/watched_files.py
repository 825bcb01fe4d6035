"""Files that a function of an engine opens, as datasets: what it reads and writes without naming it."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

from lamin_core.runtime.paths import find_trusted_instance
from lamin_core.runtime.settings import settings
from lamin_core.watching import libraries, opening
from lamin_core.watching.accesses import Access
from lamin_core.watching.recorder import InputFile, RunFiles, digest_in_hex
from lamin_core.watching.scope import Scope
from openlineage.lamin.adapter.datasets import DatasetReader, Snapshot
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name


class WatchedFiles:
    """The files that a run opens below its project while it is `active`, and whether it opens files passed to it.

    The project is the folder of the instance, else the working directory. With the setting
    `watch_files` off, only what is passed is watched. Files that the engine knows already are left
    out by the caller: what is declared counts.

    >>> files = WatchedFiles()
    >>> files.expect([__file__])
    >>> with files.active(): open(__file__, "rb").close()
    >>> files.has_written(__file__), WatchedFiles().inputs(DatasetReader())
    (False, [])
    """

    def __init__(self, above: WatchedFiles | None = None) -> None:
        """Watch the project of the working directory: that of the run `above`, if it began in the same one."""
        log = f"{tempfile.gettempdir()}/lamin-{_SECRET}-{os.getpid()}-{next(_numbers)}.files"
        self._folder = _working_directory()
        is_same = above is not None and above._folder == self._folder
        scope = above.scope if above is not None and is_same else Scope(_project(self._folder))
        self._files = _CallFiles(scope, log)
        self._forks = _Forks.count

    def expect(self, paths: Iterable[str]) -> None:
        """Watch these files and folders as well, wherever they are: the run was passed their absolute paths."""
        self._files.passed.update(paths)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Give the opened files to this recorder in the block, in this thread or task and in what copies its context.

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

    @property
    def is_empty(self) -> bool:
        """Whether nothing was opened; processes that were forked may have opened files all the same."""
        return not self._files.files

    @property
    def scope(self) -> Scope:
        """The files that are noted."""
        return self._files.scope

    @property
    def may_have_forked(self) -> bool:
        """Whether the process has forked since, so that another one may have opened files."""
        return self._forks != _Forks.count

    def collect(self) -> None:
        """Collect the files that forked processes have opened; call it before the methods below."""
        if not self.may_have_forked:
            return
        with opening.unwatched():
            self._files.collect()

    def has_read(self, path: str) -> bool:
        """Whether what was in this file, or in one of this folder, before was read."""
        return any(access.is_read for access in self._files.at(path))

    def has_written(self, path: str) -> bool:
        """Whether this file, or a file in this folder, was opened for writing."""
        return any(access.is_written for access in self._files.at(path))

    def inputs(self, reader: DatasetReader) -> list[Dataset]:
        """The files read below the project, with their content at that time."""
        with opening.unwatched():
            files = [file for file in self._files.inputs() if self._files.is_in_project(file.path)]
            datasets = [_input(file, reader) for file in files]
        return [dataset for dataset in datasets if dataset is not None]

    def outputs(self, reader: DatasetReader) -> list[Snapshot]:
        """The files written below the project, with their current content."""
        with opening.unwatched():
            paths = [path for path in self._files.outputs() if self._files.is_in_project(path)]
            snapshots = [reader.snapshot(path) for path in paths]
        return [snapshot for snapshot in snapshots if snapshot is not None]


class _CallFiles(RunFiles):
    """The files of a call: those below the project, and those that it was passed."""

    def __init__(self, scope: Scope, log: str) -> None:
        super().__init__(scope, log)
        self.scope = scope
        self.passed: set[str] = set()

    def takes(self, path: str) -> bool:
        return super().takes(path) or self._is_passed(path)

    def is_in_project(self, path: str) -> bool:
        """Whether it would be noted without having been passed."""
        return super().takes(path)

    def at(self, path: str) -> Iterator[Access]:
        """The actions on this file, and on each file in this folder."""
        access = self.files.get(path)
        if access is not None:
            yield access
        for name, inner in list(self.files.items()):
            if name.startswith(f"{path}{os.sep}"):
                yield inner

    def _is_passed(self, path: str) -> bool:
        """Whether the path, or a folder above it, was passed: a look for each folder, however many were."""
        while self.passed and path not in self.passed:
            folder = os.path.dirname(path)
            if folder == path:
                return False
            path = folder
        return bool(self.passed)


_SECRET = uuid4().hex
"""A part of the names of logs, so that no other user can foresee them."""
_numbers = itertools.count()

_active: ContextVar[RunFiles | None] = ContextVar("lamin_watched_files", default=None)
_open: list[RunFiles | None] = []
_NOTHING = RunFiles(Scope([]), os.devnull)


class _Forks:
    """The number of forks of this process: before the first, no other process notes what it opens."""

    count = 0

    @classmethod
    def add(cls) -> None:
        cls.count += 1


os.register_at_fork(after_in_parent=_Forks.add)


@contextmanager
def ignored() -> Iterator[None]:
    """Note no files in the block, in this thread or task and in what copies its context: they are the engine's.

    >>> files = WatchedFiles()
    >>> files.expect([__file__])
    >>> with files.active(), ignored(): open(__file__, "rb").close()
    >>> files.is_empty
    True
    """
    token = _active.set(_NOTHING)
    try:
        yield
    finally:
        _active.reset(token)


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _project(working_directory: str | None) -> list[str]:
    """The folder whose files are noted; none with the setting off, and none for the whole file system."""
    if working_directory is None:
        return []
    folder = find_trusted_instance()
    project = working_directory if folder is None else str(folder.parent)
    return [project] if settings.watch_files and project != os.sep else []


def _files_here() -> RunFiles | None:
    files = _active.get()
    if files is None and len(_open) == 1 and threading.current_thread() is not _main:
        return _open[0]
    return files


_main = threading.main_thread()


def _input(file: InputFile, reader: DatasetReader) -> Dataset | None:
    """The file as it was read; None if it has changed since and its former content is unknown."""
    if file.before is None:
        return reader.at(file.path)
    if file.content is None:
        return None
    return Dataset(*dataset_name(file.path)).with_digest(file.content)
