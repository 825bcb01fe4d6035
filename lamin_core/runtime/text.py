"""Durations in words, and the kind of a file by its name."""

from __future__ import annotations

import re


def duration(seconds: float) -> str:
    """For people.

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
