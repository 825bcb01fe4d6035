"""What people change of a record that is saved: that alone is written."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, inspect
from sqlalchemy.exc import IntegrityError

from lamin_core.errors import Conflict
from lamin_core.models.base import check_texts
from lamin_core.saving.place import Place, row_of, show


def update(place: Place, record: Any) -> Any:
    """Write what was changed in this object, and let it say what the row says. Raises `Conflict` and `NotFound`.

    What it says otherwise may be old: a run has ended meanwhile, an artifact has a newer version.
    """
    check_texts(record)
    try:
        with place.db.writing() as session:
            row = row_of(session, record)
            for name, value in _changes(record, row).items():
                setattr(row, name, value)
    except IntegrityError as error:
        raise Conflict(f"{record!r} cannot be saved so: another record is called so", hint="choose another") from error
    show(record, row)
    return record


def _changes(record: Any, row: Any) -> dict[str, Any]:
    """The columns that were set; and those of JSON that may have been changed in place, which nobody notices.

    Not on rows that events write: there it may only be old.
    """
    state, found = inspect(record), {}
    for attribute in state.mapper.column_attrs:
        name = attribute.key
        is_open = isinstance(attribute.columns[0].type, JSON) and getattr(row, "origin", "api") == "api"
        if name in record.__dict__ and (state.attrs[name].history.has_changes() or is_open):
            found[name] = record.__dict__[name]
    return found
