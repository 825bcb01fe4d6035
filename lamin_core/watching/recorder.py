"""The files that a run opens in this process and its forks, and which of them are its inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from lamin_core.storage.hashing import FILE, Digest, digest
from lamin_core.watching.accesses import (
    READ,
    WRITE,
    Access,
    Accesses,
    Action,
    FileState,
    state_of_file,
)
from lamin_core.watching.log import actions_in, append
from lamin_core.watching.scope import Scope, is_code, store_of
from lamin_core.watching.strace import actions_of

MOST = 10_000
"""Files of a run that are noted; a run that opens more of them is better served by a folder that it names."""


class RunFiles(Accesses):
    """The recorder of a run: holds what this process opens, and reads what processes forked from it have written."""

    def __init__(self, scope: Scope, log: str) -> None:
        super().__init__()
        self._scope = scope
        self.log = log
        self._pid = os.getpid()
        self._declared: set[tuple[str, str]] = set()
        self.is_full = False
        """Whether files were left out because there were too many."""

    def takes(self, path: str) -> bool:
        """Whether this file is in the scope."""
        return self._scope.covers(path)

    def record(self, action: Action) -> None:
        """Take an action, or write it down where this is another process than that of the run."""
        if len(self.files) >= MOST and action.path not in self.files:
            self.is_full = True
            return
        super().record(action)
        if os.getpid() != self._pid:
            append(self.log, action)

    def declare(self, path: str, kind: str) -> None:
        """Leave this file out: the user saves it (`write`), or loads it (`read`), as an artifact."""
        self._declared.add((path, kind))

    def collect(self) -> None:
        """Take what other processes have written down, and remove that."""
        for action in (*actions_in(self.log), *actions_of(f"{self.log}.strace")):
            path = os.path.normpath(action.path)
            source = action.source and os.path.normpath(action.source)
            is_import = action.kind == READ and is_code(path)
            if self.takes(path) and not is_import:
                self.record(action._replace(path=path, source=source))
        for log in (self.log, f"{self.log}.strace"):
            with suppress(OSError):
                os.unlink(log)

    def inputs(self) -> list[InputFile]:
        """The files that were read, with what they held then."""
        inputs: dict[str, InputFile] = {}
        for path, access in self._undeclared(READ):
            if access.is_read:
                inputs.setdefault(store_of(path), _input_file(path, access))
        return list(inputs.values())

    def outputs(self) -> list[str]:
        """The files that were written, and now exist with other bytes or as new files."""
        paths = [path for path, access in self._undeclared(WRITE) if _is_changed(path, access)]
        return list(dict.fromkeys(map(store_of, paths)))

    def _undeclared(self, kind: str) -> Iterator[tuple[str, Access]]:
        for path, access in list(self.files.items()):
            names = {path, store_of(path)}
            if not any({(name, WRITE), (name, kind)} & self._declared for name in names):
                yield path, access


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that was read.

    `content` is what it held then, where it holds something else now and the bytes were read in
    time; `before` how it stood. Both are None of a file that is as it was.
    """

    path: str
    content: Digest | None = None
    before: FileState | None = None


def _input_file(path: str, access: Access) -> InputFile:
    store, before = store_of(path), access.before
    if store != path or before is None or is_same(before, state_of_file(path)):
        return InputFile(store)
    content = None if access.content is None else Digest(FILE, access.content, before.size)
    return InputFile(path, content, before)


def _is_changed(path: str, access: Access) -> bool:
    after = state_of_file(path)
    return access.is_written and after is not None and not is_same(after, access.before)


def is_same(first: FileState | None, second: FileState | None) -> bool:
    """Whether a file holds the same bytes; rights and hard links may have changed.

    >>> is_same(FileState(1, 1, 5, 7, 0), FileState(1, 2, 5, 7, 0))
    True
    """
    if first is None or second is None:
        return first is second
    return first._replace(changed=0) == second._replace(changed=0)


def digest_in_hex(path: str) -> str | None:
    """The digest of a file; None where it cannot be read."""
    try:
        return digest(path).hash
    except OSError:
        return None
