"""Read from the rows of a run what a comparison needs."""

from __future__ import annotations

from collections import Counter

from sqlalchemy.orm import Session

from lamin_core.lineage.diff import File, Snapshot
from lamin_core.lineage.graph import ArtifactNode, Graph, walk
from lamin_core.lineage.traversal import ROLLED_BACK
from lamin_core.lineage.view import path_of
from lamin_core.models import Environment, Run, Transform
from lamin_core.uids import VERSION_LENGTH


def snapshots(session: Session, *identities: int) -> list[Snapshot]:
    """The state of the runs with these primary keys."""
    graph = walk(session, runs=identities, up=1, down=1)
    return [_snapshot(session, session.get_one(Run, identity), graph) for identity in identities]


def _snapshot(session: Session, run: Run, graph: Graph) -> Snapshot:
    code = session.get_one(Transform, run.transform_id)
    return Snapshot(
        uid=run.uid,
        transform=code.key,
        version=code.uid,
        source=code.source_code,
        engine=run.engine,
        engine_version=run.engine_version,
        status=run.status,
        duration=run.duration,
        params=run.params or {},
        environment=_environment(session, run),
        inputs=_files(graph, run.id, "input"),
        outputs=_files(graph, run.id, "output"),
    )


def _environment(session: Session, run: Run) -> dict[str, object] | None:
    if run.environment_id is None:
        return None
    environment = session.get_one(Environment, run.environment_id)
    return {
        "python": environment.python,
        "platform": environment.platform,
        "packages": environment.packages,
        "conda": environment.conda or {},
    }


def _files(graph: Graph, run: int, side: str) -> tuple[File, ...]:
    nodes = [
        graph.artifacts[artifact]
        for run_id, artifact, direction, role in graph.edges
        if run_id == run and direction == side and role != ROLLED_BACK
    ]
    often = Counter(_name(node) for node in nodes)
    return tuple(_file(node, is_alone=often[_name(node)] == 1) for node in nodes)


def _name(node: ArtifactNode) -> str:
    return path_of(node) if node.key is None or node.root == "/" else node.key


def _file(node: ArtifactNode, *, is_alone: bool) -> File:
    """The file under its key, so that two copies of a project compare; with more where several share a key."""
    name = _name(node) if is_alone else f"{path_of(node)} v{node.uid[-VERSION_LENGTH:]}"
    return File(name, node.uid, None if node.hash is None else f"{node.hash_type}:{node.hash}")
