"""The groups of a lineage as boxes: name and number, state and time, and where each leads to."""

from __future__ import annotations

from collections.abc import Mapping

from lamin_core.lineage.aggregate import BADLY, Aggregate, Group, uid_of
from lamin_core.lineage.graph import Graph
from lamin_core.lineage.summary import SHOWN_MEMBERS
from lamin_core.lineage.view import path_of
from lamin_core.render.display import LETTERS
from lamin_core.render.drawing import Drawing
from lamin_core.render.svg import Box, engine_class
from lamin_core.runtime.printable import printable
from lamin_core.runtime.text import duration
from lamin_core.server.web.page import Data
from lamin_core.server.web.templates import size
from lamin_core.uids import VERSION_LENGTH


def drawing(graph: Graph, groups: Aggregate, starts: frozenset[int], expand: Mapping[str, str]) -> Drawing:  # fmt: skip
    """The boxes and links.

    Args:
        graph: what the groups are of.
        groups: what is drawn.
        starts: the nodes that the page is about, which are drawn thicker.
        expand: for each token of a group the URL of the page with the group expanded.
    """
    boxes = {
        first: box(graph, group, expand.get(group.token, ""), is_start=first in starts)
        for first, group in groups.groups.items()
    }
    drawn, total = len(groups.groups), groups.total
    note = f"{drawn:,} of {total:,} boxes; up=, down= and boxes= change that"
    members = {first: len(group.members) for first, group in groups.groups.items()}
    return Drawing(boxes, list(groups.links), note if drawn < total else "", members)


def box(graph: Graph, group: Group, expand: str, *, is_start: bool) -> Box:
    """The box of a group; a group of several leads to itself expanded, a single node to its page."""
    several = len(group.members) > 1
    name = f"{_cut(group.name, LETTERS - 9)} x {len(group.members):,}" if several else group.name
    total = sum(group.states.values())
    return Box(
        _cut(name, LETTERS),
        _cut(detail(group), LETTERS + 10),
        _title(graph, group),
        _classes(group) + " start" * is_start,
        href=expand if several and expand else page_of(graph, group.members[0]),
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
    lines += [_member(graph, node) for node in group.members[:SHOWN_MEMBERS]]
    return "\n".join([*lines, *["..."][: len(group.members) > SHOWN_MEMBERS]])


def _member(graph: Graph, node: int) -> str:
    if node > 0:
        artifact = graph.artifacts[node]
        has_key = artifact.key is not None and artifact.root != "/"
        return artifact.key or "" if has_key else path_of(artifact)
    run = graph.runs[-node]
    if run.is_declared:
        return f"job {run.transform_key} is declared; no run of it has read or written anything"
    return f"{run.status} {run.name or run.transform_key} {run.error or ''}".rstrip()


def page_of(graph: Graph, node: int) -> str:
    """The path of the page of a node."""
    kind = "artifact" if node > 0 else "transform" if graph.runs[-node].is_declared else "run"
    return f"/{kind}/{uid_of(graph, node)}"


def _cut(text: str, letters: int) -> str:
    """The end of the name, by which files and steps are distinguished."""
    text = printable(text)
    return text if len(text) <= letters else f"…{text[1 - letters :]}"


def row(graph: Graph, group: Group) -> Data:
    """A group for the table below the drawing."""
    return {
        **group.view(),
        "detail": detail(group),
        "page": page_of(graph, group.members[0]),
        "members": [
            {"page": page_of(graph, node), "name": _member(graph, node)}
            for node in group.members[:SHOWN_MEMBERS]
        ],
    }
