"""The files of runs whose results Prefect stores: a later run with a cached result has the same files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamin_core.runtime.paths import user_cache
from openlineage.lamin.emit.events import Dataset

_FIELDS = ("namespace", "name", "hash", "hash_type", "size", "n_files")
_LIMIT = 100_000
"""Results that are kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Result:
    """The datasets that a run has read and written."""

    inputs: list[Dataset] = field(default_factory=list)
    outputs: list[Dataset] = field(default_factory=list)


class KeptResults:
    """The inputs and outputs of each result, in a small database of this user, also for later processes.

    When it is damaged, locked or removed, a cached run has no files.

    >>> import tempfile; results = KeptResults(Path(tempfile.mkdtemp(), "results.db"))
    >>> results.keep("a key", Result([], [Dataset("file", "/a.csv")])); results.find("a key").outputs[0].name
    '/a.csv'
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file

    def keep(self, key: str, result: Result) -> None:
        """Remember what was used for the result that Prefect keeps under this key."""
        text = json.dumps([_facts(result.inputs), _facts(result.outputs)])
        try:
            with self._opened() as database, database:
                database.execute("INSERT OR REPLACE INTO result VALUES (?, ?)", (key, text))
                database.execute(
                    "DELETE FROM result WHERE rowid <= (SELECT max(rowid) FROM result) - ?",
                    (_LIMIT,),
                )
        except (OSError, sqlite3.Error):
            return

    def find(self, key: str) -> Result | None:
        """The files of a result; None if no recorded run made it."""
        try:
            with self._opened() as database:
                row = database.execute("SELECT used FROM result WHERE key = ?", (key,)).fetchone()
        except (OSError, sqlite3.Error):
            return None
        return None if row is None else Result(*map(_datasets, json.loads(row[0])))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        file = self._file or user_cache() / "prefect-results.db"
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(file, timeout=1)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS result (key TEXT PRIMARY KEY, used TEXT)")
            yield database


def _facts(datasets: list[Dataset]) -> list[dict[str, Any]]:
    return [{name: getattr(dataset, name) for name in _FIELDS} for dataset in datasets]


def _datasets(facts: list[dict[str, Any]]) -> list[Dataset]:
    return [Dataset(**fact) for fact in facts]
