"""Lists of runs and of artifacts, the newest first, as far as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from lamin_core.lineage import rows
from lamin_core.lineage.graph import ArtifactNode, RunNode
from lamin_core.lineage.traversal import dialect, given, ids
from lamin_core.models import Artifact, Run, Transform


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ones: all these hold, and of those that are left the newest `limit`; None asks for nothing."""

    status: Sequence[str] = ()
    engine: str | None = None
    key: str | None = None
    """How the key begins: of a run, that of its transform."""
    since: datetime | None = None
    limit: int | None = None


def runs(session: Session, wanted: Wanted) -> tuple[list[RunNode], dict[int, str]]:
    """The runs, and the uids of the runs that they are a part of, by primary key."""
    query = rows.run_facts().order_by(Run.created_at.desc(), Run.id.desc())
    conditions: list[ColumnElement[bool]] = [Run.status.in_(wanted.status)] if wanted.status else []
    if wanted.engine is not None:
        conditions.append(Run.engine == wanted.engine)
    found = _found(session, query, [*conditions, *_common(wanted, Run, Transform.key)], wanted.limit)
    nodes = [RunNode._make(row) for row in found]
    uids = {node.id: node.uid for node in nodes}
    parents = {node.parent_id for node in nodes if node.parent_id is not None} - uids.keys()
    if parents:
        named = select(Run.id, Run.uid).where(Run.id.in_(given(dialect(session), "parents")))
        uids |= {row[0]: row[1] for row in session.execute(named, {"parents": ids(session, parents)})}
    return nodes, uids


def artifacts(session: Session, wanted: Wanted) -> list[ArtifactNode]:
    """The versions of artifacts, but for those in the trash; by engine, those that a run of it first made."""
    query = rows.artifact_facts().where(Artifact.deleted_at.is_(None)).order_by(Artifact.id.desc())
    if wanted.engine is not None:
        query = query.join(Run, Artifact.run_id == Run.id).where(Run.engine == wanted.engine)
    return [
        ArtifactNode._make(row) for row in _found(session, query, _common(wanted, Artifact, Artifact.key), wanted.limit)
    ]


def _common(wanted: Wanted, record: Any, key: Any) -> list[ColumnElement[bool]]:
    conditions = [record.created_at >= wanted.since] if wanted.since is not None else []
    if wanted.key:
        # A range, not LIKE: it uses the index, and on SQLite LIKE takes `A` for `a`.
        conditions += [key >= wanted.key, key < wanted.key + chr(0x10FFFF)]
    return conditions


def _found(session: Session, query: Select[Any], conditions: list[ColumnElement[bool]], limit: int | None) -> Any:
    return session.connection().execute(query.where(*conditions).limit(limit)).yield_per(1000)
