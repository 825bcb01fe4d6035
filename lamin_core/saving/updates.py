"""Update a saved record: only changed fields, after the checks of its constructor."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, inspect
from sqlalchemy.exc import IntegrityError

from lamin_core.errors import Conflict
from lamin_core.models.base import checked_values, refusal
from lamin_core.models.guards import check_edit
from lamin_core.saving.records import SavingInstance, row_of, show


def update(instance: SavingInstance, record: Any) -> Any:
    """Write what was changed in this object, and let it say what the row says.

    What it says otherwise may be old: a run has ended meanwhile, an artifact has a newer version.

    Raises:
        InvalidArgument: for a field that identifies the record or is derived, and for a value that
        does not fit. Conflict: where other records need the field as it is, or another record has
        the name. NotFound: for a record that was deleted.
    """
    changed = _changed(record)
    if "id" in changed:
        raise refusal(type(record), "id")
    try:
        with instance.db.writing() as session:
            row = row_of(session, record)
            _check_changeable(record, row, changed)
            values = checked_values(record, _written(record, row, changed))
            for name, value in values.items():
                setattr(row, name, check_edit(session, row, name, value))
            if values and getattr(row, "origin", "api") != "api":  # events leave them alone
                row.edited = sorted({*(row.edited or ()), *values})
    except IntegrityError as error:
        raise Conflict(
            f"{record!r} cannot be saved: another record has this name", hint="choose another"
        ) from error
    show(record, row)
    return record


def _changed(record: Any) -> set[str]:
    """The columns that were set to other values."""
    state = inspect(record)
    names = (
        attribute.key for attribute in state.mapper.column_attrs if attribute.key in record.__dict__
    )
    return {name for name in names if _is_changed(state.attrs[name])}


def _is_changed(attribute: Any) -> bool:
    try:
        return bool(attribute.history.has_changes())
    except (
        TypeError,
        ValueError,
    ):  # an array or a table does not say whether it is equal to the former value
        return True


def _check_changeable(record: Any, row: Any, changed: set[str]) -> None:
    """Raise `InvalidArgument` for a field that was set to another value than the row has, and may not be."""
    registry = type(record)
    for name in sorted(changed - {*registry._editable, *registry._editable_alone}):
        value = checked_values(record, [name])[name]
        if value != getattr(row, name):
            raise refusal(registry, name)


def _written(record: Any, row: Any, changed: set[str]) -> list[str]:
    """The columns to write: those that were set, and those of JSON that may have been changed in place.

    Nobody notices the latter; on rows that events write they may only be old.
    """
    registry = type(record)
    names = []
    for name in (*registry._editable, *registry._editable_alone):
        is_json = isinstance(registry.__table__.columns[name].type, JSON)
        is_open = is_json and name in record.__dict__ and getattr(row, "origin", "api") == "api"
        if name in changed or is_open:
            names.append(name)
    return names
