"""Moments as people say them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from lamin_core.errors import InvalidArgument

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def moment(value: datetime | str) -> datetime:
    """A time with its zone: from a `datetime`, ISO 8601, or how long ago; without a zone it is local time.

    Raises `InvalidArgument`.

    >>> moment("2026-03-01T12:00:00+01:00").isoformat()
    '2026-03-01T11:00:00+00:00'
    >>> moment("2h") < moment("90min") < moment("30s")
    True
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    ago = re.fullmatch(r"(\d{1,6})\s*(s|m|min|h|d|w)", value.strip())
    try:
        if ago is not None:
            return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
        return datetime.fromisoformat(value.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            f"{value!r} is no time", hint="2026-03-01, 2026-03-01T14:30, or how long ago: 45min, 2h, 3d"
        ) from None
