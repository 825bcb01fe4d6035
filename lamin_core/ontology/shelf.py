"""The compact copy of an ontology in the user's cache: one SQLite file with a row for each term.

Built once from what a package or a file holds, then read by index. A file that was not built to its
end is never at its final name.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from lamin_core.errors import Unavailable, ValidationError
from lamin_core.runtime.paths import user_cache

FIELDS = (
    "ontology_id",
    "name",
    "synonyms",
    "description",
    "parents",
    "is_obsolete",
    "replaced_by",
)
"""The columns of each term; `synonyms` and `parents` are joined by `|`. Registries add more."""
_FORMAT = 1
"""Part of the file's name: files of another version of this module are built again."""
_PART = 900
"""Values in one statement: what every SQLite takes."""

TermRow = dict[str, Any]


def shelf_path(entity: str, organism: str, name: str, version: str) -> Path:
    """Return where the copy of this ontology is, or will be."""
    parts = "-".join(filter(None, (entity, organism, name, version)))
    safe = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in parts)
    return user_cache() / "lamin" / "ontologies" / f"{safe}.{_FORMAT}.sqlite"


def build(path: Path, rows: Iterable[TermRow], extra: Sequence[str] = ()) -> None:
    """Write the terms to this file, whole or not at all. Raises `Unavailable`, and what reading them raises."""
    names = (*FIELDS, *extra)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".building")
        os.close(handle)
    except OSError as error:
        raise Unavailable(
            f"cannot write {str(path.parent)!r}: {error}",
            hint="XDG_CACHE_HOME names another folder for caches",
        ) from error
    try:
        with closing(sqlite3.connect(unfinished)) as connection:
            _fill(connection, names, rows)
        os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _fill(connection: sqlite3.Connection, names: Sequence[str], rows: Iterable[TermRow]) -> None:
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    columns = ", ".join(names)
    marks = ", ".join("?" for _ in names)
    connection.execute(f"CREATE TABLE term ({columns})")
    statement = f"INSERT INTO term ({columns}) VALUES ({marks})"  # noqa: S608 - names of columns
    connection.executemany(statement, (tuple(row.get(name) for name in names) for row in rows))
    for name in names:
        if name not in (
            "synonyms",
            "description",
            "parents",
            "is_obsolete",
            "replaced_by",
            "biotype",
        ):
            connection.execute(f"CREATE INDEX ix_{name} ON term ({name})")
    connection.commit()


class Shelf:
    """The terms in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(self._open()) as connection:
            try:
                listed = connection.execute("SELECT name FROM pragma_table_info('term')")
                self.fields = tuple(row[0] for row in listed)
            except sqlite3.DatabaseError as error:
                raise ValidationError(
                    f"{str(path)!r} is damaged: {error}", hint="remove it: it is built anew"
                ) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        return connection

    def read(
        self, where: str = "1", values: Sequence[object] = (), limit: int = -1
    ) -> list[TermRow]:
        """Return the terms that this condition of SQLite holds for."""
        with closing(self._open()) as connection:
            statement = f"SELECT * FROM term WHERE {where} LIMIT ?"  # noqa: S608 - values are bound
            return [dict(row) for row in connection.execute(statement, (*values, limit))]

    def among(self, field: str, values: Sequence[str]) -> Iterator[TermRow]:
        """The terms that have one of these values in this field."""
        with closing(self._open()) as connection:
            for start in range(0, len(values), _PART):
                part = values[start : start + _PART]
                marks = ", ".join("?" for _ in part)
                statement = f"SELECT * FROM term WHERE {field} IN ({marks})"  # noqa: S608
                yield from (dict(row) for row in connection.execute(statement, part))

    def columns(self, *fields: str, where: str = "1") -> list[tuple[Any, ...]]:
        """Return these fields of all terms."""
        with closing(self._open()) as connection:
            statement = f"SELECT {', '.join(fields)} FROM term WHERE {where}"  # noqa: S608
            return [tuple(row) for row in connection.execute(statement)]

    def count(self) -> int:
        """Return how many terms there are."""
        with closing(self._open()) as connection:
            return int(connection.execute("SELECT count(*) FROM term").fetchone()[0])
