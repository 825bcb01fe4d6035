"""Lineage as JSON: plain dictionaries, stable names, uids everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict

from lamin_core.lineage.graph import ArtifactNode, Graph, RunNode
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.uids import VERSION_LENGTH

Row = dict[str, Any]


class View(TypedDict):
    """The whole graph, as `lamin lineage --json` prints it."""

    artifacts: list[Row]
    runs: list[Row]
    jobs: list[Row]
    edges: list[Row]
    declared: list[Row]
    dependencies: list[Row]
    contains: list[Row]
    truncated: bool


def view(graph: Graph) -> View:
    """The graph as `lamin lineage --json` prints it."""
    artifacts = {identity: node.uid for identity, node in graph.artifacts.items()}
    runs = {identity: node.uid for identity, node in graph.runs.items()}
    return {
        "artifacts": [artifact_view(node) for node in graph.artifacts.values()],
        "runs": [run_view(node, runs) for node in graph.runs.values() if not node.is_declared],
        "jobs": [job_view(node) for node in graph.runs.values() if node.is_declared],
        "edges": [
            {
                "run": runs[run],
                "artifact": artifacts[artifact],
                "direction": direction,
                "role": role,
            }
            for run, artifact, direction, role in graph.edges
            if not graph.runs[run].is_declared
        ],
        "declared": [
            {"job": runs[job], "artifact": artifacts[artifact], "direction": direction}
            for job, artifact, direction, _ in graph.edges
            if graph.runs[job].is_declared
        ],
        "dependencies": [
            {"run": runs[run], "source": runs[source], "role": role}
            for run, source, role in graph.dependencies
        ],
        "contains": [
            {"directory": artifacts[folder], "artifact": artifacts[artifact]}
            for folder, artifact in graph.contains
        ],
        "truncated": graph.truncated,
    }


def artifact_view(node: ArtifactNode) -> dict[str, Any]:
    """Return one artifact of the graph as JSON values."""
    return {
        "uid": node.uid,
        "key": node.key,
        "version": node.uid[-VERSION_LENGTH:],
        "hash": node.hash,
        "hash_type": node.hash_type,
        "size": None if node.size == UNKNOWN_SIZE else node.size,
        "path": path_of(node),
    }


def path_of(node: ArtifactNode) -> str:
    """The location of its bytes: an absolute path, or a URL."""
    key = node.real_key or node.key or ""
    return f"{node.root}{key}" if node.root == "/" else f"{node.root.rstrip('/')}/{key}"


def job_view(node: RunNode) -> dict[str, Any]:
    """A job that is declared to read or write datasets, and of which no run has: no run is behind it."""
    return {"transform": node.transform_uid, "transform_key": node.transform_key, "kind": node.kind}


def run_view(node: RunNode, uids: dict[int, str]) -> dict[str, Any]:
    """One run; `uids` gives those of other runs by primary key."""
    return {
        "uid": node.uid,
        "external_id": node.external_id,
        "name": node.name,
        "transform": node.transform_uid,
        "transform_key": node.transform_key,
        "engine": node.engine,
        "parent": None if node.parent_id is None else uids.get(node.parent_id),
        "status": node.status,
        "cached": node.cached,
        "attempt": node.attempt,
        "started_at": _time(node.started_at),
        "finished_at": _time(node.finished_at),
        "params": node.params or {},
        "collection": node.collection,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def counts(graph: Graph) -> list[dict[str, Any]]:
    """Transforms, runs, artifacts (by the engine that first made them, else `none`) and edges, for each engine."""
    made_by = {
        artifact: graph.runs[run].engine
        for run, artifact, d, _ in reversed(graph.edges)
        if d == "output" and not graph.runs[run].is_declared
    }
    owner = {artifact: made_by.get(artifact, "none") for artifact in graph.artifacts}
    runs = [node for node in graph.runs.values() if not node.is_declared]
    engines = sorted({node.engine for node in runs} | set(owner.values()))
    return [
        {
            "engine": engine,
            "transforms": len({node.transform_uid for node in runs if node.engine == engine}),
            "runs": sum(node.engine == engine for node in runs),
            "artifacts": sum(maker_engine == engine for maker_engine in owner.values()),
            "edges": _count(graph.runs[run].engine == engine for run, _, _, _ in graph.edges),
        }
        for engine in engines
    ]


def _count(truths: Iterable[bool]) -> int:
    return sum(truths)
