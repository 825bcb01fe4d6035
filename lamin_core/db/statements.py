"""Bulk SQL that bypasses the ORM: read by a set of values, insert many or only missing rows, reserve primary keys.

For transactions that hold the writer's turn (`Database.writing`): nobody else can take the keys
that `reserve` gives.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Executable,
    Integer,
    Row,
    Select,
    Table,
    Text,
    TextClause,
    any_,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy import column as column_named
from sqlalchemy.orm import Session

from lamin_core.models import Base
from lamin_core.models.tables import table_of
from lamin_core.uids import random_uid

K = TypeVar("K")

_PART = 5_000
"""How many values one statement names: SQLite takes 32,766 in all, PostgreSQL 65,535."""


def reserve(session: Session, model: type[Base], count: int) -> range:
    """The primary keys of the next `count` rows of this table."""
    if not count:
        return range(0)
    table = table_of(model)
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        counted = session.info.get(_COUNTED, {})
        last = (
            counted[table]
            if table in counted
            else connection.execute(_newest((table,))).scalar() or 0
        )
        if table in counted:
            counted[table] = last + count
        return range(last + 1, last + 1 + count)
    # All at once, and in one piece, since no other writer is at work: the last value tells the
    # others.
    taken = connection.execute(
        _NEXT_VALUES, {"sequence": f"{table.name}_id_seq", "count": count}
    ).scalar_one()
    return range(taken - count + 1, taken + 1)


_NEXT_VALUES = text(
    "SELECT max(nextval(CAST(:sequence AS regclass))) FROM generate_series(1, :count)"
)


_COUNTED = "primary keys that are counted"


def count_keys(session: Session, models: Iterable[type[Base]]) -> None:
    """Have `reserve` look once what the last keys of these tables are, and count on from there.

    For transactions that give all rows of these tables the keys that they reserved.
    """
    connection, tables = session.connection(), tuple(table_of(model) for model in models)
    if connection.dialect.name == "sqlite":
        last_keys = connection.execute(_newest(tables)).one()
        session.info[_COUNTED] = {
            table: last or 0 for table, last in zip(tables, last_keys, strict=True)
        }


@cache
def _newest(tables: tuple[Table, ...]) -> Executable:
    return select(*(select(func.max(table.c.id)).scalar_subquery() for table in tables))


def insert_rows(session: Session, model: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Write these rows, which all name the same columns."""
    if rows:
        session.connection().execute(insertion(table_of(model), many=len(rows) > 1), list(rows))


@cache
def insertion(table: Table, *, many: bool) -> Executable:
    """The statement that writes rows; of `many` it names a thousand at a time.

    That costs SQLite no more for a plain table, and a third for one that is searched, whose index
    is else written anew after each row.
    """
    return insert(table).returning(*table.primary_key) if many else insert(table)


def insert_missing(session: Session, table: Table, values: dict[str, object]) -> int | None:
    """The primary key of a new row with these values; None where a unique constraint says that it is there already.

    One statement where most rows are new, instead of a look first; not through the mapper, which
    costs more than both.
    """
    return (
        session.connection()
        .execute(_insert_missing(table, tuple(values), returning=True), values)
        .scalar()
    )


def insert_missing_rows(session: Session, table: object, rows: Sequence[dict[str, object]]) -> None:
    """New rows with these values, all for the same columns, except those that a unique constraint says are there."""
    if rows:
        session.connection().execute(_insert_missing(table, tuple(rows[0]), returning=False), rows)


@cache
def _insert_missing(table: Table, names: tuple[str, ...], *, returning: bool) -> TextClause:
    """Insert rows and skip those that exist. A text is compiled once, SQLAlchemy's own clause at each use."""
    columns = [
        column
        for column in table.columns
        if column.key in names or (column.default is not None and column.default.is_scalar)
    ]
    listed = ", ".join(f'"{column.name}"' for column in columns)
    values = ", ".join(f":{column.name}" for column in columns)
    statement = f'INSERT INTO "{table.name}" ({listed}) VALUES ({values}) ON CONFLICT DO NOTHING'  # noqa: S608
    binds = (bindparam(column.name, default(column), column.type) for column in columns)
    return text(statement + " RETURNING id" * returning).bindparams(*binds)


def default(column: Column[Any]) -> object:
    """The default of this column in a new row; None if there is no default."""
    column_default: Any = column.default
    if column_default is None:
        return None
    return column_default.arg(None) if column_default.is_callable else column_default.arg


def update_rows(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Give the rows with these `id`s these values; all name the same columns."""
    if rows:
        columns = tuple(name for name in rows[0] if name != "id")
        values = [{"row_id": row["id"], **{name: row[name] for name in columns}} for row in rows]
        session.connection().execute(_update(table_of(model), columns), values)


@cache
def _update(table: Table, columns: tuple[str, ...]) -> Executable:
    values = {name: bindparam(name, type_=table.c[name].type) for name in columns}
    return update(table).where(table.c.id == bindparam("row_id")).values(values)


def delete_rows(session: Session, model: type[Base], ids: Collection[int]) -> None:
    """Remove the rows with these primary keys."""
    if ids:
        connection = session.connection()
        connection.execute(
            _delete(connection.dialect.name, table_of(model).c.id), {"among": listed(session, ids)}
        )


@cache
def _delete(dialect: str, key: Column[Any]) -> Executable:
    return delete(key.table).where(among(dialect, key, "among"))


def select_in(
    session: Session,
    query: Select[Any],
    column: object,
    values: Collection[object],
    **parameters: object,
) -> Iterator[Row[Any]]:
    """The rows of the query whose column has one of these values: one statement, however many they are.

    `parameters` are those of the query itself. Best with a query that is built once: its compiled
    form is cached.
    """
    if values:
        connection = session.connection()
        statement = _having(connection.dialect.name, query, column)
        yield from connection.execute(statement, {"among": listed(session, values), **parameters})


def free_uids(session: Session, model: type[Base], derived: Mapping[K, str]) -> dict[K, str]:
    """Return a uid for each new row: the derived one, or a random one where a row has that already.

    A record that was renamed keeps the uid that its former name gives; another record may have that
    name next.
    """
    column = table_of(model).c.uid
    taken = {row.uid for row in select_in(session, select(column), column, set(derived.values()))}
    uids = {}
    for key, uid in derived.items():
        uids[key] = random_uid(len(uid)) if uid in taken else uid
    return uids


@lru_cache(maxsize=200)
def _having(dialect: str, query: Select[Any], column: object) -> Select[Any]:
    return query.where(among(dialect, column, "among"))


def listed(session: Session, values: Iterable[object]) -> object:
    """The value of the parameter that `among` makes."""
    return json.dumps(list(values)) if session.get_bind().dialect.name == "sqlite" else list(values)


def among(dialect: str, column: Any, name: str) -> ColumnElement[bool]:
    """Whether the column has one of the values in this parameter: one, so that the statement is always the same."""
    kind = BigInteger() if isinstance(column.type, Integer) else Text()
    if dialect == "sqlite":
        rows = func.json_each(bindparam(name)).table_valued(column_named("value", kind))
        return cast(ColumnElement[bool], column.in_(select(rows.c.value)))
    return cast(ColumnElement[bool], column == any_(bindparam(name, type_=ARRAY(kind))))


def parts(values: Iterable[Any], size: int = _PART) -> Iterator[list[Any]]:
    """The values in lists that one statement can name, in a fixed order.

    >>> list(parts({3, 1, 2}, 2))
    [[1, 2], [3]]
    """
    ordered = sorted(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
