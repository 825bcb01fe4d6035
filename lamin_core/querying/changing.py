"""Changing and removing all records of a query at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, delete, null, update
from sqlalchemy.exc import IntegrityError

from lamin_core.db import Database
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.models.base import Named
from lamin_core.querying import fitting
from lamin_core.querying.lookups import field_named, fields_of, unknown


def change(database: Database, registry: type[Any], ids: Select[Any], values: dict[str, Any]) -> int:
    """Give all of them these values; how many they are. Raises `InvalidArgument` and `Conflict`, and changes none."""
    fitted = {name: _fitted(registry, name, value) for name, value in values.items()}
    if not fitted:
        return 0
    try:
        with database.writing() as session:
            statement = update(registry).where(registry.id.in_(ids)).values(**fitted)
            return int(session.connection().execute(statement).rowcount)
    except IntegrityError as error:
        raise Conflict(
            f"{registry.__name__} records cannot be changed so", hint="two would be called the same"
        ) from error


def remove(database: Database, registry: type[Any], ids: Select[Any]) -> int:
    """Remove all of them; how many they were. Raises `Conflict` while others need one of them, and removes none."""
    try:
        with database.writing() as session:
            return int(session.connection().execute(delete(registry).where(registry.id.in_(ids))).rowcount)
    except IntegrityError as error:
        raise Conflict(f"{registry.__name__} records are needed by others", hint="remove those first") from error


def _fitted(registry: type[Any], name: str, value: Any) -> Any:
    column = field_named(registry, name)
    if column is None:
        raise unknown(registry, name, fields_of(registry))
    if name not in registry._editable:
        raise InvalidArgument(
            f"{name!r} of {registry.__name__} cannot be changed in many at once",
            hint=f"change one by one and .save(); in many: {', '.join(registry._editable) or 'nothing'}",
        )
    if name == "name" and issubclass(registry, Named):
        value = Named.checked(value)
    if value is None and column.nullable:
        return null()
    return fitting.bound(column, value)
