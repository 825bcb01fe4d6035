"""Records and lists of them as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape

from lamin_core.runtime.printable import printable

_CELL = 'style="text-align:left"'


def table(names: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> str:
    """A table with a row of names above, and a note below.

    >>> "&lt;b&gt;" in table(["a"], [["<b>"]], "1 of 2")
    True
    """
    head = "".join(f"<th {_CELL}>{_shown(name)}</th>" for name in names)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    below = f"<small>{_shown(note)}</small>" if note else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def facts(title: str, values: Mapping[str, object]) -> str:
    """A title, and a row for each name with its value; what is None is left out."""
    rows = "".join(
        f"<tr><th {_CELL}>{_shown(name)}</th>{_cells([value])}</tr>"
        for name, value in values.items()
        if value is not None
    )
    return f"<strong>{_shown(title)}</strong><table><tbody>{rows}</tbody></table>"


def _cells(row: Iterable[object]) -> str:
    return "".join(f"<td {_CELL}>{_shown(value)}</td>" for value in row)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        value = value.isoformat(sep=" ", timespec="seconds")
    return "" if value is None else escape(printable(str(value)))
