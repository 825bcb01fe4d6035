"""Cursor pagination of lists by time, newest first, stable while rows are added."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, literal, tuple_

from lamin_core.errors import InvalidArgument
from lamin_core.models.tables import UTC_DateTime
from lamin_core.server.endpoint import Parameter

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Mark = tuple[datetime, int]
"""The time and the number of the last row of a page."""


def encoded(cursor: Mark) -> str:
    """The cursor as text that needs no escape in a URL.

    >>> encoded((datetime(2026, 1, 1, tzinfo=UTC), 7))
    '1767225600000000.7'
    """
    at, identity = cursor
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}.{identity}"


def decoded(text: str) -> Mark:
    """Back from text. Raises `InvalidArgument`.

    >>> decoded(encoded((datetime(2026, 1, 1, tzinfo=UTC), 7)))[1]
    7
    """
    match = re.fullmatch(r"(-?[0-9]{1,18})\.([0-9]{1,18})", text)
    try:
        if match is None:
            raise ValueError(text)
        return _EPOCH + timedelta(microseconds=int(match[1])), int(match[2])
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(
            f"not a cursor: {text[:40]!r}", hint="pass the nextCursor of the page before"
        ) from error


CURSOR = Parameter(
    "cursor",
    "Where to go on: the nextCursor of the page before; better than offset where rows come in meanwhile.",
    decoded,
    {"type": "string", "pattern": r"^-?[0-9]{1,18}\.[0-9]{1,18}$"},
)


def beyond(at: Any, identity: Any, cursor: Mark, *, ascending: bool = False) -> ColumnElement[bool]:
    """The rows after this mark."""
    here, boundary = (
        tuple_(at, identity),
        tuple_(literal(cursor[0], UTC_DateTime), literal(cursor[1])),
    )
    return here > boundary if ascending else here < boundary


def following(marks: list[Mark], limit: int) -> str | None:
    """The cursor of the next page; None after a page that was not full."""
    return encoded(marks[-1]) if len(marks) == limit else None
