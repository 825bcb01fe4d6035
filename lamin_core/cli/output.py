"""What commands print: JSON for programs, tables for people, colour where the terminal and the user want it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
"""The option that every command which reads has."""


def colour(environment: Mapping[str, str]) -> bool | None:
    """Whether to colour: never, always, or (None) where the stream is a terminal.

    `NO_COLOR` wins over `FORCE_COLOR`, and that over what `CI` and `TERM=dumb` mean, which is never.

    >>> colour({"NO_COLOR": "1", "FORCE_COLOR": "1"}), colour({"FORCE_COLOR": "1", "CI": "true"}), colour({})
    (False, True, None)
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return False if environment.get("CI") or environment.get("TERM") == "dumb" else None


def is_interactive() -> bool:
    """Whether a person can be asked: both ends are a terminal, and this is no CI."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")


def print_json(value: Any) -> None:
    """One JSON document on standard output; moments as ISO 8601, paths as text."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> str:
    moment = getattr(value, "isoformat", None)
    return str(moment()) if moment is not None else str(value)


def print_table(rows: Sequence[Mapping[str, Any]], *, nothing: str = "nothing yet") -> None:
    """Columns as wide as what is in them, under their names, the empty ones left out; `nothing` without a row."""
    if not rows:
        click.echo(nothing)
        return
    names = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(line[place]) for line in [names, *cells]) for place in range(len(names))]
    click.echo(click.style(_line(names, widths), bold=True))
    for line in cells:
        click.echo(_line(line, widths))


def there_is_more(limit: int) -> None:
    """Say that a list ended before its end."""
    click.echo(f"the first {limit}; there is more: --limit", err=True)


def local(moment: datetime) -> str:
    """A moment as people's clocks here show it, and as `--since` and `--as-of` take it.

    >>> import re
    >>> from datetime import UTC, datetime
    >>> bool(re.fullmatch("2026-03-01T..:..:15", local(datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC))))
    True
    """
    return moment.astimezone().isoformat()[:19]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cell(value: Any) -> str:
    return "" if value is None else one_line(str(value))


def one_line(text: str) -> str:
    r"""The text with what would move the cursor escaped.

    >>> one_line("a\nb\x1b[31m")
    'a\\nb\\x1b[31m'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
