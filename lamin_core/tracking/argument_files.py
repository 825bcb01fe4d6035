"""Files that the arguments of a program name: which of them it reads, and which it writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blake3 import blake3

from lamin_core.watching.accesses import (
    READ,
    WRITE,
    Action,
    FileState,
    Recorder,
    state_of_file,
)
from lamin_core.watching.inotify import ReadWatch
from lamin_core.watching.opening import LARGEST
from lamin_core.watching.recorder import digest_in_hex, is_same


class ArgumentFiles:
    """Some files before a program runs: how they stand, and what small ones hold.

    One that stays as it is has been read, as why else would it be named; one that is new or changed
    has been written, and has been read as well if the kernel says so, or if its old bytes are still
    the first ones.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._before = {str(path): state_of_file(str(path)) for path in paths}
        self._contents = {
            path: digest_in_hex(path)
            for path, state in self._before.items()
            if state is not None and state.size <= LARGEST
        }
        existing = [path for path, state in self._before.items() if state is not None]
        self._watch = ReadWatch(existing)

    def record(self, recorder: Recorder) -> None:
        """Record what has happened to them since."""
        read = self._watch.close()
        for path, before in self._before.items():
            after, content = state_of_file(path), self._contents.get(path)
            is_changed = not is_same(before, after)
            if not is_changed or path in read or _is_appended(path, before, content):
                recorder.record(Action(READ, path, before))
            if is_changed:
                recorder.record(Action(WRITE, path, before, content))


def _is_appended(path: str, before: FileState | None, content: str | None) -> bool:
    """Whether the file begins with all that it held before."""
    after = state_of_file(path)
    if before is None or after is None or content is None or not 0 < before.size < after.size:
        return False
    try:
        with open(path, "rb") as file:
            return blake3(file.read(before.size)).hexdigest() == content
    except OSError:
        return False
