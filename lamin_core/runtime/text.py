"""Durations in words."""

from __future__ import annotations


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
