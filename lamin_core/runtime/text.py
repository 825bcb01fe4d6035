"""Durations and sizes for people, and the kind of a file by its name."""

from __future__ import annotations

import re

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def duration(seconds: float) -> str:
    """The duration as people read it.

    >>> duration(0.0123), duration(75), duration(7300)
    ('12 ms', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def kind_of_file(key: str | None) -> str:
    """The part of the name after the first dot, without digits, which distinguishes kinds of files.

    >>> kind_of_file("results/s1.sorted.bam"), kind_of_file(None), kind_of_file("a/b.part12.csv")
    ('sorted.bam', '', 'part.csv')
    """
    return _DIGITS.sub("", (key or "").rpartition("/")[2].partition(".")[2])


_DIGITS = re.compile("[0-9]+")


def size(number: int | None) -> str:
    """Bytes for people.

    >>> size(0), size(1234), size(5_000_000), size(None), size(-1)
    ('0 B', '1.2 kB', '5.0 MB', '', '')
    """
    if number is None or number < 0:
        return ""
    value, unit = float(number), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{number} B"
