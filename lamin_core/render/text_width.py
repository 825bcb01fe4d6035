"""The width of a text in pixels, and on a terminal, without a font at hand.

The letters are those of DejaVu Sans, the widest of the usual sans-serif fonts (Arial, Helvetica,
Segoe UI and Roboto are narrower): a text never needs more than what is measured here.
"""

from __future__ import annotations

import unicodedata
from functools import cache

_WIDTHS = {
    29: "'ijlIJ",
    34: " ,.·/:;\\|",
    41: "-()[]tfr!",
    50: '"*_`',
    56: "?scLFk",
    61: "vxyPTYaoe",
    64: "ESbdghnpqu$0123456789{}",
    69: "KAVBRXZC",
    79: "UHNDG&OQ",
    84: "w#+<=>^~",
}
"""Hundredths of the font's size; what is not listed is as wide as the font is high."""


@cache
def _widths() -> dict[str, int]:
    return {letter: width for width, letters in _WIDTHS.items() for letter in letters}


def pixels(text: str, size: float) -> float:
    """The width of the text in a font of this size, both in pixels.

    >>> pixels("i", 12) < pixels("m", 12) == 12.0
    True
    """
    widths = _widths()
    return sum(widths.get(letter, 100) for letter in text) * size / 100


def cells(text: str) -> int:
    """The columns that the text takes on a terminal.

    >>> cells("abc"), cells("日本"), cells("e\\u0301")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def beginning(text: str, width: int) -> str:
    """The beginning of the text that fits so many columns, `...` where it was cut.

    >>> beginning("results/figure.png", 10), beginning("a.csv", 10)
    ('results...', 'a.csv')
    """
    return text if cells(text) <= width else f"{_fitting(text, width - 3)}..."


def ending(text: str, width: int) -> str:
    """The same for its end.

    >>> ending("results/figure.png", 13)
    '...figure.png'
    """
    return text if cells(text) <= width else f"...{_fitting(text[::-1], width - 3)[::-1]}"


def _fitting(text: str, width: int) -> str:
    used = 0
    for position, letter in enumerate(text):
        used += _cells_of(letter)
        if used > width:
            return text[:position]
    return text
