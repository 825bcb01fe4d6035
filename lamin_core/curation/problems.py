"""The problems of a dataset: all are collected and reported together, each with the call that fixes it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lamin_core.errors import ValidationError

SHOWN = 10
"""Values in a message, and problems of one kind."""
_SEARCHED = 5_000
"""Names that a value is compared with, letter by letter; of more, those that begin alike."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a dataset does not fit its schema."""

    message: str
    fix: str
    """The call that fixes it."""
    slot: str = ""

    def __str__(self) -> str:
        where = f"slot {self.slot!r}: " if self.slot else ""
        return f"{where}{self.message}\n    → {self.fix}"


def in_slot(problems: Iterable[Problem], slot: str) -> list[Problem]:
    """Return the problems as those of a slot."""
    return [replace(problem, slot=slot) for problem in problems]


def validation_error(problems: Sequence[Problem], schema: str) -> ValidationError:
    """Return the error that says them all.

    >>> print(validation_error([Problem("column 'a' is missing", "df['a'] = ...")], "My schema"))
    1 problem with schema 'My schema':
      column 'a' is missing
        → df['a'] = ...
    """
    number = len(problems)
    lines = [f"{number:,} problem{'s' if number > 1 else ''} with schema {schema!r}:"]
    lines += [f"  {problem}" for problem in problems[: 3 * SHOWN]]
    if number > 3 * SHOWN:
        lines.append(f"  and {number - 3 * SHOWN:,} more")
    return ValidationError("\n".join(lines))


def listed(values: Sequence[object]) -> str:
    """Return the first values, and how many there are where some are left out.

    >>> listed(["a", "b"]), listed(range(500_000))
    ("'a', 'b'", '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... (500,000)')
    """
    text = ", ".join(_short(value) for value in values[:SHOWN])
    return text if len(values) <= SHOWN else f"{text}, ... ({len(values):,})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def nearest(name: str, names: Sequence[str]) -> list[str]:
    """Return up to two names that are similar to this one, ignoring case.

    >>> nearest("ifnj", ["IFNG", "DMSO"])
    ['IFNG']
    """
    lowered: dict[str, str] = {}
    candidates = names if len(names) <= _SEARCHED else _beginning_alike(name, names)
    for candidate in candidates:
        lowered.setdefault(candidate.lower(), candidate)
    matches = difflib.get_close_matches(name.lower()[:200], list(lowered), n=2)
    return [lowered[match] for match in matches]


def _beginning_alike(name: str, names: Iterable[str]) -> list[str]:
    start = name[:2].lower()
    return [candidate for candidate in names if candidate[:2].lower() == start][:_SEARCHED]


def near_misses(values: Sequence[str], names: Sequence[str]) -> str:
    """Return the hint for values that are similar to valid names, or an empty text.

    >>> near_misses(["IFNJ"], ["IFNG", "DMSO"])
    " (did you mean 'IFNG'?)"
    """
    meant = {value: nearest(value, names) for value in values[:SHOWN]}
    pairs = {value: match[0] for value, match in meant.items() if match}
    if not pairs:
        return ""
    if len(values) == 1:
        return f" (did you mean {' or '.join(map(repr, meant[values[0]]))}?)"
    return f" (nearest: {', '.join(f'{value!r} → {name!r}' for value, name in pairs.items())})"
