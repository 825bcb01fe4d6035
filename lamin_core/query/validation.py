"""Validate, inspect and standardize names against a registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Registry
from lamin_core.models.checks import shown
from lamin_core.models.names import Inspection
from lamin_core.query.lookups import field_named, fields_of, unknown
from lamin_core.query.operators import OPERATORS

V = TypeVar("V")


def field_name(registry: type[Registry], field: object) -> str:
    """The field that is meant: given as text or as `ln.ULabel.name`; by default the one that records are known by."""
    if field is None:
        default: str = registry._name_field
        return default
    name = field if isinstance(field, str) else getattr(field, "key", None)
    if not isinstance(name, str) or field_named(registry, name) is None:
        raise unknown(registry, str(name), fields_of(registry))
    return name


def inspect(
    session: Session,
    registry: type[Registry],
    ids: Select[Any],
    values: Iterable[object],
    field: object,
) -> Inspection:
    """Look the values up in this field of the records with these ids."""
    name = field_name(registry, field)
    items = tuple(checked(values))
    column = getattr(registry, name)
    unique = [item for item in dict.fromkeys(items) if isinstance(item, str)]
    matches = session.scalars(
        select(column).where(registry.id.in_(ids), OPERATORS["in"](column, unique))
    )
    return Inspection(registry.__name__, name, items, frozenset(matches))


def mapper(
    session: Session,
    registry: type[Registry],
    ids: Select[Any],
    values: Iterable[object],
    field: object,
) -> dict[str, str]:
    """The name for each value that is not a name itself, but a synonym of one or the same except for case."""
    name = field_name(registry, field)
    column, synonyms = getattr(registry, name), getattr(registry, "synonyms", None)
    columns = [column] if synonyms is None else [column, synonyms]
    names: dict[str, str] = {}
    exact: set[str] = set()
    for row in session.execute(select(*columns).where(registry.id.in_(ids), column.is_not(None))):
        exact.add(row[0])
        for other in [*split(row[1] if synonyms is not None else None), row[0]]:
            names.setdefault(other.lower(), row[0])
    unmatched = (
        value
        for value in dict.fromkeys(checked(values))
        if isinstance(value, str) and value not in exact
    )
    return {value: names[value.lower()] for value in unmatched if value.lower() in names}


def checked(values: Iterable[V]) -> Iterable[V]:
    """The values, unless they are a single text, or nothing that has several. Raises `InvalidArgument`."""
    if isinstance(values, str | bytes | type) or not isinstance(values, Iterable):
        raise InvalidArgument(f"not a list of values: {shown(values)}", hint=_LISTS)
    several = list(values)
    try:
        dict.fromkeys(several)
    except TypeError as error:  # a value that cannot be hashed is not a name
        raise InvalidArgument(f"not all of these are values: {error}", hint=_LISTS) from error
    return several


_LISTS = "pass a list, a column of a DataFrame or an array"


def split(synonyms: str | None) -> list[str]:
    """The single synonyms."""
    return [synonym for synonym in (synonyms or "").split("|") if synonym]
