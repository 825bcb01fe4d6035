"""Questions about jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from lamin_core.errors import NotFound
from lamin_core.models import Run, Transform, TransformSeries
from lamin_core.uids import VERSION_LENGTH
from openlineage.lamin.http.queries import runs, shapes
from openlineage.lamin.http.queries.names import job_of
from openlineage.lamin.http.queries.shapes import Json, Work


def list_jobs(session: Session, *, limit: int, offset: int, namespace: str | None = None) -> Json:
    """All jobs, or those of one namespace, by name."""
    conditions = [] if namespace is None else [TransformSeries.namespace == namespace]
    total = session.scalar(select(func.count()).select_from(TransformSeries).where(*conditions))
    page = session.scalars(
        select(TransformSeries.id)
        .where(*conditions)
        .order_by(TransformSeries.namespace, TransformSeries.key)
        .limit(limit)
        .offset(offset)
    ).all()
    jobs = described(session, page)
    return {"jobs": [jobs[series] for series in page if series in jobs], "totalCount": total}


def one_job(session: Session, *, namespace: str, job: str) -> Json:
    """One job, as its newest version shows it."""
    matches = list(described(session, [job_of(session, namespace, job)]).values())
    if not matches:
        raise NotFound(
            f"nothing is left of job {job!r}", hint="GET /api/v1/jobs lists those that are there"
        )
    return matches[0]


def job_versions(session: Session, *, namespace: str, job: str, limit: int, offset: int) -> Json:
    """The versions of a job, newest first."""
    condition = Transform.series_id == job_of(session, namespace, job)
    total = session.scalar(select(func.count()).select_from(Transform).where(condition))
    page = (
        select(Transform.id)
        .where(condition)
        .order_by(Transform.number.desc())
        .limit(limit)
        .offset(offset)
    )
    return {"versions": _versions(session, session.scalars(page).all()), "totalCount": total}


def one_job_version(session: Session, *, namespace: str, job: str, version: str) -> Json:
    """One version of a job, with its source code."""
    versions = select(Transform.id, Transform.uid).where(
        Transform.series_id == job_of(session, namespace, job)
    )
    matches = [
        identity
        for identity, uid in session.execute(versions)
        if version in (uid, uid[-VERSION_LENGTH:])
    ]
    if not matches:
        raise NotFound(f"no version {version!r} of this job", hint="GET .../versions lists them")
    return _versions(session, matches)[0]


def described(session: Session, series: Iterable[int]) -> dict[int, Json]:
    """These jobs, each as its newest version and its latest run show it."""
    series_ids = list(series)
    latest: dict[int, Run] = {}
    for code, run in _latest_runs(session, Transform.series_id, series_ids):
        current = latest.get(code)
        if current is None or (run.created_at, run.id) > (current.created_at, current.id):
            latest[code] = run
    works = _works(session, latest)
    query = (
        select(Transform, TransformSeries)
        .options(defer(Transform.source_code))
        .join(TransformSeries, Transform.series_id == TransformSeries.id)
        .where(Transform.is_latest)
    )
    rows = [
        row
        for part in runs.chunks(series_ids)
        for row in session.execute(query.where(TransformSeries.id.in_(part)))
    ]
    return {
        job_series.id: shapes.job(
            row, job_series, works.get(job_series.id) or _declared(job_series)
        )
        for row, job_series in rows
    }


def _versions(session: Session, transforms: Sequence[int]) -> list[Json]:
    """These versions, in this order."""
    works = _works(session, dict(_latest_runs(session, Transform.id, transforms)))
    query = select(Transform, TransformSeries).join(
        TransformSeries, Transform.series_id == TransformSeries.id
    )
    rows = {
        row.id: (row, series)
        for row, series in session.execute(query.where(Transform.id.in_(transforms)))
    }
    return [
        shapes.job_version(row, series, works.get(row.id) or _declared(series))
        for row, series in (rows[transform_id] for transform_id in transforms)
    ]


def _latest_runs(
    session: Session, column: InstrumentedAttribute[int], ids: Sequence[int]
) -> list[tuple[int, Run]]:
    """The latest run of each version: one seek in an index for each, however many runs there are."""
    newest = (
        select(Run.id)
        .where(Run.transform_id == Transform.id)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(1)
        .correlate(Transform)
        .scalar_subquery()
    )
    query = select(column, Run).options(defer(Run.details)).join(Run, Run.id == newest)
    return [
        (key, run)
        for part in runs.chunks(ids)
        for key, run in session.execute(query.where(column.in_(part)))
    ]


def _works(session: Session, latest: Mapping[int, Run]) -> dict[int, Work]:
    """The inputs, outputs and description of these runs, by the keys of `latest`."""
    sides = runs.edges_of(session, [run.id for run in latest.values()])
    shown = runs.described(session, list(latest.values()))
    return {
        key: Work(run_data, _names(sides[run.id], "input"), _names(sides[run.id], "output"))
        for (key, run), run_data in zip(latest.items(), shown, strict=True)
    }


def _names(sides: Iterable[runs.Side], direction: str) -> list[Json]:
    return [side.version.name.as_json() for side in sides if side.direction == direction]


def _declared(series: TransformSeries) -> Work:
    """The declared inputs and outputs of a job without a run."""
    return Work(None, shapes.declared(series, "inputs"), shapes.declared(series, "outputs"))
