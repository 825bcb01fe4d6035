"""Output of commands: JSON for programs, tables for people, colour where the terminal and the user want it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from lamin_core.cli.streams import STANDARD_OUTPUT, discard
from lamin_core.runtime.printable import printable, printable_json, printable_lines, printable_path
from lamin_core.runtime.timestamps import parse_time

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
"""The option that every command which reads has."""

LIMIT = click.IntRange(1, 2**31 - 1)
"""How many records may be asked for: one more still fits what databases count with."""


def colour(environment: Mapping[str, str]) -> bool | None:
    """Whether to colour: never, always, or (None) where the stream is a terminal.

    `NO_COLOR` wins over `FORCE_COLOR`, and that over what `CI` and `TERM=dumb` mean, which is
    never.

    >>> colour({"NO_COLOR": "1", "FORCE_COLOR": "1"}), colour({"FORCE_COLOR": "1", "CI": "true"}), colour({})
    (False, True, None)
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return False if environment.get("CI") or environment.get("TERM") == "dumb" else None


@dataclass(frozen=True, slots=True)
class Styled:
    """A piece of text in a colour, or bold."""

    text: str
    fg: str | None = None
    bold: bool = True


def echo(*parts: object, err: bool = False, nl: bool = True) -> None:
    """Print the parts, one after the other, with what a terminal would obey as escapes: colours are `Styled` parts.

    Everything that a command prints for people goes through here. What standard error does not take
    is lost: it must not end a command, nor change its exit code.
    """
    text = "".join(map(_shown, parts))
    with contextlib.suppress(OSError) if err else standard_output():
        click.echo(text, err=err, nl=nl, color=colour(os.environ))


@contextlib.contextmanager
def standard_output() -> Iterator[None]:
    """Let an error of writing say that it was standard output that could not be written."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, STANDARD_OUTPUT) from error


def echo_done(uid: str, *, done: str) -> None:
    """Print the uid of what was made, and to people what was done.

    Standard output that is closed (`>&-`) is nobody's loss then; where it is full, the error says
    what was done all the same.
    """
    try:
        echo(uid)
    except OSError as error:
        if error.errno != errno.EBADF:
            echo(f"{done}: {uid}", err=True)
            raise
        discard(sys.stdout)
    echo(done, err=True)


def echo_path(path: object) -> None:
    """Print a path for other programs, as in `head "$(lamin load a.csv)"`: only control characters are escaped."""
    with standard_output():
        click.echo(printable_path(path))


def _shown(part: object) -> str:
    if isinstance(part, Styled):
        return click.style(printable(part.text), fg=part.fg, bold=part.bold or None)
    return printable_lines(part)


def is_interactive() -> bool:
    """Whether the command can ask a person: input and output are a terminal, and this is not CI."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")


def print_json(value: Any) -> None:
    """One JSON document on standard output; moments as ISO 8601, paths as text."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    # In other encodings a letter may be lacking, and what stands for it would be no JSON.
    document = json.dumps(value, default=_plain, ensure_ascii=not encoding.startswith("utf"))
    with standard_output():
        click.echo(printable_json(document))


def _plain(value: Any) -> str:
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()) if isoformat is not None else str(value)


def print_table(rows: Sequence[Mapping[str, Any]], *, nothing: str = "nothing yet") -> None:
    """Columns as wide as what is in them, under their names, the empty ones left out; `nothing` without a row."""
    if not rows:
        echo(nothing)
        return
    names = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in [names, *cells]) for column in range(len(names))]
    echo(Styled(_line(names, widths)))
    for line in cells:
        echo(_line(line, widths))


def there_is_more(limit: int) -> None:
    """Say that a list ended before its end."""
    echo(f"the first {limit}; there is more: --limit", err=True)


def time_option(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> datetime | None:
    """The time that an option names: a moment, or how long ago."""
    return None if value is None else parse_time(value)


def local(timestamp: datetime) -> str:
    """A moment as people's clocks here show it, and as `--since` and `--as-of` take it.

    >>> import re
    >>> from datetime import UTC, datetime
    >>> bool(re.fullmatch("2026-03-01T..:..:15", local(datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC))))
    True
    """
    return timestamp.astimezone().isoformat()[:19]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cell(value: Any) -> str:
    return "" if value is None else printable(value)
