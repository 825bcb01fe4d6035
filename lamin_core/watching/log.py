"""Actions as lines of a file: how another process says what it has opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from lamin_core.watching.accesses import READ, Action, from_line, to_line


class Log:
    """Writes each action at once, a line each, since a process may end in any way; of the same ones the first."""

    def __init__(self, path: str, covers: Callable[[str], bool]) -> None:
        self._path = path
        self._covers = covers
        self._read: set[str] = set()
        self._written: set[tuple[str, str]] = set()

    def takes(self, path: str) -> bool:
        """Whether this file is in the scope."""
        return self._covers(path)

    def has_read(self, path: str) -> bool:
        """Whether this process has read the file."""
        return path in self._read

    def record(self, action: Action) -> None:
        """Append a line, by one write, so that lines of several processes stay whole."""
        if action.kind == READ:
            self._read.add(action.path)
        elif (action.kind, action.path) in self._written and action.source is None:
            return
        self._written.add((action.kind, action.path))
        append(self._path, action)

    def declare(self, path: str, kind: str) -> None:
        """Do nothing: the parent process knows what was declared."""


def append(path: str, action: Action) -> None:
    """Add the action to the log at this path."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, to_line(action))
    finally:
        os.close(descriptor)


def actions_in(path: str) -> Iterator[Action]:
    """The actions in the log at this path; empty if there is no log.

    >>> list(actions_in("/no/such/log"))
    []
    """
    try:
        with open(path, "rb") as file:
            lines = file.readlines()
    except OSError:
        return
    for line in lines:
        action = from_line(line)
        if action is not None:
            yield action
