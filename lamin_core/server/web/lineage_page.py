"""The lineage around an artifact or a run as a page: drawn by the server, each box a link.

All of its state is in the URL, so that a drawing can be mailed, works without a script, and is the same as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache, partial
from itertools import islice
from typing import Literal
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Engine, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.lineage.aggregate import (
    BADLY,
    MOST,
    Aggregate,
    Group,
    Level,
    aggregate,
    by_age,
    uid_of,
)
from lamin_core.lineage.graph import Graph, uncollected, walk
from lamin_core.lineage.selection import Expression, parse, restricted, selected
from lamin_core.lineage.summary import Neighbourhood, Scope, Summary, neighbourhood, summary
from lamin_core.lineage.view import artifact_view, view
from lamin_core.models import (
    Artifact,
    ArtifactULabel,
    Run,
    RunULabel,
    Transform,
    TransformULabel,
    ULabel,
)
from lamin_core.server.endpoint import Parameter, choice, number, timestamp
from lamin_core.server.web.lineage_drawing import drawing, page_of, row
from lamin_core.server.web.page import Data, Page
from lamin_core.server.web.recent_graphs import CommitWatch, RecentGraphs
from lamin_core.server.web.templates import linked

LIMIT = 5_000
"""Nodes of a graph that a page reads, the nearest first."""
WORKFLOW_LIMIT = 100_000
"""The same around a workflow, whose jobs are groups."""
MOST_BOXES = 5_000
_LISTED = 200
"""Rows of a table on the page; JSON and CSV have all."""
_STEPS, _WORKFLOW_STEPS = 4, 1
"""Steps from an artifact to a run or back, each way, and from the jobs of a workflow."""
_FURTHER = 2
"""Steps that are added where a node is followed further."""
_MOST_FURTHER = 12
Towards = tuple[Literal["up", "down"], str]


@dataclass(frozen=True, slots=True)
class Start:
    """The start of the graph: its nodes (artifacts by primary key, runs by its negative), and its own page."""

    nodes: tuple[int, ...]
    kind: str
    uid: str
    name: str
    version: str | None
    """The version of the database when it was read."""

    @property
    def path(self) -> str:
        """The URL of its own page."""
        return f"/{self.kind}/{self.uid}"


@dataclass(frozen=True, slots=True)
class Options:
    """The parameters of a drawing in the URL."""

    up: int | None
    down: int | None
    as_of: datetime | None
    failed: str
    group: Level
    boxes: int
    expand: tuple[str, ...]
    further: tuple[Towards, ...]
    select: str | None

    @property
    def is_plain(self) -> bool:
        """Whether the groups around a workflow can be counted by the database."""
        steps = {None, _WORKFLOW_STEPS}
        is_near = self.up in steps and self.down in steps and not self.further
        return is_near and self.group == "step" and self.select is None

    def query(self) -> dict[str, str]:
        """The view as parameters of a URL, without those that have their default."""
        values: dict[str, object] = {
            "up": self.up, "down": self.down, "failed": self.failed, "group": self.group, "boxes": self.boxes,
            "as_of": None if self.as_of is None else self.as_of.isoformat(), "select": self.select,
            "expand": ",".join(self.expand), "further": ",".join(map(":".join, self.further)),
        }  # fmt: skip
        defaults = {parameter.name: parameter.default for parameter in _PARAMETERS}
        return {
            name: str(value)
            for name, value in values.items()
            if value not in (None, "", defaults[name])
        }


class _Recent:
    """The graphs that were read last from one database."""

    def __init__(self, engine: Engine) -> None:
        self.watch = CommitWatch(engine)
        self.steps = RecentGraphs[tuple[int, ...]](len)
        self.neighbourhoods = RecentGraphs[Neighbourhood](
            lambda around: len(around.starts) + around.artifact_count
        )
        self.summaries = RecentGraphs[tuple[frozenset[int], Summary | None]](
            lambda item: len(item[0])
        )
        self.graphs = RecentGraphs[Graph](lambda graph: len(graph.artifacts) + len(graph.runs))


_of_engine: WeakKeyDictionary[Engine, _Recent] = WeakKeyDictionary()


def _recent(session: Session) -> _Recent:
    engine = session.get_bind().engine
    if engine not in _of_engine:
        _of_engine[engine] = _Recent(engine)
    return _of_engine[engine]


def artifact_lineage(session: Session, *, uid: str, **options: object) -> Data:
    """The graph around an artifact: five statements."""
    recent = _recent(session)
    record = session.execute(
        select(Artifact.id, Artifact.uid, Artifact.key, recent.watch.version()).where(
            Artifact.uid == uid
        )
    ).first()
    if record is None:
        raise NotFound(f"no artifact has the uid {uid!r}", hint="look for it with the search")
    start = Start((record[0],), "artifact", record[1], record[2] or record[1], record[3])
    return _page(session, start, Options(**options), LIMIT)  # type: ignore[arg-type]


def run_lineage(session: Session, *, uid: str, **options: object) -> Data:
    """The graph around a run, and around its steps if it is a workflow: six statements."""
    recent = _recent(session)
    part = aliased(Run)
    has_parts = select(part.id).where(part.parent_id == Run.id).exists()
    record = session.execute(
        select(Run.id, Run.uid, Transform.key, recent.watch.version(), has_parts)
        .join(Transform, Run.transform_id == Transform.id)
        .where(or_(Run.uid == uid, Run.external_id == uid))
    ).first()
    if record is None:
        raise NotFound(f"no run has the uid {uid!r}", hint="look for it with the search")
    identity, version = record[0], record[3]
    start = Start((-identity,), "run", record[1], f"run of {record[2]}", version)
    chosen = Options(**options)  # type: ignore[arg-type]
    if not record[4]:
        return _page(session, start, chosen, LIMIT)
    if not chosen.is_plain:
        steps = recent.steps.read(identity, version, partial(_with_steps, session, identity))
        return _page(session, replace(start, nodes=steps), chosen, WORKFLOW_LIMIT)
    scope = Scope(
        chosen.as_of, chosen.failed == "on", chosen.expand, chosen.boxes, _LISTED, WORKFLOW_LIMIT
    )
    read = partial(_summary, session, identity, version, scope)
    starts, drawn = recent.summaries.read((identity, scope), version, read)
    start = replace(start, nodes=tuple(sorted(starts, reverse=True)))
    if drawn is None:
        return _page(session, start, chosen, WORKFLOW_LIMIT)
    return _summarized(session, start, chosen, drawn)


def _summary(
    session: Session, run: int, version: str | None, scope: Scope
) -> tuple[frozenset[int], Summary | None]:
    recent = _recent(session)
    read = partial(neighbourhood, session, run, scope.as_of, failed=scope.failed)
    with uncollected():
        around = recent.neighbourhoods.read((run, scope.as_of, scope.failed), version, read)
        return summary(session, run, scope, around)


def _summarized(session: Session, start: Start, options: Options, drawn: Summary) -> Data:
    graph = cache(partial(_graph, session, start, options, WORKFLOW_LIMIT))
    starts = frozenset(start.nodes)
    nearest = [_affected_row(drawn.graph, *item) for item in drawn.below.items()]
    return {
        **_shown(start, options, drawn.graph, drawn.groups, starts),
        "counts": {"artifacts": drawn.artifacts, "runs": drawn.runs},
        "truncated": False,
        "since": drawn.since,
        "until": drawn.until,
        "graph": lambda: view(graph()),
        "affected": lambda: list(_affected(graph(), _steps_below(graph(), starts).items())),
        "_nearest": nearest,
        "_hidden": drawn.total_below - len(nearest),
    }


def _with_steps(session: Session, run: int) -> tuple[int, ...]:
    """The nodes of this run, and of all that are a part of it: one statement."""
    parts = select(literal(run, BigInteger).label("id")).cte("parts", recursive=True)
    parts = parts.union(select(Run.id).join(parts, Run.parent_id == parts.c.id))
    nodes = session.scalars(select(parts.c.id).limit(WORKFLOW_LIMIT))
    return tuple(-part for part in sorted(nodes))


def _page(session: Session, start: Start, options: Options, limit: int) -> Data:
    with uncollected():
        return _lineage(session, start, options, limit)


def _lineage(session: Session, start: Start, options: Options, limit: int) -> Data:
    graph = _graph(session, start, options, limit)
    starts = frozenset(start.nodes)
    shown, around = graph, list(start.nodes)
    if options.select is not None:
        shown = _selected(session, graph, parse(options.select))
        around = [*shown.artifacts, *(-run for run in shown.runs)]
    groups = aggregate(
        shown, around, level=options.group, expanded=options.expand, most=options.boxes
    )
    depths = _steps_below(graph, starts)
    return {
        **_shown(start, options, shown, groups, starts),
        "counts": {"artifacts": len(graph.artifacts), "runs": len(graph.runs)},
        "truncated": graph.truncated,
        "since": min((run.started_at for run in graph.runs.values() if run.started_at), default=None),
        "until": max((run.finished_at for run in graph.runs.values() if run.finished_at), default=None),
        "graph": lambda: view(graph),
        "affected": lambda: list(_affected(graph, depths.items())),
        "_nearest": list(_affected(graph, islice(depths.items(), _LISTED))),
        "_hidden": max(0, len(depths) - _LISTED),
    }  # fmt: skip


def _shown(
    start: Start, options: Options, graph: Graph, groups: Aggregate, starts: frozenset[int]
) -> Data:
    """The groups and their drawing, and the state of the page; the graph has the facts of what is shown."""
    here = f"{start.path}/lineage"
    expand = {
        group.token: linked(here, **_expanding(options, group)) for group in groups.groups.values()
    }
    up, down = _steps(start, options)
    return {
        "start": {"kind": start.kind, "uid": start.uid, "name": start.name, "path": start.path},
        "up": up,
        "down": down,
        **{name: getattr(options, name) for name in ("as_of", "failed", "group", "boxes", "select")},
        "aggregate": groups.view,
        "_rows": list(_rows(graph, groups, here, options)),
        "_query": options.query(),
        "_drawing": drawing(graph, groups, starts, expand),
    }  # fmt: skip


def _steps(start: Start, options: Options) -> tuple[int, int]:
    """Steps up and down."""
    default = _STEPS if len(start.nodes) == 1 else _WORKFLOW_STEPS
    return (
        default if options.up is None else options.up,
        default if options.down is None else options.down,
    )


def _graph(session: Session, start: Start, options: Options, limit: int) -> Graph:
    """The graph around the start, and around each node that is followed further."""
    up, down = _steps(start, options)
    key = (start.kind, start.uid, up, down, options.as_of)
    walking = partial(_walked, session, start.nodes, up, down, options.as_of, limit)
    graph = _recent(session).graphs.read(key, start.version, walking)
    for direction, uid in options.further:
        groups = aggregate(graph, start.nodes, level=options.group, most=limit)
        nodes = _group_with(graph, groups, uid)
        if nodes:
            steps = {"up": (_FURTHER, 0), "down": (0, _FURTHER)}[direction]
            graph = _joined(graph, _walked(session, nodes, *steps, options.as_of, LIMIT))
    return _without_failed(graph, frozenset(start.nodes)) if options.failed == "off" else graph


def _walked(
    session: Session,
    nodes: Iterable[int],
    up: int,
    down: int,
    as_of: datetime | None,
    limit: int,
) -> Graph:
    nodes = list(nodes)
    return walk(
        session,
        artifacts=[node for node in nodes if node > 0],
        runs=[-node for node in nodes if node < 0],
        up=up,
        down=down,
        as_of=as_of,
        limit=limit,
    )


def _group_with(graph: Graph, groups: Aggregate, uid: str) -> tuple[int, ...]:
    """The members of the group with this node."""
    for node, first in groups.group_of.items():
        if uid_of(graph, node) == uid:
            return groups.groups[first].members
    return ()


def _joined(graph: Graph, other: Graph) -> Graph:
    """The union of both graphs."""
    return Graph(
        {**graph.artifacts, **other.artifacts},
        {**graph.runs, **other.runs},
        list(dict.fromkeys([*graph.edges, *other.edges])),
        list(dict.fromkeys([*graph.dependencies, *other.dependencies])),
        list(dict.fromkeys([*graph.contains, *other.contains])),
        graph.origins | other.origins,
        graph.truncated or other.truncated,
    )


def _without_failed(graph: Graph, starts: frozenset[int]) -> Graph:
    """The graph without the runs that ended badly, except a start that is a single run."""
    spared = starts if len(starts) == 1 else frozenset[int]()
    hidden = {-key for key, run in graph.runs.items() if run.status in BADLY} - spared
    if not hidden:
        return graph
    return restricted(graph, {*graph.artifacts, *(-run for run in graph.runs)} - hidden)


def _selected(session: Session, graph: Graph, expression: Expression) -> Graph:
    return restricted(
        graph, selected(graph, expression, lambda pattern: _labelled(session, graph, pattern))
    )


def _labelled(session: Session, graph: Graph, pattern: str) -> set[int]:
    """The nodes of the graph with a label of this name, runs by their code too: one statement."""
    codes = {run.transform_uid: [] for run in graph.runs.values()}  # type: dict[str, list[int]]
    for run in graph.runs.values():
        codes[run.transform_uid].append(-run.id)
    parts = (
        select(literal("artifact"), ArtifactULabel.artifact_id, literal(""), ULabel.name).join(
            ULabel, ArtifactULabel.ulabel_id == ULabel.id
        ),
        select(literal("run"), RunULabel.run_id, literal(""), ULabel.name).join(
            ULabel, RunULabel.ulabel_id == ULabel.id
        ),
        select(literal("transform"), Transform.id, Transform.uid, ULabel.name)
        .join(TransformULabel, TransformULabel.transform_id == Transform.id)
        .join(ULabel, TransformULabel.ulabel_id == ULabel.id),
    )
    like = re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
    fits = ULabel.name.ilike(like, escape="\\")
    nodes: set[int] = set()
    for kind, key, uid, name in session.execute(union_all(*(part.where(fits) for part in parts))):
        if fnmatchcase(name.lower(), pattern):
            nodes |= (
                {key} if kind == "artifact" else {-key} if kind == "run" else {*codes.get(uid, ())}
            )
    return nodes


def _expanding(options: Options, group: Group) -> dict[str, str]:
    return replace(options, expand=(*options.expand, group.token)).query()


def _rows(shown: Graph, groups: Aggregate, here: str, options: Options) -> Iterator[Data]:
    """The boxes of the drawing, each with its links."""
    for group in islice(groups.groups.values(), _LISTED):
        token, links = group.token, {}
        if len(group.members) > 1:
            links["expand"] = (*options.expand, token)
        if group.expanded is not None:
            links["fold"] = tuple(item for item in options.expand if item != group.expanded)
        actions = {
            name: linked(here, **replace(options, expand=expand).query())
            for name, expand in links.items()
        }
        for direction in ("up", "down"):
            further = replace(options, further=(*options.further, (direction, token)))
            if len(further.further) <= _MOST_FURTHER:
                actions[f"further {direction}"] = linked(here, **further.query())
        yield {**row(shown, group), "actions": actions}


def _steps_below(graph: Graph, starts: frozenset[int]) -> Mapping[int, int]:
    """The nodes downstream of the starts, nearest first, with their distance in steps."""
    below: dict[int, list[int]] = {}
    for lower, upper in graph.links():
        below.setdefault(upper, []).append(lower)
    steps, frontier, depth = dict.fromkeys(starts, 0), list(starts), 0
    while frontier:
        depth += 1
        reached = {node for upper in frontier for node in below.get(upper, ())}
        frontier = sorted(reached - steps.keys(), key=by_age)
        steps |= dict.fromkeys(frontier, depth)
    return {node: depth for node, depth in steps.items() if depth}


def _affected(graph: Graph, steps: Iterable[tuple[int, int]]) -> Iterator[Data]:
    return (_affected_row(graph, node, depth) for node, depth in steps)


def _affected_row(graph: Graph, node: int, depth: int) -> Data:
    """A row for any kind of node: the same columns, so that all stand in one table."""
    if node > 0:
        artifact = artifact_view(graph.artifacts[node])
        names = ("uid", "key", "path", "size")
        facts = {name: artifact[name] for name in names}
        return {"steps": depth, "kind": "artifact", **facts, "status": None, "engine": None}
    run = graph.runs[-node]
    kind = page_of(graph, node).split("/")[1]
    facts = {"uid": run.uid, "key": run.transform_key, "path": None, "size": None}
    return {"steps": depth, "kind": kind, **facts, "status": run.status, "engine": run.engine}


def _uids(name: str, says: str) -> Parameter:
    """Uids with commas between them."""

    def read(raw: str) -> tuple[str, ...]:
        if not re.fullmatch(r"[A-Za-z0-9]{1,40}(,[A-Za-z0-9]{1,40}){0,99}", raw):
            raise InvalidArgument(
                f"{name} is not a list of uids: {raw[:40]!r}", hint=f"{name}=UID,UID"
            )
        return tuple(dict.fromkeys(raw.split(",")))

    return Parameter(name, says, read, {"type": "string"}, ())


def _further() -> Parameter:
    def read(raw: str) -> tuple[Towards, ...]:
        if not re.fullmatch(r"(?:(?:up|down):[A-Za-z0-9]{1,40}(?:,|\Z)){1,12}", raw):
            raise InvalidArgument(
                f"not at most {_MOST_FURTHER} directions: further={raw[:40]!r}",
                hint="further=up:UID,down:UID",
            )
        pairs = [item.split(":") for item in raw.strip(",").split(",")]
        return tuple(("up" if name == "up" else "down", uid) for name, uid in pairs)

    says = "Nodes that are followed two steps further: up:UID,down:UID."
    return Parameter("further", says, read, {"type": "string"}, ())


def _selection() -> Parameter:
    def read(raw: str) -> str:
        parse(raw)
        return raw

    says = "What is drawn: +NAME, NAME+2, tag:NAME, engine:NAME, and, or, not."
    return Parameter("select", says, read, {"type": "string"})


_PARAMETERS = (
    replace(
        number("up", "Steps towards the sources; 4, around a workflow 1.", 4, 0, 200), default=None
    ),
    replace(
        number("down", "Steps towards what hangs on it; 4, around a workflow 1.", 4, 0, 200),
        default=None,
    ),
    timestamp("as_of", "As it was known then."),
    choice("failed", "Whether failed runs are shown.", ["on", "off"], "on"),
    choice("group", "What one box stands for.", ["step", "workflow", "code", "none"], "step"),
    number("boxes", "Boxes at most, the nearest.", MOST, 1, MOST_BOXES),
    _uids("expand", "The groups with these nodes are shown as their members."),
    _further(),
    _selection(),
)
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
