"""The lineage around an artifact or a run as a page: drawn by the server, each box a link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lamin_core.enums import RunStatus
from lamin_core.errors import NotFound
from lamin_core.lineage.graph import Graph, Node, walk
from lamin_core.lineage.view import artifact_view, view
from lamin_core.models import Artifact, Run, Transform
from lamin_core.render.drawing import Drawing, Lineage
from lamin_core.server.endpoint import choice, number, timestamp
from lamin_core.server.web.page import Data, Page

LIMIT = 5_000
"""Nodes of a graph that a page reads, the nearest first."""
_BADLY = (RunStatus.FAILED, RunStatus.ABORTED, RunStatus.LOST)


@dataclass(frozen=True, slots=True)
class Start:
    """What the graph is around."""

    node: Node
    uid: str
    name: str
    path: str
    """Its own page."""


def artifact_lineage(session: Session, *, uid: str, **options: object) -> Data:
    """The graph around an artifact: six statements."""
    row = session.execute(
        select(Artifact.id, Artifact.uid, Artifact.key).where(Artifact.uid == uid)
    ).first()
    if row is None:
        raise NotFound(f"no artifact has the uid {uid!r}", hint="look for it with the search")
    start = Start(("artifact", row[0]), row[1], row[2] or row[1], f"/artifact/{row[1]}")
    return _page(session, start, **options)  # type: ignore[arg-type]


def run_lineage(session: Session, *, uid: str, **options: object) -> Data:
    """The graph around a run: six statements."""
    row = session.execute(
        select(Run.id, Run.uid, Transform.key)
        .join(Transform, Run.transform_id == Transform.id)
        .where(or_(Run.uid == uid, Run.external_id == uid))
    ).first()
    if row is None:
        raise NotFound(f"no run has the uid {uid!r}", hint="look for it with the search")
    start = Start(("run", row[0]), row[1], f"run of {row[2]}", f"/run/{row[1]}")
    return _page(session, start, **options)  # type: ignore[arg-type]


def _page(
    session: Session,
    start: Start,
    *,
    up: int,
    down: int,
    as_of: datetime | None,
    failed: str,
    group: str,
) -> Data:
    kind, key = start.node
    graph = walk(
        session,
        artifacts=[key] if kind == "artifact" else (),
        runs=[key] if kind == "run" else (),
        up=up,
        down=down,
        as_of=as_of,
        limit=LIMIT,
    )
    if failed == "off":
        graph = _without_failed(graph, start.node)
    around = Lineage.around(graph, [start.node], by_code=group == "code")
    drawing = around.drawing()
    return {
        "start": {"kind": kind, "uid": start.uid, "name": start.name, "path": start.path},
        "up": up,
        "down": down,
        "as_of": as_of,
        "failed": failed,
        "group": group,
        "graph": view(graph),
        "affected": _affected(graph, start.node),
        "_drawing": drawing,
        "_linked": _linked_drawing(around, drawing),
    }


def _without_failed(graph: Graph, start: Node) -> Graph:
    """The graph without the runs that ended badly, except the start, and without their links."""
    hidden = {run for run, node in graph.runs.items() if node.status in _BADLY}
    hidden -= {start[1]} if start[0] == "run" else set()
    if not hidden:
        return graph
    return replace(
        graph,
        runs={key: node for key, node in graph.runs.items() if key not in hidden},
        edges=[edge for edge in graph.edges if edge[0] not in hidden],
        dependencies=[wait for wait in graph.dependencies if not hidden & {wait[0], wait[1]}],
    )


def _linked_drawing(around: Lineage, drawing: Drawing) -> Drawing:
    """The drawing, each box with the URL of the page of what it shows; many runs of one code: of that."""
    boxes = {}
    for node, box in drawing.boxes.items():
        boxes[node] = replace(box, href=_href(around, node, drawing.members.get(node, 1)))
    return replace(drawing, boxes=boxes)


def _href(graph: Graph, node: int, members: int) -> str:
    if node > 0:
        return f"/artifact/{graph.artifacts[node].uid}"
    run = graph.runs[-node]
    if run.is_declared or members > 1:
        return f"/transform/{run.transform_uid}"
    return f"/run/{run.uid}"


def _affected(graph: Graph, start: Node) -> list[Data]:
    """What hangs on the start, the nearest first: a row for each artifact and each run."""
    below: dict[int, list[int]] = {}
    for lower, upper in graph.links():
        below.setdefault(upper, []).append(lower)
    begin = -start[1] if start[0] == "run" else start[1]
    steps, frontier = {begin: 0}, [begin]
    while frontier:
        reached = [node for upper in frontier for node in below.get(upper, ())]
        depth = steps[frontier[0]] + 1
        frontier = [node for node in dict.fromkeys(reached) if node not in steps]
        steps |= dict.fromkeys(frontier, depth)
    return [_affected_row(graph, node, depth) for node, depth in steps.items() if depth]


def _affected_row(graph: Graph, node: int, depth: int) -> Data:
    """A row for any kind of node: the same columns, so that all stand in one table."""
    if node > 0:
        artifact = artifact_view(graph.artifacts[node])
        names = ("uid", "key", "path", "size")
        row = {name: artifact[name] for name in names}
        return {"steps": depth, "kind": "artifact", **row, "status": None, "engine": None}
    run = graph.runs[-node]
    kind = "transform" if run.is_declared else "run"
    row = {"uid": run.uid, "key": run.transform_key, "path": None, "size": None}
    return {"steps": depth, "kind": kind, **row, "status": run.status, "engine": run.engine}


_PARAMETERS = (
    number("up", "Steps towards the sources.", 4, 0, 200),
    number("down", "Steps towards what hangs on it.", 4, 0, 200),
    timestamp("as_of", "As it was known then."),
    choice("failed", "Whether failed runs are shown.", ["on", "off"], "on"),
    choice("group", "One box for what plays the same part, or for a code.", ["alike", "code"], "alike"),
)  # fmt: skip
PAGES = tuple(
    Page(
        f"/{kind}/{{uid}}/lineage",
        answer,
        "lineage.html",
        _PARAMETERS,
        table="affected",
        drawing="_drawing",
        live=True,
    )
    for kind, answer in (("artifact", artifact_lineage), ("run", run_lineage))
)
