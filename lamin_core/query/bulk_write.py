"""Update or delete all records of a query at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, delete, null, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from lamin_core.db.database import Database
from lamin_core.db.statements import update_rows
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.models.base import Registry, refusal
from lamin_core.models.checks import column_value
from lamin_core.models.deleted import remember, remember_runs
from lamin_core.models.guards import check_many
from lamin_core.models.note import remove_notes
from lamin_core.models.record_kinds import Named, Versioned
from lamin_core.query import coercion
from lamin_core.query.lookups import field_named, fields_of, unknown
from lamin_core.query.operators import OPERATORS, Condition


def change(
    database: Database, registry: type[Registry], ids: Select[Any], values: dict[str, object]
) -> int:
    """Give all of them these values; how many they are. Raises `InvalidArgument` and `Conflict`, and changes none."""
    fitted = {name: _fitted(registry, name, value) for name, value in values.items()}
    if not fitted:
        return 0
    try:
        with database.writing() as session:
            check_many(session, registry, ids, fitted)
            _note_edits(session, registry, ids, fitted)
            statement = update(registry).where(registry.id.in_(ids)).values(**fitted)
            return int(session.connection().execute(statement).rowcount)
    except IntegrityError as error:
        raise Conflict(
            f"{registry.__name__} records cannot all be changed to this",
            hint="two of them would have the same name",
        ) from error


def _note_edits(session: Session, registry: Any, ids: Select[Any], fields: Iterable[str]) -> None:
    """Events leave alone what people changed on the rows that they made."""
    if not hasattr(registry, "edited"):
        return
    rows = session.execute(
        select(registry.id, registry.edited).where(registry.id.in_(ids), registry.origin != "api")
    )
    changes = [{"id": row.id, "edited": sorted({*(row.edited or ()), *fields})} for row in rows]
    update_rows(session, registry, changes)


def settle_latest(session: Session, registry: type[Any], series: list[object]) -> None:
    """Make the newest remaining version the latest in each of these series that has lost its latest."""
    column = registry._series_column()
    other = aliased(registry)
    newer = select(other.id).where(
        getattr(other, column.key) == column, or_(other.is_latest, other.number > registry.number)
    )
    newest = (
        update(registry)
        .where(OPERATORS["in"](column, series), ~newer.exists())
        .values(is_latest=True)
    )
    session.connection().execute(newest)


def remove(database: Database, registry: type[Registry], ids: Select[Any]) -> int:
    """Remove all of them; how many they were. Raises `Conflict` while others need one of them, and removes none."""
    try:
        with database.writing() as session:
            return remove_rows(session, registry, registry.id.in_(ids))
    except IntegrityError as error:
        raise Conflict(
            f"{registry.__name__} records are needed by others", hint="remove those first"
        ) from error


def remove_rows(session: Session, registry: type[Any], which: Condition) -> int:
    """Remove these rows, and the notes on them; how many they were. Each series that is left has a latest version."""
    is_versioned = issubclass(registry, Versioned) and not registry._has_trash  # type: ignore[attr-defined]
    series = (
        list(session.scalars(select(registry._series_column()).where(which).distinct()))
        if is_versioned
        else []
    )
    if issubclass(registry, Versioned):
        remember(session, registry, which)
    if hasattr(registry, "external_id"):
        remember_runs(session, registry, which)
    if issubclass(registry, Registry):
        remove_notes(session, registry, which)
    number = int(session.connection().execute(delete(registry).where(which)).rowcount)
    if series:
        settle_latest(session, registry, series)
    return number


def _fitted(registry: type[Any], name: str, value: object) -> Any:
    column = field_named(registry, name)
    if column is None and name in fields_of(registry):  # of another table, such as the size
        hint = refusal(registry, name).hint
        raise InvalidArgument(
            f"{name!r} of {registry.__name__} cannot be changed in many at once", hint=hint
        )
    if column is None:
        raise unknown(registry, name, fields_of(registry))
    if name not in registry._editable:
        in_many = f"in many: {', '.join(registry._editable) or 'nothing'}"
        is_editable = name in registry._editable_alone
        hint = (
            f"change one by one and .save(); {in_many}"
            if is_editable
            else refusal(registry, name).hint
        )
        raise InvalidArgument(
            f"{name!r} of {registry.__name__} cannot be changed in many at once", hint=hint
        )
    registry._check_value(name, value)
    if name == "name" and issubclass(registry, Named):
        value = Named.checked(value)
    if value is None:
        return null() if column.nullable else coercion.bound(column, value)
    return column_value(registry.__table__.columns[name], coercion.plain(value))
