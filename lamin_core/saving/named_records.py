"""Save records that are identified by their names.

Many are written in a few statements: those that are there are looked up, the others inserted
together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import default, insertion, update_rows
from lamin_core.errors import Conflict
from lamin_core.models import Feature
from lamin_core.models.base import Registry
from lamin_core.models.tables import table_of
from lamin_core.query.operators import OPERATORS
from lamin_core.saving.records import SavingInstance, assign_row
from lamin_core.uids import random_uid

UID_LENGTHS = {"ULabel": 8, "User": 8, "Record": 16}
"""The length of uids in these registries; in the others it is 12."""


def save_named(instance: SavingInstance, record: object) -> object:
    """Write the record, or find the one with its name."""
    save_all_named(instance, [record])
    return record


def save_all_named(instance: SavingInstance, records: Iterable[object]) -> None:
    """Write those whose names are new, find the others. Raises `Conflict`, and then writes none."""
    by_kind: dict[type[Any], list[Any]] = defaultdict(list)
    for record in records:
        by_kind[type(record)].append(record)
    user = instance.user_id
    with instance.db.writing() as session:
        rows = {kind: write_named(session, kind, some, user) for kind, some in by_kind.items()}
    for kind, some in by_kind.items():
        for record in some:
            _adopt(record, rows[kind][_identity(kind, record.__dict__)])


def write_named(
    session: Session, kind: type[Registry], records: list[Any], user: int
) -> dict[Any, dict[str, object]]:
    """Write records of one kind in this transaction; returns the rows of all of them, by what they are known by."""
    records = kind._prepared(session, records, user)
    records_by_identity = {_identity(kind, record.__dict__): record for record in reversed(records)}
    rows = _rows(session, kind, records_by_identity)
    for identity, row in rows.items():
        _check_same(records_by_identity[identity], row)
    _restore(session, kind, rows.values())
    new = [
        record for identity, record in reversed(records_by_identity.items()) if identity not in rows
    ]
    if new:
        session.connection().execute(
            insertion(table_of(kind), many=len(new) > 1), _values(kind, new, user)
        )
        rows |= _rows(session, kind, {_identity(kind, record.__dict__): None for record in new})
    kind._written(session, records, rows)
    return rows


def _restore(session: Session, kind: type[Registry], rows: Iterable[dict[str, object]]) -> None:
    """Restore records from the trash that are saved again."""
    hidden = [row for row in rows if row.get("deleted_at") is not None]
    for row in hidden:
        row["deleted_at"] = None
    update_rows(session, kind, [{"id": row["id"], "deleted_at": None} for row in hidden])


def _identity(kind: type[Registry], values: dict[str, object]) -> tuple[object, ...]:
    """The identity of a record: its name, and its type if its registry has types."""
    return tuple(values.get(name) for name in _known_by(kind))


def _known_by(kind: type[Registry]) -> tuple[str, ...]:
    return kind._known_by or (kind._name_field, "type_id")


def _rows(
    session: Session, kind: type[Registry], identities: dict[Any, Any]
) -> dict[Any, dict[str, object]]:
    first = _known_by(kind)[0]
    values = list(dict.fromkeys(identity[0] for identity in identities))
    query = select(table_of(kind)).where(OPERATORS["in"](getattr(kind, first), values))
    rows = [dict(row) for row in session.execute(query).mappings()]
    return {identity: row for row in rows if (identity := _identity(kind, row)) in identities}


def _values(kind: type[Registry], records: list[object], user: int) -> list[dict[str, object]]:
    """The columns of new records: their own values, else the defaults of the columns."""
    columns = [column for column in table_of(kind).columns if column.key != "id"]
    blank = {column.key: default(column) for column in columns}
    if "created_by_id" in blank:
        blank["created_by_id"] = user
    length = UID_LENGTHS.get(kind.__name__, 12)
    rows = []
    for record in records:
        own = {
            name: value
            for name, value in record.__dict__.items()
            if name in blank and value is not None
        }
        rows.append({**blank, "uid": random_uid(length), **own})
    return rows


def _check_same(record: object, row: dict[str, object]) -> None:
    if isinstance(record, Feature) and record.dtype != row["dtype"]:
        raise Conflict(
            f"feature {record.name!r} is {row['dtype']}, not {record.dtype}",
            hint=f"choose another name, or ln.Feature.get(name={record.name!r})",
        )


def _adopt(record: Registry, row: dict[str, Any]) -> None:
    """Make the object that the user holds the saved one, with the values of the row."""
    if not inspect(record).has_identity:
        assign_row(record, row)
