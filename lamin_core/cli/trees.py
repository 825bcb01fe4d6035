"""Trees of lineage for people: in colour, and as wide as the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable

from lamin_core.cli.output import Styled, echo
from lamin_core.lineage.graph import Graph
from lamin_core.render.text_width import beginning, cells, ending
from lamin_core.render.tree import Line

_FAILED = ("failed", "aborted", "lost")
_LEAST = 12
"""The width of a name in columns, at every depth."""


def print_lines(graph: Graph, lines: Iterable[Line]) -> None:
    """Print the lines of a tree; on a terminal what does not fit is cut, with `...` there."""
    width = terminal_width()
    for line in lines:
        echo(*_parts(graph, line if width is None else _fitted(line, width)))


def terminal_width() -> int | None:
    """The columns of the terminal; None where standard output is not a terminal, such as a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fitted(line: Line, width: int) -> Line:
    """The line cut to the width: of a path the beginning goes, of a run what comes last."""
    room = width - cells(line.indent)
    if cells(str(line)) <= width:
        return line
    if line.node[0] == "artifact":
        rest = cells(line.facts) + cells(line.remark)
        if room - rest >= _LEAST:
            return Line(
                line.indent, line.node, ending(line.name, room - rest), line.facts, line.remark
            )
        name = ending(line.name, max(room - cells(line.facts), _LEAST))
        remark = beginning(line.remark, max(room - cells(name) - cells(line.facts), 3))
        return Line(line.indent, line.node, name, line.facts, remark)
    facts = beginning(line.facts, max(room - cells(line.name) - cells(line.remark), _LEAST))
    return Line(line.indent, line.node, line.name, facts, line.remark)


def _parts(graph: Graph, line: Line) -> list[object]:
    kind, identity = line.node
    if kind == "artifact":
        is_outdated = "outdated" in line.remark
        remark = Styled(line.remark, "yellow", bold=is_outdated) if line.remark else ""
        return [line.indent, Styled(line.name, "cyan"), line.facts, remark]
    has_failed = graph.runs[identity].status in _FAILED
    colour = "red" if has_failed else None
    return [line.indent, line.name, Styled(line.facts, colour, bold=has_failed), line.remark]
