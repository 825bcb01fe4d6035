"""Digests of local files: each file is read once, and again only when it has changed."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections import OrderedDict
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from lamin_core.errors import Unavailable
from lamin_core.runtime.fork_safe import ForkSafeLock
from lamin_core.runtime.progress import progress
from lamin_core.storage.hashing import Digest, digest, files_in

# A file changed twice within one tick of the file system's clock shows one time for two contents.
# Clocks tick every few milliseconds where they know fractions of a second, every two seconds where
# they do not.
_FINE_TICK, _COARSE_TICK = 50_000_000, 2_000_000_000
_KEPT = 4096
SHELVED_FROM = 16 << 20
"""Bytes: what is smaller is read again by the next process as fast as it is looked up."""

State = tuple[tuple[str, int, int, int, int, int], ...]
"""For every file: relative path, modified and changed (nanoseconds), size, inode, device."""


@dataclass(frozen=True, slots=True)
class StatDigest:
    """A digest, and how the files stood when it was taken."""

    digest: Digest
    state: State
    is_settled: bool
    """Whether any later change would show in the state."""

    def still_holds(self, path: Path) -> bool:
        """Whether the file is known to be unchanged, without reading it."""
        return self.is_settled and self.stands(path)

    def stands(self, path: str | Path) -> bool:
        """Whether the file looks unchanged."""
        try:
            return state_of(path) == self.state
        except OSError:
            return False


class DigestCache:
    """Digests of local files and folders, each taken once while it stays the same.

    With a `shelf`, a file that can be thrown away at any time, those of large ones outlive the
    process. `shown` draws a bar on a terminal while a large one is read.
    """

    def __init__(self, shelf: Path | None = None, *, shown: bool = False) -> None:
        self._known: OrderedDict[tuple[str, State], Digest] = OrderedDict()
        self._lock = ForkSafeLock()
        self._shelf = None if shelf is None else DigestShelf(shelf)
        self._shown = shown

    def at(self, path: Path) -> StatDigest:
        """The digest of the path. Raises `Unavailable` if it cannot be read, or changes while it is read.

        >>> import tempfile; file = Path(tempfile.mkdtemp(), "a.txt"); _ = file.write_text("abc")
        >>> DigestCache().at(file).digest.size
        3
        """
        try:
            return self._at(path)
        except OSError as error:
            at = "" if error.filename in (None, str(path)) else f" ({error.filename})"
            raise Unavailable(
                f"{str(path)!r} cannot be read: {error.strerror or error}{at}",
                hint="check who may read it: ls -l",
            ) from error

    def _at(self, path: Path) -> StatDigest:
        before = state_of(path)
        size = sum(entry[3] for entry in before)
        cached = self._recalled(path, before, size)
        if cached is not None:
            return StatDigest(cached, before, is_settled=True)
        began = time.time_ns()
        with progress(f"hashing {path.name}", size) if self._shown else nullcontext() as watch:
            content = digest(path, watch)
        if state_of(path) != before:
            raise Unavailable(
                f"{str(path)!r} changed while it was read", hint="save it when it is complete"
            )
        seen = StatDigest(content, before, is_settled=_settled(before, began))
        if seen.is_settled:
            self._remember(path, before, content)
        return seen

    def _recalled(self, path: Path, state: State, size: int) -> Digest | None:
        with self._lock:
            cached = self._known.get((str(path), state))
        if cached is None and self._shelf is not None and size >= SHELVED_FROM:
            cached = self._shelf.get(path, state)
        return cached

    def _remember(self, path: Path, state: State, content: Digest) -> None:
        with self._lock:
            self._known[str(path), state] = content
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        if self._shelf is not None and content.size >= SHELVED_FROM:
            self._shelf.put(path, state, content)


class DigestShelf:
    """Digests in a small database of their own; when it is damaged or locked, files are read again.

    A digest is known by the path and by how the files stood, whatever tells that; of each path the
    latest one is there.

    >>> import tempfile; shelf = DigestShelf(Path(tempfile.mkdtemp(), "digests.db"))
    >>> shelf.put("a.bin", (3, 17), Digest("blake3", "00ff", 3))
    >>> shelf.get("a.bin", (3, 17)).size, shelf.get("a.bin", (3, 18))
    (3, None)
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, path: str | Path, state: object) -> Digest | None:
        """Return the stored digest of the file in this state at this path, or None."""
        try:
            with closing(self._opened()) as database:
                row = database.execute(
                    "SELECT hash_type, hash, size, n_files FROM digest WHERE path = ? AND state = ?",
                    (os.fsencode(path), _fingerprint(state)),
                ).fetchone()
        except (OSError, sqlite3.Error):
            return None
        return None if row is None else Digest(*row)

    def put(self, path: str | Path, state: object, content: Digest) -> None:
        """Put the digest there, in place of an earlier one of this path."""
        row = (
            os.fsencode(path),
            _fingerprint(state),
            content.hash_type,
            content.hash,
            content.size,
            content.n_files,
        )
        try:
            with closing(self._opened()) as database, database:
                database.execute("INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?, ?, ?)", row)
        except (OSError, sqlite3.Error):
            return

    def _opened(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = sqlite3.connect(self._file, timeout=1)
        database.execute(
            "CREATE TABLE IF NOT EXISTS digest"
            " (path BLOB PRIMARY KEY, state TEXT, hash_type TEXT, hash TEXT, size INTEGER, n_files INTEGER)"
        )
        return database


def _fingerprint(state: object) -> str:
    return blake3(repr(state).encode("utf-8", "surrogatepass")).hexdigest()


def state_of(path: str | Path) -> State:
    """A key that changes if a file, or any file in a folder, changes. Raises `OSError`.

    >>> state_of(Path(__file__))[0][0]
    ''
    """
    text = os.fspath(path)
    stat_result = os.stat(text)
    if not stat.S_ISDIR(stat_result.st_mode):
        return (_entry("", stat_result),)
    return tuple(sorted(_entry(name, os.stat(file)) for name, file in files_in(text)))


def _entry(name: str, stat_result: os.stat_result) -> tuple[str, int, int, int, int, int]:
    return (
        name,
        stat_result.st_mtime_ns,
        stat_result.st_ctime_ns,
        stat_result.st_size,
        stat_result.st_ino,
        stat_result.st_dev,
    )


def _settled(state: State, now: int) -> bool:
    return all(is_settled(max(modified, changed), now) for _, modified, changed, *_ in state)


def is_settled(changed: int, now: int) -> bool:
    """Whether a change after `now` would show in the time of the last change: both in nanoseconds.

    >>> is_settled(1_000_000_001, 1_000_000_002), is_settled(1_000_000_001, 9_000_000_000)
    (False, True)
    """
    return now - changed > (_FINE_TICK if changed % 1_000_000_000 else _COARSE_TICK)
