"""Parse the times, durations and numbers that Nextflow writes into its files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from lamin_core.runtime.timestamps import parse_time

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"([\d.]+)\s*(ms|d|h|m|s)\b")
_SIZES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40, "PB": 1 << 50}
_SIZE = re.compile(r"([\d.]+)\s*([KMGTP]?B)$")


def iso_time(text: object) -> datetime | None:
    """Return the time in an ISO 8601 text, of whose fractions a datetime has six digits; None for anything else.

    >>> iso_time("2026-11-30T10:17:18.621123456Z").isoformat()
    '2026-11-30T10:17:18.621123+00:00'
    """
    if not isinstance(text, str):
        return None
    try:
        return parse_time(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        return None


def time_of(text: str | None) -> datetime | None:
    """Return the time in a cell of a trace or a history: local time, or milliseconds since 1970; None for `-`.

    >>> time_of("1796033838621").isoformat(timespec="milliseconds")
    '2026-11-30T10:17:18.621+00:00'
    >>> time_of("-") is None
    True
    """
    if not text or text == "-":
        return None
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text) / 1_000, UTC)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def duration_of(text: str | None) -> timedelta | None:
    """Return a duration: `1h 2m 3.5s`, or milliseconds; None for `-`.

    >>> duration_of("1m 2.5s").total_seconds(), duration_of("68").total_seconds(), duration_of("-")
    (62.5, 0.068, None)
    """
    if not text or text == "-":
        return None
    if text.isdigit():
        return timedelta(milliseconds=int(text))
    parts = _PART.findall(text)
    if not parts:
        return None
    return timedelta(milliseconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def milliseconds(time: datetime) -> int:
    """Return milliseconds since 1970, as the engine counts.

    >>> milliseconds(datetime(2026, 1, 1, tzinfo=UTC))
    1767225600000
    """
    return round(time.timestamp() * 1_000)


def measure(text: str) -> int | float | str:
    """Return a cell of a trace as the number that it shows: sizes in bytes, durations in milliseconds.

    >>> measure("92.1 KB"), measure("68ms"), measure("22.2%"), measure("12"), measure("local")
    (94310, 68, 22.2, 12, 'local')
    """
    if text.isdigit():
        return int(text)
    size = _SIZE.match(text)
    if size is not None:
        return round(float(size[1]) * _SIZES[size[2]])
    if re.fullmatch(r"[\d.]+%", text):
        return float(text[:-1])
    if re.fullmatch(rf"({_PART.pattern}\s*)+", text):
        duration = duration_of(text)
        return text if duration is None else round(duration.total_seconds() * 1_000)
    return text


def param(text: str) -> bool | int | float | str:
    """Return the value that Nextflow makes of a parameter on its command line.

    >>> param("2"), param("0.5"), param("true"), param("a.csv"), param("01")
    (2, 0.5, True, 'a.csv', 1)
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    if re.fullmatch(r"[+-]?\d+\.\d+([eE][+-]?\d+)?", text):
        return float(text)
    return text
