"""Get or make the records that the values of a column name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any, Self

from lamin_core.errors import InvalidArgument
from lamin_core.models.checks import is_storable
from lamin_core.models.interfaces import RecordList
from lamin_core.models.record_kinds import Versioned
from lamin_core.query import coercion
from lamin_core.query.operators import OPERATORS
from lamin_core.query.validation import checked, field_name
from lamin_core.saving import save_all
from lamin_core.saving.records import SavingInstance

logger = logging.getLogger("lamin")
Finder = Callable[[str, list[Any]], dict[Any, Any]]
"""Takes a field and values of it; returns unsaved records by those that it has."""
_SHOWN = 10
"""Values in a message."""


class Records(RecordList[Any]):
    """Records made or found together; `save` writes those that are new in one transaction."""

    def __init__(self, instance: SavingInstance, records: Iterable[Any]) -> None:
        super().__init__(records)
        self._place = instance

    def save(self) -> Self:
        save_all(self._place, self)
        return self


def from_values(
    instance: SavingInstance,
    registry: Any,
    values: Iterable[Any],
    field: Any,
    *,
    create: bool,
    finder: Finder | None = None,
) -> Records:
    """The records with these names, in their order; with `create` the missing ones are made, unsaved.

    Missing values (None, nan) are left out. What is found of several versions is the latest. The
    finder makes records of values that the registry does not have, from elsewhere.
    """
    name = field_name(registry, field)
    unique = _unique(values)
    existing = _existing_records(instance, registry, name, unique)
    missing = [value for value in unique if value not in existing]
    if finder is not None and missing:
        existing |= finder(name, missing)
        missing = [value for value in missing if value not in existing]
    if missing:
        (_check_made_by if create else _tell)(registry, name, missing)
    created = {value: registry(**{name: value}) for value in missing} if create else {}
    return Records(
        instance,
        (
            record
            for value in unique
            if (record := existing.get(value) or created.get(value)) is not None
        ),
    )


def _unique(values: Iterable[object]) -> list[object]:
    try:
        return [value for value in dict.fromkeys(checked(values)) if _is_there(value)]
    except TypeError as error:  # a value that cannot be hashed is not a name
        raise InvalidArgument(f"not all of these are values: {error}", hint="pass names") from error


def _is_there(value: object) -> bool:
    """Whether it is a value at all; those of numpy and pandas that are none do not equal themselves."""
    try:
        return value is not None and bool(value == value)
    except TypeError:
        return False


def _existing_records(
    instance: SavingInstance, registry: Any, name: str, values: list[Any]
) -> dict[Any, Any]:
    column = getattr(registry, name)
    candidates = (
        [value for value in values if isinstance(value, str) and is_storable(value)]
        if coercion.is_text(column)
        else values
    )
    query = (
        registry._listed().where(OPERATORS["in"](column, candidates)).order_by(registry.id.desc())
    )
    if issubclass(registry, Versioned):
        query = query.where(registry.is_latest)
    with instance.db.reading() as session:
        return {getattr(row, name): row for row in session.scalars(query)}


def _check_made_by(registry: Any, field: str, missing: list[Any]) -> None:
    if not _is_made_by(registry, field):
        kind = registry.__name__
        raise InvalidArgument(
            f"a {kind} is more than {field}={missing[0]!r}",
            hint=f"make each: {registry._name_in_code()}(...)",
        )


def _tell(registry: Any, field: str, missing: list[Any]) -> None:
    """One line, however many they are: which values nothing is called, and what to type."""
    shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
    of = registry.__name__
    makes = (
        f"; to make them: {registry._name_in_code()}.from_values(..., create=True).save()"
        if _is_made_by(registry, field)
        else ""
    )
    logger.warning("%d of the values name no %s by %s: %s%s", len(missing), of, field, shown, makes)


def _is_made_by(registry: Any, field: str) -> bool:
    """Whether this field alone makes a record."""
    parameters = signature(registry.__init__).parameters.values()
    needed = {
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    } - {"self"}
    return needed == {field}
