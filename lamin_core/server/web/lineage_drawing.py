"""The groups of a lineage on its page: where each box leads to, and the rows of the table below."""

from __future__ import annotations

from collections.abc import Mapping

from lamin_core.lineage.aggregate import SHOWN_MEMBERS, Aggregate, Group, uid_of
from lamin_core.lineage.graph import Graph
from lamin_core.render.drawing import Drawing
from lamin_core.render.groups import detail, group_box, member_title
from lamin_core.render.svg import Box
from lamin_core.server.web.page import Data


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
    href = expand if several and expand else page_of(graph, group.members[0])
    return group_box(graph, group, href=href, is_start=is_start)


def page_of(graph: Graph, node: int) -> str:
    """The path of the page of a node."""
    kind = "artifact" if node > 0 else "transform" if graph.runs[-node].is_declared else "run"
    return f"/{kind}/{uid_of(graph, node)}"


def row(graph: Graph, group: Group) -> Data:
    """A group for the table below the drawing."""
    return {
        **group.view(),
        "detail": detail(group),
        "page": page_of(graph, group.members[0]),
        "members": [
            {"page": page_of(graph, node), "name": member_title(graph, node)}
            for node in group.members[:SHOWN_MEMBERS]
        ],
    }
