"""How a record that is known by its name is saved: one with that name is that record."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from lamin_core.errors import Conflict
from lamin_core.models import (
    Feature,
    ULabel,
)
from lamin_core.saving.place import Place, adopt
from lamin_core.uids import random_uid

UID_LENGTHS = {"ULabel": 8, "Feature": 12, "Schema": 16, "User": 8, "Storage": 12, "Project": 12, "Reference": 12}


def save_named(place: Place, record: Any) -> Any:
    """A record known by its name: one with that name is that record."""
    with place.db.writing() as session:
        row = session.scalar(_same(record))
        if row is None:
            row = record
            row.uid = random_uid(UID_LENGTHS[type(record).__name__])
            session.add(row)
            session.flush()
        elif isinstance(record, Feature) and record.dtype != row.dtype:
            raise Conflict(f"feature {row.name!r} is {row.dtype}, not {record.dtype}", hint="choose another name")
    return record if row is record else adopt(record, row)


def _same(record: Any) -> Any:
    kind = type(record)
    name = kind._name_field
    query = select(kind).where(getattr(kind, name) == getattr(record, name))
    if kind is ULabel:
        typed = ULabel.type_id.is_(None) if record.type_id is None else ULabel.type_id == record.type_id
        query = query.where(typed)
    return query
