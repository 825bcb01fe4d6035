"""Which files Python code opens, and how, as CPython's audit events say.

What a library opens past Python (HDF5, Arrow), another process or a thread of the user's own is not
seen: a file that is not seen to be read may have been read all the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

_LIMIT = 10_000


class OpenedFiles:
    """The files that were opened while it was active, by absolute path.

    >>> opened = OpenedFiles()
    >>> with opened.active(): open(__file__).close()
    >>> opened.has_read(__file__), opened.has_written(__file__)
    (True, False)
    """

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._written: set[str] = set()

    def has_read(self, path: str) -> bool:
        """Whether what was in this file, or in one of this folder, before was read."""
        return _is_or_lies_in(path, self._read)

    def has_written(self, path: str) -> bool:
        """Whether this file, or one in this folder, was opened to be written."""
        return _is_or_lies_in(path, self._written)

    @contextmanager
    def active(self) -> Iterator[None]:
        """In here, in this thread or task, what is opened is noted."""
        _install()
        token = _watcher.set(self)
        try:
            yield
        finally:
            _watcher.reset(token)

    def note(self, file: object, flags: int) -> None:
        """Take note of a file that is opened with these flags of `os.open`.

        What is read of a file that was written here before is not what was in it at first.
        """
        if not isinstance(file, str | bytes) or len(self._read) + len(self._written) > _LIMIT:
            return
        path = os.path.abspath(os.fsdecode(file))
        if path not in self._written and not flags & os.O_TRUNC:
            self._read.add(path)
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self._written.add(path)


@contextmanager
def unnoticed() -> Iterator[None]:
    """In here, as in a function that this decorates, nothing is noted: what an adapter opens is not the job's work."""
    token = _watcher.set(None)
    try:
        yield
    finally:
        _watcher.reset(token)


def _is_or_lies_in(path: str, files: set[str]) -> bool:
    return path in files or any(file.startswith(f"{path}{os.sep}") for file in tuple(files))


_watcher: ContextVar[OpenedFiles | None] = ContextVar("lamin_opened_files", default=None)


@cache
def _install() -> None:
    """Listen to audit events, once for this process: an audit hook stays as long as it."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open":
        return
    opened = _watcher.get()
    if opened is not None:
        with suppress(Exception):  # an error in here would be one of the user's `open`
            opened.note(arguments[0], arguments[2])
