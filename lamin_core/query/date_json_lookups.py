"""Lookups into a value: the day of a time, the member of a JSON object."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Double, Integer, Text, and_, case, cast, extract, false, func, literal, or_
from sqlalchemy.types import JSON

from lamin_core.errors import InvalidArgument
from lamin_core.models.checks import is_storable, listed_argument
from lamin_core.models.tables import UTC_DateTime
from lamin_core.query import coercion, sql_functions
from lamin_core.query.operators import OPERATORS, Condition

_OF_TIME = {
    "year": "year",
    "month": "month",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
}


def compared(column: Any, words: list[str], value: Any) -> Condition | None:
    """The condition that the words after a field mean; None if they mean none.

    Raises `InvalidArgument` for a value that does not fit.
    """
    if isinstance(column.type, JSON):
        return _in_json(column, words, value)
    if words and coercion.is_time(column):
        if words[0] == "date":
            return (
                _on_days(column, words[1] if words[1:] else "exact", value)
                if len(words) < 3
                else None
            )
        if words[0] in _OF_TIME:
            part = extract(_OF_TIME[words[0]], sql_functions.in_utc(column))
            column, words = cast(part, Integer), words[1:]
    name = words[0] if words else "exact"
    return OPERATORS[name](column, value) if len(words) < 2 and name in OPERATORS else None


def _on_days(column: Any, name: str, value: Any) -> Condition | None:
    """Days are ranges of moments, in UTC: an index serves them."""
    if name == "in":
        days = [_on_days(column, "exact", item) for item in value]
        return or_(false(), *(condition for condition in days if condition is not None))
    if name == "range":
        low, high = coercion.pair(value)
        return and_(column >= _midnight(low, 0), column < _midnight(high, 1))
    since, until = column >= _midnight(value, 0), column < _midnight(value, 1)
    choices = {"exact": and_(since, until), "gte": since, "lt": ~since, "lte": until, "gt": ~until}
    return choices.get(name)


def _midnight(value: object, later: int) -> Any:
    try:
        return literal(
            coercion.time(coercion.day(value) + dt.timedelta(days=later)), UTC_DateTime()
        )
    except OverflowError:
        raise coercion.unfit(value, "a day before the end of the year 9999") from None


def _in_json(column: object, words: list[str], value: object) -> Condition | None:
    has_operator = bool(words) and words[-1] in OPERATORS
    name, keys = (words[-1], words[:-1]) if has_operator else ("exact", words)
    if not keys:
        return OPERATORS["isnull"](column, value) if name == "isnull" else None
    where = _path(keys)
    kind, member = sql_functions.member_type(column, *where), sql_functions.member(column, *where)
    if name == "in":
        several = listed_argument(value, "what is compared by `in`", "__in=[1, 2]")
        return or_(false(), *(_member_is(kind, member, "exact", item) for item in several))
    if name == "range":
        low, high = coercion.pair(value)
        return and_(_member_is(kind, member, "gte", low), _member_is(kind, member, "lte", high))
    return _member_is(kind, member, name, value)


def _path(keys: list[str]) -> list[object]:
    """The path in the words of SQLite and of PostgreSQL."""
    if any(set(key) & set('"\\') or not is_storable(key) for key in keys):
        raise InvalidArgument(f"not a path into JSON: {'__'.join(keys)!a}")
    quoted = [f'"{key}"' for key in keys]
    return [literal("$." + ".".join(quoted), Text()), literal("{" + ",".join(quoted) + "}", Text())]


def _member_is(kind: Any, member: Any, name: str, value: Any) -> Condition:
    if name == "isnull" or value is None:
        missing: Condition = func.coalesce(kind, "null") == "null"
        return missing if value is None or coercion.boolean(value) else ~missing
    if isinstance(value, bool):
        # SQLite gives 1 and 0, PostgreSQL true and false.
        matches = func.lower(cast(member, Text)).in_(["1", "true"] if value else ["0", "false"])
        return and_(kind == "boolean", matches) if name == "exact" else false()
    if isinstance(value, int | float):
        return OPERATORS[name](case((kind == "number", cast(member, Double)), else_=None), value)
    return OPERATORS[name](case((kind == "string", cast(member, Text)), else_=None), value)
