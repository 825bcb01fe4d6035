"""What made this, and what hangs on it: recursive queries over the one edge table, and the graph they give.

Artifacts and runs are nodes. A run hangs on what it read; an artifact on the run that wrote it; a run on a run it
waited for; and a file on the folder it lies in, or a folder on the files in it, where no run is known to have made it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, Select, and_, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from lamin_core.models import Artifact, Containment, Content, Run, RunArtifact, RunDependency, Storage, Transform

ROLLED_BACK = "rolled_back"
PUBLISHED = "published"
NODE_LIMIT = 50_000


@dataclass(frozen=True, slots=True)
class ArtifactNode:
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


@dataclass(frozen=True, slots=True)
class RunNode:
    """A run in the graph."""

    id: int
    run: Run
    transform_uid: str
    transform_key: str
    kind: str | None


@dataclass(frozen=True)
class Graph:
    """Artifacts, runs and edges, by primary key; edges are (run, artifact, direction, role)."""

    artifacts: dict[int, ArtifactNode] = field(default_factory=dict)
    runs: dict[int, RunNode] = field(default_factory=dict)
    edges: list[tuple[int, int, str, str | None]] = field(default_factory=list)
    dependencies: list[tuple[int, int, str]] = field(default_factory=list)
    contains: list[tuple[int, int]] = field(default_factory=list)

    @property
    def nodes(self) -> list[ArtifactNode | RunNode]:
        """All nodes."""
        return [*self.artifacts.values(), *self.runs.values()]

    @cached_property
    def makers(self) -> dict[int, set[int]]:
        """The runs that made each artifact; a flow that hands on what its task wrote is not counted beside the task."""
        made: defaultdict[int, set[int]] = defaultdict(set)
        handed_on: defaultdict[int, set[int]] = defaultdict(set)
        for run, artifact, direction, role in self.edges:
            if direction == "output" and role != ROLLED_BACK:
                (handed_on if role == PUBLISHED else made)[artifact].add(run)
        return {artifact: made[artifact] or handed_on[artifact] for artifact in {*made, *handed_on}}


def walk(
    session: Session,
    *,
    artifacts: Iterable[int] = (),
    runs: Iterable[int] = (),
    up: int | None = None,
    down: int | None = None,
) -> Graph:
    """The graph around these nodes: `up` and `down` count steps from node to node, None is all the way."""
    starts = [_code("a", identity) for identity in artifacts] + [_code("r", identity) for identity in runs]
    reached = set(starts)
    for direction, steps in (("up", up), ("down", down)):
        if steps != 0:
            reached |= _reach(session, starts, direction, steps)  # type: ignore[arg-type]
    return collect(
        session, {code >> 1 for code in reached if not code & 1}, {code >> 1 for code in reached if code & 1}
    )


def whole(session: Session) -> Graph:
    """Everything that the registry holds."""
    return collect(session, None, None)


def _code(kind: Literal["a", "r"], identity: int) -> int:
    return identity * 2 + (kind == "r")


def _reach(session: Session, starts: list[int], direction: Literal["up", "down"], steps: int | None) -> set[int]:
    found: set[int] = set()
    for part in _chunks(starts, 400):
        found |= set(session.scalars(_recursion(part, direction, steps)))
    return found


def _recursion(starts: list[int], direction: Literal["up", "down"], steps: int | None) -> Select[Any]:
    links = _links(direction).subquery("links")
    first = union_all(
        *(select(literal(code, BigInteger).label("node"), literal(0, BigInteger).label("depth")) for code in starts)
    )
    seed = first.subquery("seed")
    if steps is None:
        # Without the depth, UNION drops every node seen before: cycles end and ladders stay cheap.
        reached = select(seed.c.node).cte("reached", recursive=True)
        reached = reached.union(select(links.c.target).join(reached, links.c.source == reached.c.node))
        return select(reached.c.node).limit(NODE_LIMIT)
    deep = select(seed.c.node, seed.c.depth).cte("reached", recursive=True)
    deep = deep.union(
        select(links.c.target, deep.c.depth + 1).join(deep, links.c.source == deep.c.node).where(deep.c.depth < steps)
    )
    return select(deep.c.node).distinct().limit(NODE_LIMIT)


def _links(direction: Literal["up", "down"]) -> Any:
    """(source, target) of one step in this direction."""
    artifact, run = RunArtifact.artifact_id * 2, RunArtifact.run_id * 2 + 1
    wrote = and_(RunArtifact.direction == "output", or_(RunArtifact.role.is_(None), RunArtifact.role != ROLLED_BACK))
    read = RunArtifact.direction == "input"
    pairs: list[tuple[Any, Any, ColumnElement[bool] | None]] = [
        (artifact, run, wrote),
        (run, artifact, read),
        (RunDependency.run_id * 2 + 1, RunDependency.source_id * 2 + 1, None),
        (Containment.artifact_id * 2, Containment.directory_id * 2, ~_is_made(Containment.artifact_id)),
        (Containment.directory_id * 2, Containment.artifact_id * 2, ~_is_made(Containment.directory_id)),
    ]
    steps = []
    for below, above, condition in pairs:
        source, target = (below, above) if direction == "up" else (above, below)
        step = select(source.label("source"), target.label("target"))
        steps.append(step if condition is None else step.where(condition))
    return union_all(*steps)


def _is_made(artifact_id: Any) -> ColumnElement[bool]:
    edge = aliased(RunArtifact)
    return select(edge.id).where(edge.artifact_id == artifact_id, edge.direction == "output").exists()


def collect(session: Session, artifact_ids: set[int] | None, run_ids: set[int] | None) -> Graph:
    """The graph of these artifacts and runs, with the runs above them and every edge between; None is all."""
    run_ids = None if run_ids is None else _with_parents(session, run_ids)
    artifacts = {node.id: node for node in _artifact_nodes(session, artifact_ids)}
    runs = {node.id: node for node in _run_nodes(session, run_ids)}
    edge_query = select(RunArtifact.run_id, RunArtifact.artifact_id, RunArtifact.direction, RunArtifact.role)
    edges = _within(session, edge_query.order_by(RunArtifact.id), RunArtifact.run_id, run_ids)
    waits = _within(session, select(RunDependency.run_id, RunDependency.source_id, RunDependency.role),
                    RunDependency.run_id, run_ids)  # fmt: skip
    holds = _within(session, select(Containment.directory_id, Containment.artifact_id),
                    Containment.artifact_id, artifact_ids)  # fmt: skip
    return Graph(
        artifacts,
        runs,
        [(r, a, d, role) for r, a, d, role in edges if a in artifacts and r in runs],
        [(r, s, role) for r, s, role in waits if s in runs and r in runs],
        [(d, a) for d, a in holds if d in artifacts and a in artifacts],
    )


def _with_parents(session: Session, run_ids: set[int]) -> set[int]:
    found, fresh = set(run_ids), set(run_ids)
    while fresh:
        parents = _within(session, select(Run.parent_id).where(Run.parent_id.is_not(None)), Run.id, fresh)
        fresh = {row[0] for row in parents} - found
        found |= fresh
    return found


def _artifact_nodes(session: Session, ids: set[int] | None) -> list[ArtifactNode]:
    query = (
        select(Artifact.id, Artifact.uid, Artifact.key, Storage.root, Artifact.real_key,
               Content.hash, Content.hash_type, Content.size, Content.n_files)
        .join(Storage, Artifact.storage_id == Storage.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .order_by(Artifact.id)
    )  # fmt: skip
    return [ArtifactNode(*row) for row in _within(session, query, Artifact.id, ids)]


def _run_nodes(session: Session, ids: set[int] | None) -> list[RunNode]:
    query = (
        select(Run, Transform.uid, Transform.key, Transform.kind)
        .join(Transform, Run.transform_id == Transform.id)
        .order_by(Run.id)
    )
    return [RunNode(run.id, run, uid, key, kind) for run, uid, key, kind in _within(session, query, Run.id, ids)]


def _within(session: Session, query: Select[Any], column: Any, ids: set[int] | None) -> list[Any]:
    """The rows of the query whose column is among these; in parts, for both databases limit a statement's values."""
    if ids is None:
        return list(session.execute(query))
    return [row for part in _chunks(sorted(ids), 10_000) for row in session.execute(query.where(column.in_(part)))]


def _chunks(values: list[int], size: int) -> Iterable[list[int]]:
    return (values[i : i + size] for i in range(0, len(values), size))
