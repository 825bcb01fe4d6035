"""Groups of a lineage as boxes: name and number, state and time, for the web pages and for files."""

from __future__ import annotations

from lamin_core.lineage.aggregate import BADLY, SHOWN_MEMBERS, Group
from lamin_core.lineage.graph import Graph
from lamin_core.lineage.view import path_of
from lamin_core.render.display import LETTERS
from lamin_core.render.svg import Box, engine_class
from lamin_core.runtime.printable import printable
from lamin_core.runtime.text import duration, size
from lamin_core.uids import VERSION_LENGTH


def group_box(graph: Graph, group: Group, *, href: str = "", is_start: bool = False) -> Box:
    """The box of a group, with a bar of the states of its runs.

    Args:
        graph: The graph that the group is a part of.
        group: One or several nodes.
        href: The target of the link of the box.
        is_start: Whether it is drawn thicker.
    """
    several = len(group.members) > 1
    name = f"{_cut(group.name, LETTERS - 9)} x {len(group.members):,}" if several else group.name
    total = sum(group.states.values())
    return Box(
        _cut(name, LETTERS),
        _cut(detail(group), LETTERS + 10),
        _title(graph, group),
        _classes(group) + " start" * is_start,
        href=href,
        token=group.token,
        bar=tuple((state, count / total) for state, count in group.states.items()),
    )


def detail(group: Group) -> str:
    """The second line: engine, states and time of runs, bytes of artifacts."""
    if group.kind == "artifact":
        version = "" if len(group.members) > 1 else f"v{group.token[-VERSION_LENGTH:]}"
        return " · ".join(filter(None, (version, size(group.size))))
    if not group.states:
        return ""
    states = [f"{count:,} {state}" for state, count in group.states.items()]
    if sum(group.states.values()) == 1:
        states = list(group.states)
    took = [] if group.seconds is None else [duration(group.seconds)]
    return " · ".join([group.engine or "", ", ".join(states), *took])


def member_title(graph: Graph, node: int) -> str:
    """The line of one node: the path of an artifact, the state, name and error of a run."""
    if node > 0:
        artifact = graph.artifacts[node]
        has_key = artifact.key is not None and artifact.root != "/"
        return artifact.key or "" if has_key else path_of(artifact)
    run = graph.runs[-node]
    if run.is_declared:
        return f"job {run.transform_key} is declared; no run of it has read or written anything"
    return f"{run.status} {run.name or run.transform_key} {run.error or ''}".rstrip()


def _classes(group: Group) -> str:
    several = " group" if len(group.members) > 1 else ""
    if group.kind == "artifact":
        return f"artifact{several}"
    badly = " failed" if any(state in group.states for state in BADLY) else ""
    is_open = " open" if "running" in group.states else ""
    return f"run{badly}{is_open} {engine_class(group.engine or '')}{several}"


def _title(graph: Graph, group: Group) -> str:
    lines = [f"{group.name} x {len(group.members):,}"] if len(group.members) > 1 else []
    if group.compute_seconds is not None and len(group.members) > 1:
        lines.append(f"{duration(group.compute_seconds)} of runs in all")
    lines += [member_title(graph, node) for node in group.members[:SHOWN_MEMBERS]]
    return "\n".join([*lines, *["..."][: len(group.members) > SHOWN_MEMBERS]])


def _cut(text: str, letters: int) -> str:
    """The end of the name, by which files and steps are distinguished."""
    text = printable(text)
    return text if len(text) <= letters else f"…{text[1 - letters :]}"
