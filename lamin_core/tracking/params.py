"""Parameters as they are kept: JSON where JSON can say it, else the nearest to it; secrets masked."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import os
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any

from lamin_core.runtime.redaction import redact

_LONGEST = 10_000
"""Characters of JSON: what is longer is data, not a parameter."""


def masked_params(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """These parameters, ready to be stored.

    >>> masked_params({"alpha": 0.1, "day": date(2026, 1, 2), "api_key": "k"})
    {'alpha': 0.1, 'day': '2026-01-02', 'api_key': '***'}
    """
    masked: dict[str, Any] | None = redact({str(name): plain(value) for name, value in (params or {}).items()}) or None
    return masked


def plain(value: Any) -> Any:
    """The value where JSON can say it, else its closest likeness, else a short text.

    >>> plain({"kinds": {"b"}, "of": object}), plain(range(3)), plain([0] * 10**6)
    ({'kinds': ['b'], 'of': '<type>'}, '<range>', '<list of 1000000 items>')
    """
    try:
        return _likeness(value)
    except Exception:  # an object whose own methods fail is a parameter all the same
        return f"<{type(value).__name__}>"


def _likeness(value: Any) -> Any:
    for look in (_whole, _in_parts):
        with contextlib.suppress(_TooLong):
            representation = look(value)
            if len(json.dumps(representation)) <= _LONGEST:
                return representation
    return _size(value)


def _whole(value: Any) -> Any:
    return _Likeness().of(value, _DEEPEST)


def _in_parts(value: Any) -> Any:
    """Of what is too long as a whole, the parts that are not."""
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


_DEEPEST = 10
_PARTS = 100


class _TooLong(Exception):
    """There is more of it than is kept."""


class _Likeness:
    """One value as JSON can say it, looked at no further than would be kept."""

    def __init__(self) -> None:
        self._left = _LONGEST

    def of(self, value: Any, depth: int) -> Any:
        """The likeness of a part of it."""
        self._left -= len(value) if isinstance(value, str) else 1
        if self._left < 0:
            raise _TooLong
        if value is None or isinstance(value, bool | int | str):
            return value.value if isinstance(value, enum.Enum) else value
        if isinstance(value, float):
            return value if value - value == 0 else str(value)  # JSON has no NaN and no infinity
        if depth == 0:
            return _named(value)
        if isinstance(value, Mapping):
            return {str(key): self.of(item, depth - 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item, depth - 1) for item in value]
        if isinstance(value, set | frozenset):
            return sorted((self.of(item, depth - 1) for item in value), key=str)
        return self._of_another_type(value, depth)

    def _of_another_type(self, value: Any, depth: int) -> Any:
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, date | time):
            return value.isoformat()
        if isinstance(value, timedelta):
            return value.total_seconds()
        if isinstance(value, enum.Enum):
            return self.of(value.value, depth - 1)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: self.of(getattr(value, field.name), depth - 1) for field in dataclasses.fields(value)}
        if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
            return self.of(value.item(), depth - 1)
        return _named(value)


def _size(value: Any) -> str:
    if not hasattr(value, "__len__"):
        return f"<{type(value).__name__}>"
    return f"<{type(value).__name__} of {len(value)} {'characters' if isinstance(value, str) else 'items'}>"


def _named(value: Any) -> str:
    try:
        uid = getattr(value, "uid", None) if not isinstance(value, type) else None
    except Exception:  # it has its own idea of attributes
        uid = None
    return f"<{type(value).__name__}{f' {uid}' if isinstance(uid, str) else ''}>"
