"""The rows behind a graph: plain values, no records, one statement for each kind of row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    Executable,
    Row,
    Select,
    Text,
    case,
    cast,
    column,
    false,
    func,
    literal,
    null,
    select,
    text,
    union_all,
)
from sqlalchemy.orm import Session

from lamin_core.lineage.traversal import (
    AsOf,
    comes_from_container,
    declared_run,
    dialect,
    ids,
    is_declared,
    parameter_values,
    streamed,
)
from lamin_core.models import (
    Artifact,
    Collection,
    Containment,
    Content,
    JobDataset,
    Run,
    RunArtifact,
    RunDependency,
    Storage,
    Transform,
    TransformSeries,
)

EDGE, WAIT, HOLD = range(3)
"""The kinds of links: run and artifact; run and run; folder and artifact."""
DECLARED_STATUS = "declared"
"""In place of the status of a run: a job is declared to do this, and no run of it has."""


def links(
    session: Session,
    artifacts: Iterable[int] | None,
    runs: Iterable[int] | None,
    as_of: datetime | None,
) -> Iterable[Row[Any]]:
    """The links between these and the runs above them (and some to others): kind, one end, the other, two words.

    The words are direction and role; of a folder and an artifact, whether some run made the one,
    and the other. None is all.
    """
    return _rows(session, _links, artifacts, runs, as_of)


def artifacts(
    session: Session, chosen: Iterable[int] | None, as_of: datetime | None
) -> Iterable[Row[Any]]:
    """The facts of these artifacts, in the order of an `ArtifactNode`; None is all."""
    return _rows(session, _artifacts, chosen, (), as_of)


def runs(
    session: Session, chosen: Iterable[int] | None, as_of: datetime | None
) -> Iterable[Row[Any]]:
    """The facts of these runs and the runs above them, in the order of a `RunNode`; None is all."""
    return _rows(session, _runs, (), chosen, as_of)


def _rows(
    session: Session,
    statement: Any,
    artifacts: Iterable[int] | None,
    runs: Iterable[int] | None,
    as_of: datetime | None,
) -> Iterable[Row[Any]]:
    values = {
        "artifacts": ids(session, artifacts or ()),
        "runs": ids(session, runs or ()),
        "at": as_of,
    }
    query: Executable = statement(
        dialect(session), artifacts is None or runs is None, as_of is not None
    )
    return streamed(session, query, values)


@cache
def _links(dialect: str, everything: bool, dated: bool) -> Executable:
    then, above, chosen = AsOf(dated), _above(dialect), parameter_values(dialect, "artifacts")
    edges = select(
        literal(EDGE), RunArtifact.run_id, RunArtifact.artifact_id, RunArtifact.direction, RunArtifact.role,
        RunArtifact.id.label("place"),
    ).where(*then.edge(RunArtifact))  # fmt: skip
    waits = select(
        literal(WAIT),
        RunDependency.run_id,
        RunDependency.source_id,
        null(),
        RunDependency.role,
        literal(0),
    )
    holds = select(
        literal(HOLD),
        Containment.directory_id,
        Containment.artifact_id,
        origin_flag(Containment.directory_id, Containment.artifact_id, then),
        origin_flag(Containment.artifact_id, Containment.directory_id, then),
        literal(0),
    )
    declared = (
        select(
            literal(EDGE),
            declared_run(JobDataset.job_id),
            Artifact.id,
            JobDataset.direction,
            literal("declared"),
            literal(0),
        )
        .join_from(JobDataset, Artifact, Artifact.series_id == JobDataset.series_id)
        .where(*is_declared(JobDataset, Artifact, then))
    )
    if not everything:
        # One side of each link by its index; both sides would make SQLite try every pair of them.
        edges = edges.where(
            RunArtifact.run_id.in_(select(above.c.id)), RunArtifact.artifact_id.in_(chosen)
        )
        waits = waits.where(RunDependency.run_id.in_(select(above.c.id)))
        holds = holds.where(Containment.artifact_id.in_(chosen))
        declared = declared.where(
            declared_run(JobDataset.job_id).in_(select(above.c.id)), Artifact.id.in_(chosen)
        )
    return union_all(edges, waits, holds, declared).order_by(column("place"))


def origin_flag(lower: Any, upper: Any, then: AsOf) -> Any:
    """`origin` where the lower of a folder and a file comes from the upper, else NULL."""
    return case((comes_from_container(lower, upper, then), "origin"))


def artifact_facts() -> Select[Any]:
    """The columns of an `ArtifactNode`, for every artifact."""
    return (
        select(Artifact.id, Artifact.uid, Artifact.key, Storage.root, Artifact.real_key,
               Content.hash, Content.hash_type, Content.size, Content.n_files)
        .join(Storage, Artifact.storage_id == Storage.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
    )  # fmt: skip


def run_facts() -> Select[Any]:
    """The columns of a `RunNode`, for every run."""
    return (
        select(Run.id, Run.uid, Run.external_id, Run.name, Run.engine, Run.parent_id, Run.status, Run.cached,
               Run.attempt, Run.started_at, Run.finished_at, cast(Run.params, Text), func.substr(Run.error, 1, 500),
               Transform.uid, Transform.key, Transform.kind, _collection())
        .join(Transform, Run.transform_id == Transform.id)
    )  # fmt: skip


def _collection() -> Any:
    """The key of the collection that a run made; of several the last."""
    keys = select(Collection.key).where(Collection.run_id == Run.id)
    return keys.order_by(Collection.id.desc()).limit(1).correlate(Run).scalar_subquery()


@cache
def _artifacts(dialect: str, everything: bool, dated: bool) -> Executable:
    query = artifact_facts().where(*AsOf(dated).created(Artifact)).order_by(Artifact.id)
    return (
        query
        if everything
        else query.where(Artifact.id.in_(parameter_values(dialect, "artifacts")))
    )


@cache
def _runs(dialect: str, everything: bool, dated: bool) -> Executable:
    query, jobs = run_facts().where(*AsOf(dated).begun(Run)), _declared_facts(AsOf(dated))
    if not everything:
        above = select(_above(dialect).c.id)
        query = query.where(Run.id.in_(above))
        jobs = jobs.where(declared_run(TransformSeries.id).in_(above))
    return union_all(query, jobs).order_by(text("1"))


def _declared_facts(then: AsOf) -> Select[Any]:
    """The columns of a `RunNode`, for every job that is declared to read or write a dataset."""
    dataset = select(JobDataset.job_id).join(Artifact, Artifact.series_id == JobDataset.series_id)
    declared = dataset.where(
        JobDataset.job_id == TransformSeries.id, *is_declared(JobDataset, Artifact, then)
    )
    return (
        select(declared_run(TransformSeries.id), Transform.uid, literal(""), null(), literal(""),
               null(), literal(DECLARED_STATUS), false(), literal(1), null(), null(), null(), null(),
               Transform.uid, Transform.key, Transform.kind, null())
        .join(Transform, Transform.series_id == TransformSeries.id)
        .where(Transform.is_latest, declared.exists())
    )  # fmt: skip


def _above(dialect: str) -> CTE:
    """The runs asked for, and those that they are a part of."""
    first = parameter_values(dialect, "runs").subquery()
    above = select(first.c.value.label("id")).cte("above", recursive=True)
    return above.union(
        select(Run.parent_id).join(above, Run.id == above.c.id).where(Run.parent_id.is_not(None))
    )
