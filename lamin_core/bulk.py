"""Many rows at once: read by a set of values, written in one statement, with primary keys known beforehand.

For transactions that hold the writer's turn (`Database.writing`): nobody else can take the keys that `reserve` gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import Executable, Row, Select, Table, bindparam, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from lamin_core.models import Base

_PART = 5_000
"""How many values one statement names: SQLite takes 32,766 in all, PostgreSQL 65,535."""


def table_of(model: type[Base]) -> Table:
    """The table of this model."""
    return cast(Table, model.__table__)


def reserve(session: Session, model: type[Base], count: int) -> range:
    """The primary keys of the next `count` rows of this table."""
    if not count:
        return range(0)
    table = table_of(model)
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        last = connection.execute(_newest(table)).scalar() or 0
        return range(last + 1, last + 1 + count)
    # All at once, and in one piece, since no other writer is at work: the last value tells the others.
    taken = connection.execute(_NEXT_VALUES, {"sequence": f"{table.name}_id_seq", "count": count}).scalar_one()
    return range(taken - count + 1, taken + 1)


_NEXT_VALUES = text("SELECT max(nextval(CAST(:sequence AS regclass))) FROM generate_series(1, :count)")


@cache
def _newest(table: Table) -> Executable:
    return select(func.max(table.c.id))


def insert_rows(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write these rows, which all name the same columns."""
    if rows:
        session.connection().execute(insertion(table_of(model), many=len(rows) > 1), list(rows))


@cache
def insertion(table: Table, *, many: bool) -> Executable:
    """The statement that writes rows; of `many` it names a thousand at a time.

    That costs SQLite no more for a plain table, and a third for one that is searched, whose index is else written anew
    after each row.
    """
    return insert(table).returning(*table.primary_key) if many else insert(table)


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
    table = table_of(model)
    for part in parts(ids):
        session.connection().execute(delete(table).where(table.c.id.in_(part)))


def select_in(session: Session, query: Select[Any], column: Any, values: Collection[Any]) -> Iterator[Row[Any]]:
    """The rows of the query whose column has one of these values."""
    for part in parts(values):
        yield from session.connection().execute(query.where(column.in_(part)))


def parts(values: Iterable[Any], size: int = _PART) -> Iterator[list[Any]]:
    """The values in lists that one statement can name, in a fixed order.

    >>> list(parts({3, 1, 2}, 2))
    [[1, 2], [3]]
    """
    ordered = sorted(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
