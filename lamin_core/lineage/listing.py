"""Lists of runs and of artifacts, newest first, with filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from lamin_core.lineage import rows
from lamin_core.lineage.graph import ArtifactNode, RunNode
from lamin_core.lineage.resolve import external_ids
from lamin_core.lineage.traversal import dialect, ids, parameter_values
from lamin_core.models import Artifact, Run, Transform


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which ones: all these hold, and of those that are left the newest `limit`; None asks for nothing."""

    status: Sequence[str] = ()
    engine: str | None = None
    key: str | None = None
    """How the key begins: of a run, that of its transform."""
    attempts_of: str | None = None
    """A run id of the engine: this run in all its attempts."""
    since: datetime | None = None
    limit: int | None = None
    within: Select[tuple[int]] | None = None
    """A query for the primary keys that may be among them."""


def runs(session: Session, criteria: ListFilter) -> tuple[list[RunNode], dict[int, str]]:
    """The runs, and the uids of the runs that they are a part of, by primary key."""
    query = rows.run_facts().order_by(Run.created_at.desc(), Run.id.desc())
    conditions: list[ColumnElement[bool]] = (
        [Run.status.in_(criteria.status)] if criteria.status else []
    )
    if criteria.engine is not None:
        conditions.append(Run.engine == criteria.engine)
    if criteria.attempts_of is not None:
        conditions.append(Run.external_id.in_(external_ids(criteria.attempts_of)))
    result = _fetch_rows(
        session, query, [*conditions, *_common(criteria, Run, Transform.key)], criteria.limit
    )
    nodes = [RunNode._make(row) for row in result]
    uids = {node.id: node.uid for node in nodes}
    parents = {node.parent_id for node in nodes if node.parent_id is not None} - uids.keys()
    if parents:
        named = select(Run.id, Run.uid).where(
            Run.id.in_(parameter_values(dialect(session), "parents"))
        )
        uids |= {
            row[0]: row[1] for row in session.execute(named, {"parents": ids(session, parents)})
        }
    return nodes, uids


def artifacts(session: Session, criteria: ListFilter) -> list[ArtifactNode]:
    """The versions of artifacts; by engine, those that a run of it first made.

    Those in the trash are among them only where `within` has them.
    """
    query = rows.artifact_facts().order_by(Artifact.id.desc())
    if criteria.within is None:
        query = query.where(Artifact.deleted_at.is_(None))
    else:
        query = query.where(Artifact.id.in_(criteria.within))
    if criteria.engine is not None:
        query = query.join(Run, Artifact.run_id == Run.id).where(Run.engine == criteria.engine)
    return [
        ArtifactNode._make(row)
        for row in _fetch_rows(
            session, query, _common(criteria, Artifact, Artifact.key), criteria.limit
        )
    ]


def _common(criteria: ListFilter, record: Any, key: Any) -> list[ColumnElement[bool]]:
    conditions = [record.created_at >= criteria.since] if criteria.since is not None else []
    if criteria.key:
        # A range, not LIKE: it uses the index, and on SQLite LIKE takes `A` for `a`.
        conditions += [key >= criteria.key, key < criteria.key + chr(0x10FFFF)]
    return conditions


def _fetch_rows(
    session: Session, query: Select[Any], conditions: list[ColumnElement[bool]], limit: int | None
) -> Any:
    return session.connection().execute(query.where(*conditions).limit(limit)).yield_per(1000)
