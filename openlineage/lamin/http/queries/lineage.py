"""Questions about lineage: the graph around a node, of jobs and datasets as Marquez has it, or of runs and versions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from lamin_core.lineage.graph import Graph, RunNode, walk
from lamin_core.lineage.traversal import DECLARED
from lamin_core.models import Artifact, Run, Transform
from openlineage.lamin.http.queries import datasets, jobs, runs, shapes
from openlineage.lamin.http.queries.names import Node, node_of, run_of
from openlineage.lamin.http.queries.shapes import Code, Json

MAX_STARTS = 1000
"""Versions of a dataset, or runs of a job, that a graph begins at: the newest."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """A node of the answer."""

    id: str
    type: str
    data: Json


def lineage(
    session: Session,
    *,
    node_id: str,
    depth: int,
    direction: str,
    as_of: datetime | None,
    limit: int,
) -> Json:
    """The graph around this node: of runs and versions where the node is one, else of jobs and datasets."""
    node = node_of(session, node_id)
    up, down = 0 if direction == "down" else depth, 0 if direction == "up" else depth
    graph, starts = around(session, node, up=up, down=down, as_of=as_of, limit=limit)
    linked = _linked(graph, starts)
    vertices = (
        _single(session, graph, linked)
        if node.kind in ("run", "version")
        else _collapsed(session, linked)
    )
    if node.kind == "job" and not vertices:
        vertices[-DECLARED - node.id] = _job_vertex(jobs.described(session, [node.id])[node.id])
    flows = {(above, below) for below, above in graph.links()}
    return {
        "graph": _drawn(vertices, flows),
        "truncated": graph.truncated or len(starts) > MAX_STARTS + (node.kind == "job"),
    }


def around(
    session: Session,
    node: Node,
    *,
    up: int,
    down: int,
    as_of: datetime | None = None,
    limit: int = 5000,
) -> tuple[Graph, list[int]]:
    """The graph around a node, and where it begins: at versions, and at runs by their negative key.

    One more than `MAX_STARTS` says that there were more.
    """
    starts = _starts(session, node)
    if node.kind in ("dataset", "version"):
        graph = walk(
            session, artifacts=starts[:MAX_STARTS], up=up, down=down, as_of=as_of, limit=limit
        )
        return graph, list(starts)
    if node.kind == "job":  # what it is declared to do, where no run of it has done anything
        starts = [DECLARED + node.id, *starts]
    graph = walk(session, runs=starts[: MAX_STARTS + 1], up=up, down=down, as_of=as_of, limit=limit)
    return graph, [-run for run in starts]


def _starts(session: Session, node: Node) -> Sequence[int]:
    """The versions of a dataset, or the runs of a job, newest first."""
    if node.kind in ("run", "version"):
        return [node.id]
    if node.kind == "dataset":
        versions = (
            select(Artifact.id)
            .where(Artifact.series_id == node.id)
            .order_by(Artifact.number.desc())
        )
        return session.scalars(versions.limit(MAX_STARTS + 1)).all()
    code = select(Transform.id).where(Transform.series_id == node.id)
    newest = (
        select(Run.id)
        .where(Run.transform_id.in_(code))
        .order_by(Run.created_at.desc(), Run.id.desc())
    )
    return session.scalars(newest.limit(MAX_STARTS + 1)).all()


def _linked(graph: Graph, starts: Iterable[int]) -> list[int]:
    """The nodes that hang together with others, and where it began: runs by their negative key."""
    nodes = {*graph.artifacts, *(-run for run in graph.runs)}
    return sorted(nodes & {*starts, *(end for link in graph.links() for end in link)})


def _declared(session: Session, linked: Iterable[int]) -> dict[int, Vertex]:
    """A node for each job that is declared to read or write datasets."""
    series = {-node - DECLARED: node for node in linked if node < -DECLARED}
    described = jobs.described(session, series)
    return {series[identity]: _job_vertex(data) for identity, data in described.items()}


def _single(session: Session, graph: Graph, linked: list[int]) -> dict[int, Vertex]:
    """A node for each run and each version."""
    declared = _declared(session, linked)
    linked = [node for node in linked if node > -DECLARED]
    versions = datasets.described_versions(session, [node for node in linked if node > 0])
    query = select(Run).options(defer(Run.details))
    rows = [row for part in runs.chunks(-node for node in linked if node < 0)
            for row in session.scalars(query.where(Run.id.in_(part)))]  # fmt: skip
    shown = zip(rows, runs.described(session, rows), strict=True)
    return (
        {
            identity: Vertex(_version_id(data), "DATASET_VERSION", data)
            for identity, data in versions.items()
        }
        | {
            -row.id: Vertex(f"run:{row.external_id}", "RUN", _as_of(data, graph.runs[row.id]))
            for row, data in shown
        }
        | declared
    )


def _version_id(data: Json) -> str:
    return f"dataset:{data['namespace']}:{data['name']}@{data['version']}"


def _as_of(data: Json, node: RunNode) -> Json:
    """A run as it was at the moment of the graph."""
    if node.status == data["status"]:
        return data
    unknown = dict.fromkeys(("endedAt", "durationMs", "error"))
    return {**data, **unknown, "status": node.status, "state": shapes.state(node.status)}


def _collapsed(session: Session, linked: list[int]) -> dict[int, Vertex]:
    """One node for all versions of a dataset, and for all runs of a job."""
    series = _series(
        session, Artifact.id, Artifact.series_id, [node for node in linked if node > 0]
    )
    run_ids = [-node for node in linked if -DECLARED < node < 0]
    code = _series(session, Run.id, Transform.series_id, run_ids)
    named = {
        series_id: Vertex(f"dataset:{data['namespace']}:{data['name']}", "DATASET", data)
        for series_id, data in datasets.described(session, set(series.values())).items()
    }
    worked = {
        series_id: _job_vertex(data)
        for series_id, data in jobs.described(session, set(code.values())).items()
    }
    vertices = {
        artifact: named[series_id] for artifact, series_id in series.items() if series_id in named
    }
    return (
        vertices
        | _declared(session, linked)
        | {-run: worked[series_id] for run, series_id in code.items() if series_id in worked}
    )


def _job_vertex(data: Json) -> Vertex:
    return Vertex(f"job:{data['namespace']}:{data['name']}", "JOB", data)


def _series(session: Session, identity: Any, series: Any, ids: Iterable[int]) -> dict[int, int]:
    query = select(identity, series)
    if identity is Run.id:
        query = query.join(Transform, Run.transform_id == Transform.id)
    return {
        row_id: of
        for part in runs.chunks(ids)
        for row_id, of in session.execute(query.where(identity.in_(part)))
    }


def _drawn(vertices: Mapping[int, Vertex], flows: Iterable[tuple[int, int]]) -> list[Json]:
    """The nodes by id, each with the edges into it and out of it; data flow from origin to destination."""
    ends = {
        (vertices[above].id, vertices[below].id)
        for above, below in flows
        if above in vertices and below in vertices
    }
    edges = sorted((origin, destination) for origin, destination in ends if origin != destination)
    into: dict[str, list[Json]] = {vertex.id: [] for vertex in vertices.values()}
    out: dict[str, list[Json]] = {vertex.id: [] for vertex in vertices.values()}
    for origin, destination in edges:
        edge = {"origin": origin, "destination": destination}
        into[destination].append(edge)
        out[origin].append(edge)
    by_id = {vertex.id: vertex for vertex in vertices.values()}
    return [
        {
            "id": vertex_id,
            "type": by_id[vertex_id].type,
            "data": by_id[vertex_id].data,
            "inEdges": into[vertex_id],
            "outEdges": out[vertex_id],
        }
        for vertex_id in sorted(by_id)
    ]


def upstream(session: Session, *, run_id: str, depth: int) -> Json:
    """The run, the runs whose data it read, the runs whose data those read: each with its inputs, nearest first."""
    start = run_of(session, run_id).id
    graph = walk(session, runs=[start], up=2 * depth + 1, down=0)
    order = _by_distance(graph, start)
    query = select(Run).options(defer(Run.details))
    rows = {
        row.id: row
        for part in runs.chunks(order)
        for row in session.scalars(query.where(Run.id.in_(part)))
    }
    codes = runs.codes_of(session, rows.values())
    versions = datasets.described_versions(session, sorted(graph.artifacts))
    read: defaultdict[int, list[Json]] = defaultdict(list)
    for run, artifact, direction, _ in graph.edges:
        if direction == "input" and artifact in versions:
            read[run].append(_input(versions[artifact]))
    return {
        "runs": [
            _upstream_run(rows[identity], codes[rows[identity].transform_id], read[identity])
            for identity in order
        ]
    }


def _by_distance(graph: Graph, start: int) -> list[int]:
    """The runs on the way up from this one, nearest first."""
    above: defaultdict[int, list[int]] = defaultdict(list)
    for below, other in graph.links():
        above[below].append(other)
    seen = frontier = dict.fromkeys([-start])
    while frontier:
        frontier = dict.fromkeys(
            node for below in frontier for node in above[below] if node not in seen
        )
        seen |= frontier
    return [-node for node in seen if -DECLARED < node < 0]


def _upstream_run(row: Run, code: Code, inputs: list[Json]) -> Json:
    run = {
        "id": row.external_id,
        "start": shapes.iso_timestamp(row.started_at),
        "end": shapes.iso_timestamp(row.finished_at),
        "status": shapes.state(row.status),
    }
    return {"job": code.as_json(), "run": run, "inputs": inputs}


def _input(version: Json) -> Json:
    made_by = version["createdByRun"]
    return {**version["id"], "producedByRunId": None if made_by is None else made_by["id"]}
