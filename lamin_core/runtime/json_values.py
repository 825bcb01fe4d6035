"""Any Python value as JSON, for the parameters of a run."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import math
import os
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from typing import Any, TypeGuard

_LONGEST = 10_000
"""Characters of JSON: what is longer is data, not a parameter."""
_DEEPEST = 10
_PARTS = 100


def json_value(value: Any) -> Any:
    """Return the value where JSON has it, else the nearest that JSON has, else a short text.

    >>> json_value({"kinds": {"b"}, "of": object}), json_value(range(3)), json_value([0] * 10**6)
    ({'kinds': ['b'], 'of': '<type>'}, '<range>', '<list of 1000000 items>')
    """
    try:
        return _bounded(value)
    except Exception:  # an object whose own methods fail is a parameter all the same
        return f"<{type(value).__name__}>"


class JsonConverter:
    """Converts values of the built-in types to JSON; a subclass decides about all others.

    It also decides what `is_within` its limits, and what the `summary` of a collection is that is
    not.
    """

    def convert(self, value: Any, depth: int) -> Any:
        """Return the value as JSON; `depth` is how many levels of collections may still follow."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return self.enumeration(value, depth)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return (
                float(value) if math.isfinite(value) else str(value)
            )  # JSON has no NaN and no infinity
        if self.is_mapping(value):
            return (
                self.fields(value, depth) if self.is_within(value, depth) else self.summary(value)
            )
        if isinstance(value, list | tuple | set | frozenset):
            return self.items(value, depth) if self.is_within(value, depth) else self.summary(value)
        return self.other(value, depth)

    def enumeration(self, value: enum.Enum, depth: int) -> Any:
        """Return the value of a member of an enumeration."""
        return self.convert(value.value, depth)

    def text(self, value: str) -> str:
        """Return the text."""
        return value

    def fields(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        """Return an object of JSON."""
        return {str(key): self.convert(item, depth - 1) for key, item in values.items()}

    def items(self, values: Iterable[Any], depth: int) -> list[Any]:
        """Return an array of JSON; the members of a set in an order that is always the same."""
        converted = [self.convert(item, depth - 1) for item in values]
        return sorted(converted, key=str) if isinstance(values, set | frozenset) else converted

    def is_mapping(self, value: Any) -> TypeGuard[Mapping[Any, Any]]:
        """Return whether the value becomes an object of JSON."""
        return isinstance(value, Mapping)

    def is_within(self, value: Any, depth: int) -> bool:
        """Return whether the members of this collection are converted, too."""
        return depth > 0

    def summary(self, value: Any) -> str:
        """Return a text in place of a value."""
        return f"<{type(value).__name__}>"

    def other(self, value: Any, depth: int) -> Any:
        """Return a value of any other type as JSON."""
        return self.summary(value)


def is_numpy_scalar(value: Any) -> bool:
    """Return whether this is a single number of numpy, which is not imported.

    >>> is_numpy_scalar(3)
    False
    """
    return type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()


class _TooLong(Exception):
    """The value has more parts than are kept."""


class _BoundedConverter(JsonConverter):
    """Converts one value, and stops with `_TooLong` as soon as it is longer than what is kept."""

    def __init__(self) -> None:
        self._budget = _LONGEST

    def convert(self, value: Any, depth: int) -> Any:
        self._budget -= len(value) if isinstance(value, str) else 1
        if self._budget < 0:
            raise _TooLong
        return super().convert(value, depth)

    def enumeration(self, value: enum.Enum, depth: int) -> Any:
        if isinstance(value, int | str | float):
            return value.value
        return self.convert(value.value, depth - 1) if depth > 0 else self.summary(value)

    def summary(self, value: Any) -> str:
        try:
            uid = getattr(value, "uid", None) if not isinstance(value, type) else None
        except Exception:  # it has its own idea of attributes
            uid = None
        return (
            f"<{type(value).__name__} {uid}>"
            if isinstance(uid, str)
            else f"<{type(value).__name__}>"
        )

    def other(self, value: Any, depth: int) -> Any:
        if depth <= 0:
            return self.summary(value)
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, date | time):
            return value.isoformat()
        if isinstance(value, timedelta):
            return value.total_seconds()
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.fields(
                {field.name: getattr(value, field.name) for field in dataclasses.fields(value)},
                depth,
            )
        if is_numpy_scalar(value):
            return self.convert(value.item(), depth - 1)
        return self.summary(value)


def _bounded(value: Any) -> Any:
    for convert in (_whole, _in_parts):
        with contextlib.suppress(_TooLong):
            converted = convert(value)
            if len(json.dumps(converted)) <= _LONGEST:
                return converted
    return _size(value)


def _whole(value: Any) -> Any:
    return _BoundedConverter().convert(value, _DEEPEST)


def _in_parts(value: Any) -> Any:
    """Return those parts that are short enough, of a value that is not."""
    if isinstance(value, Mapping) and len(value) <= _PARTS:
        return {str(key): _part(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and len(value) <= _PARTS:
        return [_part(item) for item in value]
    raise _TooLong


def _part(value: Any) -> Any:
    try:
        return _whole(value)
    except _TooLong:
        return _size(value)


def _size(value: Any) -> str:
    if not hasattr(value, "__len__"):
        return f"<{type(value).__name__}>"
    unit = "characters" if isinstance(value, str) else "items"
    return f"<{type(value).__name__} of {len(value)} {unit}>"
