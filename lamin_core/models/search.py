"""Trigram indexes for search.

SQLite keeps them as FTS5 tables, in step by triggers; PostgreSQL as GIN indexes over a function,
which needs no extension, so that a search finds the same on every server. They are derived from the
tables and made anew after each migration.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, event

from lamin_core.models.tables import Base

SEARCHED: dict[str, tuple[str, ...]] = {
    "artifact": ("key", "description"),
    "transform": ("key", "description"),
    "ulabel": ("name", "description", "synonyms"),
    "feature": ("name", "description", "synonyms"),
}
"""The tables that grow large, and the columns that are searched."""

_PREFIX = "search_"
_COST = 3_000
"""What PostgreSQL is told that reading the trigrams of one text costs. With less it reads them of thousands of rows
rather than look into the index once more, with ten times as much it compiles the query first.
"""


def is_derived(name: str | None) -> bool:
    """Whether a table or an index is one of these, which no migration knows."""
    return name is not None and name.startswith(_PREFIX)


def name(table: str) -> str:
    """The name of the index of this table."""
    return _PREFIX + table


def has_trigrams() -> bool:
    """Whether the SQLite of this Python can index trigrams; without, searches read the whole table."""
    return sqlite3.sqlite_version_info >= (3, 34)


def index(connection: Connection) -> None:
    """Make the indexes where they are missing, from what is in the tables."""
    if connection.dialect.name == "postgresql":
        statements = [_TRIGRAMS, *(_gin(table, columns) for table, columns in SEARCHED.items())]
    else:
        statements = [
            text
            for table, columns in SEARCHED.items()
            for text in _fts5(table, columns)
            if has_trigrams()
        ]
    for statement in statements:
        connection.exec_driver_sql(statement)


@event.listens_for(Base.metadata, "after_create")
def _after_create(target: object, connection: Connection, **_: object) -> None:
    index(connection)


_SPLIT = "string_to_array(regexp_replace({}, '(...)', E'\\\\1\\n', 'g'), E'\\n')"
_TRIGRAMS = f"""CREATE OR REPLACE FUNCTION lamin_trigrams(value text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST {_COST} AS $$
    DECLARE folded text := lower(left(value, 100000) COLLATE "default");
    BEGIN
        RETURN {" || ".join(_SPLIT.format(f"substr(folded, {start})") for start in (1, 2, 3))};
    END $$"""
"""Cut at every third character, from the first, the second and the third on: six times as fast as one by one. The
shorter ends that it also gives are never asked for, nor is what has a line feed in it.
"""


def trigrams(*pieces: str) -> list[str]:
    """What a text has if it has these pieces in it.

    >>> trigrams("gene", "rna"), trigrams("ab")
    (['gen', 'ene', 'rna'], [])
    """
    return list(
        dict.fromkeys(
            piece[start : start + 3] for piece in pieces for start in range(len(piece) - 2)
        )
    )


def together(columns: tuple[str, ...]) -> str:
    """PostgreSQL's expression for all the text that is searched."""
    return " || ' ' || ".join(f"coalesce({column}, '')" for column in columns)


def _gin(table: str, columns: tuple[str, ...]) -> str:
    return f'CREATE INDEX IF NOT EXISTS {name(table)} ON "{table}" USING gin (lamin_trigrams({together(columns)}))'


def _fts5(table: str, columns: tuple[str, ...]) -> list[str]:
    index, names = name(table), ", ".join(columns)
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    remove = f"INSERT INTO {index} ({index}, rowid, {names}) VALUES ('delete', OLD.id, {old});"  # noqa: S608
    add = f"INSERT INTO {index} (rowid, {names}) VALUES (NEW.id, {new});"  # noqa: S608 - names of tables, no values
    return [
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {index} USING fts5"
        f"({names}, content='{table}', content_rowid='id', tokenize='trigram')",
        f"CREATE TRIGGER IF NOT EXISTS {index}_added AFTER INSERT ON {table} BEGIN {add} END",
        f"CREATE TRIGGER IF NOT EXISTS {index}_removed AFTER DELETE ON {table} BEGIN {remove} END",
        f"CREATE TRIGGER IF NOT EXISTS {index}_changed AFTER UPDATE OF {names} ON {table} BEGIN {remove} {add} END",
        f"INSERT INTO {index} ({index}) VALUES ('rebuild')",  # noqa: S608
    ]
