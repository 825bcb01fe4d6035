"""Actions on files, and what follows for each file: whether it was read, and whether it was written.

This module and `scope`, `opening` and `libraries` beside it import nothing but the standard library: `lamin run` loads
them in the Python of the user's program, which need not have this package.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple, Protocol

READ, WRITE, UPDATE, RENAME = "read", "write", "update", "rename"
"""The actions: opened to read; opened to overwrite; opened to change or append; renamed."""


class FileState(NamedTuple):
    """The state by which a change of a file is detected: two times in nanoseconds, size in bytes, inode, device."""

    modified: int
    changed: int
    size: int
    inode: int
    device: int


class Action(NamedTuple):
    """An action on a file that a process was about to perform.

    `before` is the state of the file, of a new name the one that it replaces; None where there was
    none. `content` is the digest of these bytes in hex, where they were read because they were
    about to be lost.
    """

    kind: str
    path: str
    before: FileState | None = None
    content: str | None = None
    source: str | None = None
    """The name that a renamed file had."""


class Recorder(Protocol):
    """Takes the actions of a process."""

    def takes(self, path: str) -> bool:
        """Whether this file matters."""

    def has_read(self, path: str) -> bool:
        """Whether an action read this file."""

    def record(self, action: Action) -> None:
        """Take an action."""

    def declare(self, path: str, kind: str) -> None:
        """The user says of this file that it is read or written, so nothing is noted beside that."""


class Access:
    """The actions of a run on one file. `before` is the state of the file before the first action."""

    __slots__ = ("before", "content", "is_read", "is_written")

    def __init__(self, before: FileState | None) -> None:
        self.before = before
        self.content: str | None = None
        self.is_read = False
        self.is_written = False


class Accesses:
    """The actions of a run on each file, by absolute path; a file that it created itself is not an input.

    >>> old = FileState(1, 1, 5, 7, 0)
    >>> accesses = Accesses()
    >>> accesses.apply([Action("read", "/a", old), Action("write", "/b"), Action("read", "/b", old)])
    >>> [(path, access.is_read, access.is_written) for path, access in accesses.files.items()]
    [('/a', True, False), ('/b', False, True)]
    """

    def __init__(self) -> None:
        self.files: dict[str, Access] = {}

    def has_read(self, path: str) -> bool:
        """Whether this file was read before it was written."""
        access = self.files.get(path)
        return access is not None and access.is_read

    def apply(self, actions: Iterable[Action]) -> None:
        """Take these actions, in the order in which they happened."""
        for action in actions:
            self.record(action)

    def record(self, action: Action) -> None:
        """Take an action. A dict operation at a time: signal handlers and threads may come between."""
        if action.kind == RENAME and action.source is not None:
            self._renamed(action, action.source)
            return
        access = self.files.get(action.path)
        if access is None:
            if action.kind == READ and action.before is None:
                return
            access = self.files[action.path] = Access(action.before)
        if action.kind != WRITE and access.before is not None and not access.is_written:
            access.is_read = True
        if action.kind != READ:
            self._written(access, action)

    def _written(self, access: Access, action: Action) -> None:
        if not access.is_written and action.before == access.before:
            access.content = action.content
        access.is_written = True

    def _renamed(self, action: Action, source: str) -> None:
        """A file, or all below a folder, go by another name."""
        for path in [path for path in list(self.files) if path.startswith(f"{source}/")]:
            self._moved(path, action._replace(path=action.path + path[len(source) :], before=None))
        self._moved(source, action)

    def _moved(self, source: str, action: Action) -> None:
        moved = self.files.get(source)
        if moved is not None and moved.before is None:
            del self.files[source]  # made by this run, under a name for the meantime
        elif moved is not None:
            moved.is_read = moved.is_read or not moved.is_written
        target = self.files.get(action.path)
        if target is None:
            target = self.files[action.path] = Access(action.before)
        self._written(target, action)


def state_of_file(path: str | int) -> FileState | None:
    """The state of a regular file; None where there is none.

    >>> state_of_file("/no/such/file") is None, state_of_file("/dev/null") is None
    (True, True)
    """
    try:
        result = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(result.st_mode):
        return None
    return FileState(
        result.st_mtime_ns, result.st_ctime_ns, result.st_size, result.st_ino, result.st_dev
    )


def to_line(action: Action) -> bytes:
    r"""The action as a line: kind, state, digest, path, and the name before, with tabs and line feeds as escapes.

    >>> from_line(to_line(Action("read", "/a\tb\n", FileState(1, 2, 3, 4, 5)))).path
    '/a\tb\n'
    """
    state = " ".join(map(str, action.before or ()))
    fields = [action.kind, state, action.content or "", _escaped(action.path)]
    return os.fsencode("\t".join([*fields, _escaped(action.source or "")]) + "\n")


def from_line(line: bytes) -> Action | None:
    """The action that the line says; None for a line that was cut off.

    >>> from_line(b"read") is None
    True
    """
    fields = os.fsdecode(line.rstrip(b"\n")).split("\t")
    try:
        kind, state, content, path, source = fields
        numbers = [int(number) for number in state.split()]
        before = FileState(*numbers) if numbers else None
    except (TypeError, ValueError):
        return None
    return Action(kind, _unescaped(path), before, content or None, _unescaped(source) or None)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _unescaped(text: str) -> str:
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\t", "\t").replace("\\n", "\n") for part in parts)
