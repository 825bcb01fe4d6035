"""Parameters as they are kept: JSON where JSON can say it, else the nearest to it; secrets masked."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any

from lamin_core.redaction import redact

_LONGEST = 10_000
"""Characters of JSON: what is longer is data, not a parameter."""


def kept(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """These parameters, ready to be stored.

    >>> kept({"alpha": 0.1, "day": date(2026, 1, 2), "api_key": "k"})
    {'alpha': 0.1, 'day': '2026-01-02', 'api_key': '***'}
    """
    masked: dict[str, Any] | None = redact({str(name): plain(value) for name, value in (params or {}).items()}) or None
    return masked


def plain(value: Any) -> Any:
    """The value where JSON can say it, else its closest likeness, else a short text.

    >>> plain({"kinds": {"b"}, "of": object})
    {'kinds': ['b'], 'of': '<type>'}
    """
    said = _plain(value, 10)
    text = json.dumps(said)
    return said if len(text) <= _LONGEST else f"<{type(value).__name__} of {len(text)} characters>"


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # JSON has no NaN and no infinity
    if depth == 0:
        return _named(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item, depth - 1) for item in value), key=str)
    return _of_another_type(value, depth)


def _of_another_type(value: Any, depth: int) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth - 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), depth - 1) for field in dataclasses.fields(value)}
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return _plain(value.item(), depth - 1)
    return _named(value)


def _named(value: Any) -> str:
    uid = getattr(value, "uid", None) if not isinstance(value, type) else None
    return f"<{type(value).__name__}{f' {uid}' if isinstance(uid, str) else ''}>"
