"""Whether the records that a caller holds are still the rows that they were read from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import select_in
from lamin_core.errors import NotFound
from lamin_core.models import Registry


def check_present(session: Session, records: Iterable[Registry]) -> None:
    """Raise `NotFound` for a record that was deleted since it was read. One statement for each kind of record.

    SQLite gives the primary key of a deleted last row to the next row, so that a key alone may name
    another record.
    """
    by_registry: defaultdict[type[Registry], list[Registry]] = defaultdict(list)
    for record in records:
        by_registry[type(record)].append(record)
    for registry, members in by_registry.items():
        query = select(registry.id, registry.uid)
        rows = select_in(session, query, registry.id, {member.id for member in members})
        uids = {row.id: row.uid for row in rows}
        for member in members:
            if uids.get(member.id) != member.uid:
                raise not_found(member)


def not_found(record: object) -> NotFound:
    """The error for a record without a row."""
    return NotFound(f"{record!r} is not in the registry", hint="was it deleted, or never saved?")
