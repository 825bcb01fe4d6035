"""What is in local files: read once, and remembered for as long as they stand as they stood."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from lamin_core.errors import Unavailable
from lamin_core.hashing import Digest, digest, files_in
from lamin_core.progress import progress

# A file changed twice within one tick of the file system's clock shows one time for two contents. Clocks tick every few
# milliseconds where they know fractions of a second, every two seconds where they do not.
_FINE_TICK, _COARSE_TICK = 50_000_000, 2_000_000_000
_KEPT = 4096

State = tuple[tuple[str, int, int, int, int, int], ...]
"""For every file: relative path, modified and changed (nanoseconds), size, inode, device."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A digest, and how the files stood when it was taken."""

    digest: Digest
    state: State
    is_settled: bool
    """Whether any later change would show in the state."""

    def still_holds(self, path: Path) -> bool:
        """Whether what is there now is known to be the same, without reading it."""
        return self.is_settled and self.stands(path)

    def stands(self, path: str | Path) -> bool:
        """Whether what is there now looks the same."""
        try:
            return state_of(path) == self.state
        except OSError:
            return False


class Contents:
    """Digests of local files and folders, each taken once while it stays the same."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, State], Digest] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, path: Path) -> Seen:
        """What is at this path. Raises `Unavailable` when it cannot be read, or changes while it is.

        >>> import tempfile; file = Path(tempfile.mkdtemp(), "a.txt"); _ = file.write_text("abc")
        >>> Contents().at(file).digest.size
        3
        """
        try:
            return self._at(path)
        except OSError as error:
            at = "" if error.filename in (None, str(path)) else f" ({error.filename})"
            raise Unavailable(
                f"{str(path)!r} cannot be read: {error.strerror or error}{at}", hint="check who may read it: ls -l"
            ) from error

    def _at(self, path: Path) -> Seen:
        before = state_of(path)
        with self._lock:
            known = self._known.get((str(path), before))
        if known is not None:
            return Seen(known, before, is_settled=True)
        began = time.time_ns()
        with progress(f"hashing {path.name}", _size(before)) as watch:
            found = digest(path, watch)
        if state_of(path) != before:
            raise Unavailable(f"{str(path)!r} changed while it was read", hint="save it when it is complete")
        seen = Seen(found, before, is_settled=_settled(before, began))
        if seen.is_settled:
            self._remember((str(path), before), found)
        return seen

    def _remember(self, key: tuple[str, State], found: Digest) -> None:
        with self._lock:
            self._known[key] = found
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)


def state_of(path: str | Path) -> State:
    """What tells whether a file, or any file in a folder, is still the same. Raises `OSError`.

    >>> state_of(Path(__file__))[0][0]
    ''
    """
    text = os.fspath(path)
    found = os.stat(text)
    if not stat.S_ISDIR(found.st_mode):
        return (_entry("", found),)
    return tuple(sorted(_entry(name, os.stat(file)) for name, file in files_in(text)))


def _entry(name: str, found: os.stat_result) -> tuple[str, int, int, int, int, int]:
    return name, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _size(state: State) -> int:
    return sum(size for _, _, _, size, _, _ in state)


def _settled(state: State, now: int) -> bool:
    return all(
        now - max(modified, changed) > (_FINE_TICK if changed % 1_000_000_000 else _COARSE_TICK)
        for _, modified, changed, *_ in state
    )
