"""Questions about runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, defer

from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Content,
    Run,
    RunArtifact,
    Storage,
    Transform,
    TransformSeries,
)
from lamin_core.server.pages import Mark, beyond, following
from openlineage.lamin.http.queries import shapes
from openlineage.lamin.http.queries.names import dataset_of, job_of, run_of
from openlineage.lamin.http.queries.shapes import Code, Json, Version

MAX_CHILDREN = 1000


def list_runs(
    session: Session,
    *,
    limit: int,
    offset: int,
    cursor: Mark | None,
    status: str | None = None,
    engine: str | None = None,
    namespace: str | None = None,
    job: str | None = None,
    parent: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Json:
    """The runs that fit, newest first."""
    conditions: list[ColumnElement[bool]] = []
    if status is not None:
        conditions.append(Run.status == status)
    if engine is not None:
        conditions.append(Run.engine == engine)
    if parent is not None:
        conditions.append(Run.parent_id == run_of(session, parent).id)
    if after is not None:
        conditions.append(Run.created_at >= after)
    if before is not None:
        conditions.append(Run.created_at < before)
    if namespace is not None and job is not None:
        conditions.append(_among(_transforms(session, job_of(session, namespace, job))))
    elif namespace is not None:
        conditions.append(
            Run.transform_id.in_(select(Transform.id).where(Transform.namespace == namespace))
        )
    elif job is not None:
        conditions.append(
            _among(session.scalars(select(Transform.id).where(Transform.key == job)).all())
        )
    return _page(session, conditions, limit, offset, cursor)


def runs_of_job(
    session: Session, *, namespace: str, job: str, limit: int, offset: int, cursor: Mark | None
) -> Json:
    """The runs of one job, newest first."""
    series = job_of(session, namespace, job)
    return _page(session, [_among(_transforms(session, series))], limit, offset, cursor)


def _transforms(session: Session, series: int) -> Sequence[int]:
    return session.scalars(select(Transform.id).where(Transform.series_id == series)).all()


def _among(transforms: Sequence[int]) -> ColumnElement[bool]:
    # With one version, the index gives the runs in their order.
    return (
        Run.transform_id == transforms[0]
        if len(transforms) == 1
        else Run.transform_id.in_(transforms)
    )


def _page(
    session: Session,
    conditions: list[ColumnElement[bool]],
    limit: int,
    offset: int,
    cursor: Mark | None,
) -> Json:
    total = session.scalar(select(func.count()).select_from(Run).where(*conditions))
    here = conditions if cursor is None else [*conditions, beyond(Run.created_at, Run.id, cursor)]
    query = (
        select(Run)
        .options(defer(Run.details))
        .where(*here)
        .order_by(Run.created_at.desc(), Run.id.desc())
    )
    rows = session.scalars(query.limit(limit).offset(offset)).all()
    marks = [(row.created_at, row.id) for row in rows]
    return {
        "runs": described(session, rows),
        "totalCount": total,
        "nextCursor": following(marks, limit),
    }


def described(session: Session, rows: Sequence[Run]) -> list[Json]:
    """These runs as lists have them."""
    codes = codes_of(session, rows)
    return [shapes.run(row, codes[row.transform_id]) for row in rows]


def codes_of(session: Session, rows: Iterable[Run]) -> dict[int, Code]:
    """The job and the version of it that each of these runs is of, by the primary key of the transform."""
    transform_ids = {row.transform_id for row in rows}
    query = select(Transform).options(defer(Transform.source_code))
    return {
        row.id: Code.of(row)
        for part in chunks(transform_ids)
        for row in session.scalars(query.where(Transform.id.in_(part)))
    }


def chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    """Split the values into parts that one statement can take."""
    ordered = sorted(ids)
    return (ordered[start : start + 10_000] for start in range(0, len(ordered), 10_000))


def one_run(session: Session, *, id: str) -> Json:
    """One run, with all that belongs to it."""
    row = run_of(session, id)
    children = session.scalars(
        select(Run)
        .options(defer(Run.details))
        .where(Run.parent_id == row.id)
        .order_by(Run.created_at, Run.id)
        .limit(MAX_CHILDREN)
    ).all()
    count = session.scalar(select(func.count()).where(Run.parent_id == row.id))
    parent = None if row.parent_id is None else session.get(Run, row.parent_id)
    family = [row, *children, *([] if parent is None else [parent])]
    codes = codes_of(session, family)
    sides = edges_of(session, [row.id])[row.id]
    return {
        **shapes.run(row, codes[row.transform_id]),
        **shapes.run_facets(row),
        "parent": None
        if parent is None
        else shapes.run_reference(parent, codes[parent.transform_id]),
        "children": [shapes.run_reference(child, codes[child.transform_id]) for child in children],
        "childrenCount": count,
        "inputDatasetVersions": [side.as_json() for side in sides if side.direction == "input"],
        "outputDatasetVersions": [side.as_json() for side in sides if side.direction == "output"],
    }


def run_facets(session: Session, *, id: str, type: str) -> Json:
    """The facets of one run, or of its job."""
    row = run_of(session, id)
    if type == "run":
        return {"runId": row.external_id, "facets": shapes.run_facets(row)["facets"]}
    series = session.get_one(
        TransformSeries, session.get_one(Transform, row.transform_id).series_id
    )
    return {"runId": row.external_id, "facets": shapes.job_facets(series)}


class Side(NamedTuple):
    """A dataset on one side of a run."""

    direction: str
    version: Version
    role: str | None
    facets: dict[str, Any] | None

    def as_json(self) -> Json:
        """For JSON."""
        return shapes.edge(self.version, self.role, self.facets)


def edges_of(session: Session, runs: Iterable[int]) -> defaultdict[int, list[Side]]:
    """The inputs and outputs of each of these runs."""
    edges_by_run: defaultdict[int, list[Side]] = defaultdict(list)
    query = (
        select(RunArtifact, Artifact, ArtifactSeries.stem, Storage.root, Content)
        .join(Artifact, RunArtifact.artifact_id == Artifact.id)
        .join(ArtifactSeries, Artifact.series_id == ArtifactSeries.id)
        .join(Storage, Artifact.storage_id == Storage.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .order_by(RunArtifact.id)
    )
    for part in chunks(runs):
        for edge, row, stem, root, content in session.execute(
            query.where(RunArtifact.run_id.in_(part))
        ):
            version = Version(row, dataset_of(root, row.key, stem), root, content)
            edges_by_run[edge.run_id].append(Side(edge.direction, version, edge.role, edge.facets))
    return edges_by_run
