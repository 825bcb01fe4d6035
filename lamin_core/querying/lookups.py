"""Django-style lookups as SQL conditions: `key__startswith="raw/"`, `run__transform__key="a.py"`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute

from lamin_core.errors import InvalidArgument
from lamin_core.models import Many, One, Registry

Condition = ColumnElement[bool]


def _escaped(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _like(pattern: str, *, ignore_case: bool) -> Callable[[Any, Any], Condition]:
    def condition(column: Any, value: Any) -> Condition:
        text = pattern.format(_escaped(value))
        if ignore_case:
            matches: Condition = column.ilike(text, escape="\\")
            return matches
        # LIKE ignores case on SQLite: GLOB-free and the same on both, the literal part is compared again.
        return and_(column.like(text, escape="\\"), _exactly(pattern, column, str(value)))

    return condition


def _exactly(pattern: str, column: Any, value: str) -> Condition:
    if pattern == "{}%":
        return func.substr(column, 1, len(value)) == value
    if pattern == "%{}":
        return func.substr(column, func.length(column) - len(value) + 1) == value
    holds: Condition = func.replace(column, value, "") != column if value else column.is_not(None)
    return holds


def _starts(column: Any, value: Any) -> Condition:
    """A range, so that the index serves it; of text that ends in the last code point, a comparison."""
    text = str(value)
    if not text:
        return column.is_not(None)  # type: ignore[no-any-return]
    if ord(text[-1]) >= 0xD7FF:
        return _like("{}%", ignore_case=False)(column, text)
    return and_(column >= text, column < text[:-1] + chr(ord(text[-1]) + 1))


def _values(value: Any) -> list[Any]:
    return [_plain(item) for item in value]


def _plain(value: Any) -> Any:
    """Records stand for their primary key."""
    return value.id if isinstance(value, Registry) else value


OPERATORS: dict[str, Callable[[Any, Any], Condition]] = {
    "exact": lambda column, value: column.is_(None) if value is None else column == value,
    "iexact": lambda column, value: column.ilike(_escaped(value), escape="\\"),
    "in": lambda column, value: column.in_(_values(value)),
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
    "range": lambda column, value: column.between(value[0], value[1]),
    "isnull": lambda column, value: column.is_(None) if value else column.is_not(None),
    "startswith": _starts,
    "istartswith": _like("{}%", ignore_case=True),
    "endswith": _like("%{}", ignore_case=False),
    "iendswith": _like("%{}", ignore_case=True),
    "contains": _like("%{}%", ignore_case=False),
    "icontains": _like("%{}%", ignore_case=True),
    "regex": lambda column, value: column.regexp_match(value),
}


def conditions(registry: type[Any], lookups: dict[str, Any]) -> list[Condition]:
    """A condition for each lookup on this registry. Raises `InvalidArgument` for a field that is none."""
    return [condition(registry, name.split("__"), value) for name, value in lookups.items()]


def condition(registry: type[Any], path: list[str], value: Any) -> Condition:
    """The condition of one lookup: fields and relations first, an operator last."""
    aliases: dict[str, str] = getattr(registry, "_aliases", {})
    if path[0] in aliases:
        path = [*aliases[path[0]].split("__"), *path[1:]]
    name, rest = path[0], path[1:]
    field = field_of(registry, name)
    if isinstance(field, One):
        return _through_one(registry, field, rest, value)
    if isinstance(field, Many):
        return _through_many(registry, field, rest, value)
    operator = rest[0] if rest else "exact"
    if len(rest) > 1 or operator not in OPERATORS:
        raise _unknown(registry, "__".join(path), OPERATORS)
    return OPERATORS[operator](field, _plain(value))


def field_of(registry: type[Any], name: str) -> Any:
    """The column or relation with this name. Raises `InvalidArgument` that offers the nearest names."""
    found = relations_of(registry).get(name)
    if found is None:
        found = getattr(registry, name, None)
        if not isinstance(found, InstrumentedAttribute):
            raise _unknown(registry, name, fields_of(registry))
    return found


def relations_of(registry: type[Any]) -> dict[str, One[Any] | Many[Any]]:
    """The relations of a registry, by name."""
    return {
        name: value for base in reversed(registry.__mro__) for name, value in vars(base).items()
        if isinstance(value, One | Many)
    }  # fmt: skip


def fields_of(registry: type[Any]) -> list[str]:
    """The names that can be asked for."""
    columns = [attribute.key for attribute in registry.__mapper__.column_attrs]
    aliases = getattr(registry, "_aliases", {})
    return sorted({*columns, *relations_of(registry), *aliases} - {"id"})


def _through_one(registry: type[Any], relation: One[Any], rest: list[str], value: Any) -> Condition:
    column = getattr(registry, relation.column)
    if not rest or rest[0] in ("in", "isnull", "exact"):
        return OPERATORS[rest[0] if rest else "exact"](column, _plain(value))
    inner = condition(relation.target, rest, value)
    return column.in_(select(relation.target.id).where(inner))  # type: ignore[no-any-return]


def _through_many(registry: type[Any], relation: Many[Any], rest: list[str], value: Any) -> Condition:
    target, link = relation.target, relation.link
    if not rest or rest[0] in ("in", "exact"):
        wanted = _values(value) if rest[:1] == ["in"] else [_plain(value)]
        inner: Condition = target.id.in_(wanted)
    elif rest[0] == "isnull":
        inner = target.id.is_not(None)
    else:
        inner = condition(target, rest, value)
    if link is None:
        tied = select(getattr(target, relation.own)).where(inner)
    else:
        own, other = getattr(link, relation.own), getattr(link, relation.other)
        tied = select(own).where(other.in_(select(target.id).where(inner)), *narrowing(relation))
    found: Condition = registry.id.in_(tied)
    return ~found if rest[:1] == ["isnull"] and value else found


def narrowing(relation: Many[Any]) -> list[Condition]:
    """The conditions on the table between that a relation was declared with."""
    return [getattr(relation.link, name) == value for name, value in relation.only.items()]


def _unknown(registry: type[Any], name: str, names: Iterable[str]) -> InvalidArgument:
    names = sorted(names)
    near = difflib.get_close_matches(name, names, n=3)
    known = f"did you mean {' or '.join(near)}? " if near else ""
    return InvalidArgument(
        f"{registry.__name__} has no field or lookup {name!r}", hint=f"{known}known are: {', '.join(names)}"
    )
