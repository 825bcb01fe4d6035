"""The graph around some nodes, upstream and downstream, read with four statements for any size.

Artifacts and runs are nodes. A run hangs on what it read; an artifact on the run that wrote it; a
run on a run it waited for; and a file on the folder it lies in, or a folder on the files in it,
where no run is known to have made it.
"""

from __future__ import annotations

import gc
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple

from sqlalchemy.orm import Session

from lamin_core.enums import RunStatus
from lamin_core.lineage import rows
from lamin_core.lineage.traversal import DECLARED, NODE_LIMIT, ROLLED_BACK, Reached, Way, reach

PUBLISHED = "published"
_NO_LIMIT = 2**40
Node = tuple[Literal["artifact", "run"], int]
"""A node, by kind and primary key."""


class ArtifactNode(NamedTuple):
    """An artifact version in the graph."""

    id: int
    uid: str
    key: str | None
    root: str
    real_key: str | None
    hash: str | None
    hash_type: str | None
    size: int | None
    n_files: int | None


class RunNode(NamedTuple):
    """A run in the graph, or a job that is declared to read or write datasets and has not run."""

    id: int
    uid: str
    external_id: str
    name: str | None
    engine: str
    parent_id: int | None
    status: str
    cached: bool
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    params_json: str | None
    error: str | None
    """The beginning of it."""
    transform_uid: str
    transform_key: str
    kind: str | None
    collection: str | None = None
    """The key of the collection whose members it chose; of several the last."""

    @property
    def params(self) -> dict[str, Any] | None:
        """The parameters of the run; read on first use, because most runs of a large graph do not need them."""
        params: dict[str, Any] | None = (
            None if self.params_json is None else json.loads(self.params_json)
        )
        return params

    @property
    def is_declared(self) -> bool:
        """Whether this is not a run but a job that is declared to read or write datasets."""
        return self.id > DECLARED

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it runs."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    def at(self, as_of: datetime) -> RunNode:
        """The graph at this time: a run that ended later was running."""
        if self.finished_at is None or self.finished_at <= as_of:
            return self
        return self._replace(status=RunStatus.RUNNING.value, finished_at=None, error=None)


@dataclass(frozen=True)
class Graph:
    """Artifacts, runs and edges, by primary key; edges are (run, artifact, direction, role)."""

    artifacts: dict[int, ArtifactNode] = field(default_factory=dict)
    runs: dict[int, RunNode] = field(default_factory=dict)
    edges: list[tuple[int, int, str, str | None]] = field(default_factory=list)
    dependencies: list[tuple[int, int, str]] = field(default_factory=list)
    contains: list[tuple[int, int]] = field(default_factory=list)
    origins: frozenset[tuple[int, int]] = frozenset()
    """For each pair in `contains`, the artifact, and the artifact that it comes from."""
    truncated: bool = False
    """Whether a limit left out what else there is."""

    @property
    def nodes(self) -> list[ArtifactNode | RunNode]:
        """All artifacts and runs of the graph."""
        return [*self.artifacts.values(), *self.runs.values()]

    @cached_property
    def makers(self) -> dict[int, set[int]]:
        """The runs that made each artifact; a flow that hands on what its task wrote is not counted beside the task."""
        producers: defaultdict[int, set[int]] = defaultdict(set)
        handed_on: defaultdict[int, set[int]] = defaultdict(set)
        for run, artifact, direction, role in self.edges:
            if direction == "output" and role != ROLLED_BACK:
                (handed_on if role == PUBLISHED else producers)[artifact].add(run)
        return {
            artifact: producers[artifact] or handed_on[artifact]
            for artifact in {*producers, *handed_on}
        }

    def shown_links(self, starts: Collection[int]) -> Iterator[tuple[int, int]]:
        """The links that people are shown: without those of runs that only handed on what a run of theirs made.

        Those of `starts` are shown. Artifacts by primary key, runs by its negative.
        """
        handed_on = {
            (artifact, -run)
            for run, artifact, direction, _ in self.edges
            if direction == "output" and run not in self.makers.get(artifact, ())
        }
        for below, above in self.links():
            if (below, above) not in handed_on or above in starts:
                yield below, above

    def links(self) -> Iterator[tuple[int, int]]:
        """What is below and what is above, for each step of a walk: artifacts by primary key, runs by its negative."""
        for run, artifact, direction, role in self.edges:
            if direction == "input":
                yield -run, artifact
            elif role != ROLLED_BACK:
                yield artifact, -run
        for run, source, _ in self.dependencies:
            yield -run, -source
        for folder, artifact in self.contains:
            if (artifact, folder) in self.origins:
                yield artifact, folder
            if (folder, artifact) in self.origins:
                yield folder, artifact


def walk(
    session: Session,
    *,
    artifacts: Iterable[int] = (),
    runs: Iterable[int] = (),
    up: int | None = None,
    down: int | None = None,
    as_of: datetime | None = None,
    limit: int = NODE_LIMIT,
) -> Graph:
    """The graph around these nodes: `up` and `down` count steps from node to node, None is all the way.

    With `as_of`, as it was known at that moment. At most `limit` nodes, the nearest, beside the
    runs above them; where there are more, the graph is `truncated`.
    """
    starts = [*artifacts, *(-run for run in runs)]
    with uncollected():
        return _walked(session, starts, up, down, as_of, limit)


@contextmanager
def uncollected() -> Iterator[None]:
    """Search for no garbage meanwhile: of a hundred thousand rows that all stay it finds none, in half of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _walked(
    session: Session,
    starts: Sequence[int],
    up: int | None,
    down: int | None,
    as_of: datetime | None,
    limit: int,
) -> Graph:
    neighbourhood = reach(session, starts, up=up, down=down, as_of=as_of, limit=limit)
    bare = _bare(session, neighbourhood.nodes, as_of)
    if not neighbourhood.counted:
        above, below = (
            _trimmed(bare, "up", starts, neighbourhood.up, up),
            _trimmed(bare, "down", starts, neighbourhood.down, down),
        )
        neighbourhood = neighbourhood._replace(up=above, down=below)
    more = neighbourhood.up.more or neighbourhood.down.more or len(neighbourhood.nodes) > limit
    return _filled(session, bare, neighbourhood.nodes[:limit], as_of, more)


def between(
    session: Session,
    source: Node,
    target: Node,
    *,
    as_of: datetime | None = None,
    limit: int = NODE_LIMIT,
) -> Graph:
    """All paths between two nodes, in either direction; without a path, an empty graph.

    Of more than `limit` nodes those of a shortest path, however long, and the nearest; the graph is
    then `truncated`. A limit never hides that there is a path.
    """
    ends = _signed(source), _signed(target)
    for top, bottom in (ends, ends[::-1]):
        above = _nodes_above(session, top, bottom, as_of, limit)
        if above is not None:
            return _paths(session, top, bottom, above, as_of, limit)
    return Graph()


def _nodes_above(
    session: Session, top: int, bottom: int, as_of: datetime | None, limit: int
) -> Reached | None:
    """The nodes upstream of the bottom, including the top; None if the top is not upstream at any distance."""
    nearest = reach(session, [bottom], down=0, as_of=as_of, limit=limit).up
    if top in nearest.nodes:
        return nearest
    if not nearest.more:
        return None
    ancestors = reach(session, [bottom], down=0, as_of=as_of, limit=_NO_LIMIT).up
    if top not in ancestors.nodes:
        return None
    descendants = {*reach(session, [top], up=0, as_of=as_of, limit=_NO_LIMIT).down.nodes}
    return Reached(tuple(node for node in ancestors.nodes if node in descendants), more=False)


def _paths(
    session: Session, top: int, bottom: int, above: Reached, as_of: datetime | None, limit: int
) -> Graph:
    """The paths between the two through these nodes: all, or the shortest and what is nearest to the top."""
    bare = _bare(session, above.nodes, as_of)
    nodes = _trimmed(bare, "down", [top], above, None).nodes
    if len(nodes) <= limit:
        return _filled(session, bare, nodes, as_of, above.more)
    shortest = _shortest_path(bare, top, bottom, set(nodes))
    nearest = list(dict.fromkeys([*shortest, *nodes]))[: max(limit, len(shortest))]
    return _filled(session, bare, nearest, as_of, truncated=len(nearest) < len(nodes))


def _shortest_path(bare: Graph, top: int, bottom: int, nodes: Collection[int]) -> list[int]:
    """The nodes of a shortest path downstream, both ends included."""
    below: defaultdict[int, list[int]] = defaultdict(list)
    for lower, upper in bare.links():
        if lower in nodes:
            below[upper].append(lower)
    came_from: dict[int, int | None] = {top: None}
    frontier = [top]
    while frontier and bottom not in came_from:
        steps = {}
        for node in frontier:
            steps.update(dict.fromkeys(below[node], node))
        frontier = [lower for lower in steps if lower not in came_from]
        came_from |= {lower: steps[lower] for lower in frontier}
    path: list[int] = []
    step: int | None = bottom
    while step is not None:
        path.append(step)
        step = came_from.get(step)
    return path


def whole(session: Session, *, as_of: datetime | None = None) -> Graph:
    """Everything that the registry holds, or held."""
    return _filled(session, _bare(session, None, as_of), None, as_of, False)


def _signed(node: Node) -> int:
    return -node[1] if node[0] == "run" else node[1]


def _split(nodes: Collection[int] | None) -> tuple[list[int] | None, list[int] | None]:
    """The primary keys of the artifacts, and of the runs."""
    if nodes is None:
        return None, None
    return [node for node in nodes if node > 0], [-node for node in nodes if node < 0]


def _bare(session: Session, nodes: Collection[int] | None, as_of: datetime | None) -> Graph:
    """The links between these nodes and the runs above them, and of the nodes nothing yet."""
    bare, origins = Graph(), set()
    for kind, identity, other, first, second, _ in rows.links(session, *_split(nodes), as_of):
        if kind == rows.EDGE:
            bare.edges.append((identity, other, first, second))
        elif kind == rows.WAIT:
            bare.dependencies.append((identity, other, second))
        else:
            bare.contains.append((identity, other))
            if first:
                origins.add((identity, other))
            if second:
                origins.add((other, identity))
    return replace(bare, origins=frozenset(origins))


def _trimmed(
    bare: Graph, direction: Way, starts: Iterable[int], reached: Reached, steps: int | None
) -> Reached:
    """The nodes of one direction that are at most this number of steps away."""
    onwards: defaultdict[int, list[int]] = defaultdict(list)
    for below, above in bare.links():
        source, target = (below, above) if direction == "up" else (above, below)
        onwards[source].append(target)
    reachable = set(reached.nodes)
    seen = dict.fromkeys(starts)
    frontier = list(seen)
    while frontier and (steps is None or steps > 0):
        near = dict.fromkeys(node for source in frontier for node in onwards[source])
        frontier = [node for node in near if node in reachable and node not in seen]
        seen.update(dict.fromkeys(frontier))
        steps = None if steps is None else steps - 1
    return Reached(tuple(seen), reached.more and len(seen) == len(reachable))


def _filled(
    session: Session,
    bare: Graph,
    nodes: Collection[int] | None,
    as_of: datetime | None,
    truncated: bool,
) -> Graph:
    """The graph with the facts of these nodes and of the runs above them, and the links between all these."""
    chosen, running = _split(nodes)
    artifacts = {row[0]: ArtifactNode._make(row) for row in rows.artifacts(session, chosen, as_of)}
    runs = {row[0]: RunNode._make(row) for row in rows.runs(session, running, as_of)}
    if as_of is not None:
        runs = {identity: run.at(as_of) for identity, run in runs.items()}
    return Graph(
        artifacts,
        runs,
        [edge for edge in bare.edges if edge[1] in artifacts and edge[0] in runs],
        [wait for wait in bare.dependencies if wait[1] in runs and wait[0] in runs],
        [
            containment
            for containment in bare.contains
            if containment[0] in artifacts and containment[1] in artifacts
        ],
        bare.origins,
        truncated,
    )
