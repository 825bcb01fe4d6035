"""What people change of a record that is saved: that alone is written."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import set_committed_value

from lamin_core.errors import Conflict, NotFound
from lamin_core.models.base import check_texts
from lamin_core.saving.place import Place


def update(place: Place, record: Any) -> Any:
    """Write what was changed in this object, and let it say what the row says. Raises `Conflict` and `NotFound`.

    What it says otherwise may be old: a run has ended meanwhile, an artifact has a newer version.
    """
    check_texts(record)
    try:
        with place.db.writing() as session:
            row = session.get(type(record), record.id)
            if row is None:
                raise NotFound(f"{record!r} is not in the registry", hint="was it deleted?")
            for name, value in _changes(record, row).items():
                setattr(row, name, value)
    except IntegrityError as error:
        raise Conflict(f"{record!r} cannot be saved so: another record is called so", hint="choose another") from error
    show(record, row)
    return record


def _changes(record: Any, row: Any) -> dict[str, Any]:
    """The columns that were set; and those of JSON that were changed in place, which nobody noticed."""
    state, found = inspect(record), {}
    for attribute in state.mapper.column_attrs:
        name = attribute.key
        is_open = isinstance(attribute.columns[0].type, JSON) and getattr(row, "origin", "api") == "api"
        if name in record.__dict__ and (state.attrs[name].history.has_changes() or is_open):
            found[name] = record.__dict__[name]
    return found


def show(record: Any, row: Any) -> None:
    """Let the object that the user holds say what the row says."""
    for attribute in inspect(type(record)).column_attrs:
        set_committed_value(record, attribute.key, getattr(row, attribute.key))
