"""The last graphs of pages: they are read again only after a commit by any process.

Expanding, selecting and grouping need the same graph several times, and the graph of a large workflow takes longer to
read than to draw. One value of a database shows whether any process has committed: `data_version` of SQLite
(https://sqlite.org/pragma.html#pragma_data_version), and the snapshot of transactions of PostgreSQL.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import quote

from sqlalchemy import ColumnElement, Engine, Text, cast, func, literal, null

MOST_NODES = 50_000
"""Nodes of all graphs that stay in memory, about 60 MB."""
T = TypeVar("T")


class CommitWatch:
    """Detects commits to a database."""

    def __init__(self, engine: Engine) -> None:
        self._lock = threading.Lock()
        self._is_postgresql = engine.dialect.name == "postgresql"
        self._connection = None if self._is_postgresql else _connection(engine)
        if self._connection is not None:
            weakref.finalize(self, self._connection.close)

    def version(self) -> ColumnElement[str]:
        """A column for the first statement of a session: its value changes with every commit; NULL where none does so.

        What the session reads after it holds at least what was committed at that version.
        """
        if self._is_postgresql:
            return cast(func.pg_current_snapshot(), Text())
        if self._connection is None:
            return cast(null(), Text())
        with self._lock:
            number = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return literal(str(number), Text())


def _connection(engine: Engine) -> sqlite3.Connection | None:
    """A read-only connection: SQLite reports to a connection the commits of all others."""
    path = Path(engine.url.database or "")
    if not path.is_file():
        return None
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)


class RecentGraphs(Generic[T]):
    """The values that were read last, each with its version, up to `MOST_NODES` nodes in total."""

    def __init__(self, weight: Callable[[T], int]) -> None:
        self._weight = weight
        self._entries: OrderedDict[Hashable, tuple[str, T]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, key: Hashable, version: str | None, read: Callable[[], T]) -> T:
        """Return the value that was read at this version, or the result of `read`.

        >>> recent = RecentGraphs[str](len)
        >>> [recent.read("a", version, lambda: f"read at {version}") for version in ("1", "1", "2")]
        ['read at 1', 'read at 1', 'read at 2']
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] == version:
                self._entries.move_to_end(key)
                return entry[1]
        value = read()
        if version is not None:
            self._store(key, version, value)
        return value

    def _store(self, key: Hashable, version: str, value: T) -> None:
        with self._lock:
            self._entries[key] = (version, value)
            self._entries.move_to_end(key)
            total = sum(self._weight(value) for _, value in self._entries.values())
            while total > MOST_NODES:
                _, (_, oldest) = self._entries.popitem(last=False)
                total -= self._weight(oldest)
