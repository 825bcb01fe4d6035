"""Convert the operand of a comparison to the type of its column, or refuse it with an explanation.

So nothing that is passed to a lookup is an error of the database.
"""

from __future__ import annotations

import datetime as dt
import enum
import os
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Double,
    Float,
    Integer,
    Numeric,
    String,
    Text,
    literal,
)
from sqlalchemy.types import TypeEngine

from lamin_core.errors import InvalidArgument
from lamin_core.models import Registry
from lamin_core.models.checks import is_storable
from lamin_core.models.dtypes import as_utc
from lamin_core.models.root_path import RootPath
from lamin_core.models.tables import UTC_DateTime


def bound(column: object, value: object) -> Any:
    """The value for this column, as part of a statement. Raises `InvalidArgument`."""
    kind, fit = _type(column)
    return literal(fit(plain(value)), kind)


def values(column: Any, several: Any) -> tuple[TypeEngine[Any], list[Any]]:
    """The values for this column, and the type to pass them as. Raises `InvalidArgument`."""
    kind, fit = _type(column)
    return kind, [fit(plain(value)) for value in several if value is not None]


def plain(value: object) -> Any:
    """Records stand for their primary key, enumerations for their value."""
    if isinstance(value, Registry):
        if value.id is None:
            raise InvalidArgument(f"{value!r} is not saved", hint="call .save() first")
        return value.id
    return value.value if isinstance(value, enum.Enum) else value


def pair(value: Any) -> tuple[Any, Any]:
    """The two ends of a range. Raises `InvalidArgument`."""
    try:
        low, high = value
    except (TypeError, ValueError):
        raise unfit(value, "two values: (low, high)") from None
    return low, high


def _type(column: Any) -> tuple[TypeEngine[Any], Any]:
    for kinds, kind, fit in _TYPES:
        if isinstance(column.type, kinds):
            return kind, fit
    return Text(), text


def is_text(column: Any) -> bool:
    """Whether the column holds text."""
    return isinstance(column.type, String | RootPath)


def is_time(column: Any) -> bool:
    """Whether the column holds moments or days."""
    return isinstance(column.type, UTC_DateTime | Date)


def is_number(column: Any) -> bool:
    """Whether the column holds numbers."""
    return isinstance(column.type, Integer | Float | Numeric)


def boolean(value: object) -> bool:
    """True or False, also as 1 or 0."""
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise unfit(value, "True or False")


def integer(value: Any) -> int:
    """A whole number that every database can hold."""
    try:
        number = int(value)
        is_whole = not isinstance(value, float) or number == value
    except (TypeError, ValueError, OverflowError):
        raise unfit(value, "a whole number") from None
    if not is_whole or not -(2**63) <= number < 2**63:
        raise unfit(value, "a whole number of 64 bits")
    return number


def _real(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise unfit(value, "a number") from None


def time(value: Any) -> dt.datetime:
    """A moment in UTC, from one, from a day, or from text."""
    try:
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            value = dt.datetime(value.year, value.month, value.day)
        if value != value:  # what pandas has for no time calls itself a datetime
            raise unfit(None, "a moment")
        return as_utc(value)
    except (ValueError, OverflowError, AttributeError):
        raise unfit(value, "a moment: a datetime, or '2026-01-31T12:00'") from None


def day(value: Any) -> dt.date:
    """A day, from one, from a moment, or from text."""
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise unfit(value, "a day: a date, or '2026-01-31'") from None


def text(value: object) -> str:
    """Text that every database can hold."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or isinstance(value, list | tuple | set | dict | bytes):
        raise unfit(value, "text")
    if not is_storable(str(value)):
        raise unfit(value, "text that a database can hold")
    return str(value)


def unfit(value: object, expected: str) -> InvalidArgument:
    """The error that says what would fit."""
    shown = ascii(value)
    return InvalidArgument(
        f"{shown if len(shown) < 80 else shown[:77] + '...'} cannot be compared: it needs {expected}"
    )


_TYPES: tuple[tuple[Any, TypeEngine[Any], Any], ...] = (
    (Boolean, Boolean(), boolean),
    (Integer, BigInteger(), integer),
    ((Float, Numeric), Double(), _real),
    (UTC_DateTime, UTC_DateTime(), time),
    (Date, Date(), day),
)
