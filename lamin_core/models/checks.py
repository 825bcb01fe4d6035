"""Checks of column values: what each column type accepts, the same on every database.

SQLite writes text into a column of numbers, PostgreSQL raises an error of its own; neither is what
people should meet.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import numbers
import os
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    Numeric,
    String,
)
from sqlalchemy.types import TypeDecorator

from lamin_core.errors import InvalidArgument

_INTEGER_BITS = 32
_BIG_INTEGER_BITS = 64
_SHOWN_CHARACTERS = 60
_MOST_STEPS = 2**31 - 1
"""More than any graph has, and what every database takes."""


def is_storable(text: str) -> bool:
    """Whether every database can keep this text: PostgreSQL takes no NUL, and neither takes half a character."""
    try:
        return "\0" not in text and bool(text.encode() or True)
    except UnicodeEncodeError:
        return False


def storable(text: str) -> str:
    r"""Return the text with escapes for characters that no database can store, for messages of errors.

    >>> storable("a\0b\ud800")
    'a\\x00b\\ud800'
    """
    return text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()


def shown(value: object) -> str:
    """Return a short ASCII text for the value, also if its own `repr` fails."""
    try:
        text = ascii(value)
    except Exception:  # an object whose own repr fails
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def text_argument(value: object, name: str, example: str) -> str:
    """Return an argument that is text. Raises `InvalidArgument` for anything else, with the example as the hint."""
    if not isinstance(value, str):
        raise InvalidArgument(f"{name} is text, not {shown(value)}", hint=example)
    return value


def check_optional_texts(**values: object) -> None:
    """Raise `InvalidArgument` for one of these arguments that is neither text nor None."""
    for name, value in values.items():
        if value is not None:
            text_argument(value, name, f"{name}='...'")


def text_arguments(values: object, name: str, example: str) -> list[str]:
    """Return an argument that is a text or several texts as a list. Raises `InvalidArgument`."""
    if isinstance(values, str):
        return [values]
    return [text_argument(value, name, example) for value in listed_argument(values, name, example)]


def listed_argument(values: object, name: str, example: str) -> list[Any]:
    """Return an argument that has several values as a list. Raises `InvalidArgument` for text and single values."""
    if (
        isinstance(values, str | bytes | bytearray)
        or not isinstance(values, Iterable)
        or isinstance(values, type)
    ):
        raise InvalidArgument(f"{name} is a list, not {shown(values)}", hint=example)
    return list(values)


def steps_argument(value: object, name: str) -> int | None:
    """Return a number of steps, or None for all the way. Raises `InvalidArgument`."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidArgument(
            f"{name} is not a number of steps: {shown(value)}",
            hint=f"{name}=2, or None for all the way",
        )
    return min(value, _MOST_STEPS)


def column_value(column: Column[Any], value: object) -> object:
    """Return the value as the column takes it. Raises `InvalidArgument` for one of another type or too large.

    >>> column_value(Column("n_observations", BigInteger), 3)
    3
    """
    if value is None:
        return None
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    for kinds, check in _CHECKS:
        if isinstance(kind, kinds):
            return check(column, value)
    return value


def _refused(column: Column[Any], value: object, expected: str) -> InvalidArgument:
    return InvalidArgument(
        f"{column.key}={shown(value)} is not {expected}", hint=f"pass {expected}, or None"
    )


def _text(column: Column[Any], value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise _refused(column, value, "text")
    longest = getattr(column.type, "length", None)
    if not is_storable(value):
        hint = "leave out NUL and what is not UTF-8"
        raise InvalidArgument(
            f"{column.key} is not text that a database can hold: {shown(value)}", hint=hint
        )
    if longest is not None and len(value) > longest:
        raise InvalidArgument(
            f"{column.key}={value[:40]!r}... is too long", hint=f"at most {longest} characters"
        )
    return value if isinstance(value, enum.Enum) else str.__str__(value)


def _boolean(column: Column[Any], value: object) -> bool:
    value = _scalar(value)
    if not isinstance(value, bool):
        raise _refused(column, value, "True or False")
    return value


def _integer(column: Column[Any], value: object) -> int:
    value = _scalar(value)
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise _refused(column, value, "a whole number")
    bits = _BIG_INTEGER_BITS if isinstance(column.type, BigInteger) else _INTEGER_BITS
    number = int(value)
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise _refused(column, value, f"a whole number of {bits} bits")
    return number


def _real(column: Column[Any], value: object) -> float:
    value = _scalar(value)
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise _refused(column, value, "a number")
    try:
        return float(value)
    except OverflowError:
        raise _refused(column, value, "a number of 64 bits") from None


def _time(column: Column[Any], value: object) -> dt.datetime:
    if not isinstance(value, dt.datetime) or value.tzinfo is None:
        raise _refused(column, value, "a datetime with a time zone")
    return value


def _day(column: Column[Any], value: object) -> dt.date:
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            raise _refused(column, value, "a date, such as '2026-01-31'") from None
    if not isinstance(value, dt.date):
        raise _refused(column, value, "a date, such as '2026-01-31'")
    return value.date() if isinstance(value, dt.datetime) else value


def _json(column: Column[Any], value: object) -> object:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise _refused(column, value, "a value that JSON can say") from None
    return value


def _scalar(value: Any) -> Any:
    """Return the Python value of a scalar of numpy; other values as they are."""
    is_array_scalar = type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0
    return value.item() if is_array_scalar else value


_CHECKS: tuple[tuple[Any, Any], ...] = (
    (String, _text),
    (Boolean, _boolean),
    (Integer, _integer),
    ((Float, Numeric), _real),
    (DateTime, _time),
    (Date, _day),
    (JSON, _json),
)
