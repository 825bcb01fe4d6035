"""Parse times as people write them, such as `2026-01-31` or `2h`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from lamin_core.errors import InvalidArgument

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AGO = re.compile(
    r"(\d{1,6}) ?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)( ago)?",
    re.IGNORECASE | re.ASCII,
)
_HINT = "2026-03-01, 2026-03-01T14:30, 2026-03-01T14:30Z, yesterday, or how long ago: 45min, 2h, 3d"


def parse_time(value: datetime | str) -> datetime:
    """A time with its zone: from a `datetime`, ISO 8601, or how long ago; without a zone it is local time.

    Raises `InvalidArgument`.

    >>> parse_time("2026-03-01T12:00:00+01:00").isoformat()
    '2026-03-01T11:00:00+00:00'
    >>> parse_time("yesterday") < parse_time("today") <= parse_time("now")
    True
    >>> parse_time("2 hours ago") < parse_time("90min") < parse_time("30s")
    True
    """
    if not isinstance(value, str | datetime):
        raise InvalidArgument(f"not a time: {value!a}", hint=_HINT)
    try:
        parsed = value if isinstance(value, datetime) else _parse_text(" ".join(value.split()))
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(f"not a time: {str(value)!r}", hint=_HINT) from None


def _parse_text(text: str) -> datetime:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2][0].lower()])
    days = {"today": 0, "yesterday": 1}.get(text.lower())
    if days is not None:
        return datetime.combine(date.today() - timedelta(days), time())
    return datetime.now(UTC) if text.lower() == "now" else datetime.fromisoformat(text)
