"""Questions about jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from lamin_core.errors import NotFound
from lamin_core.models import Run, Transform, TransformSeries
from openlineage.lamin.http.reading import runs, shapes
from openlineage.lamin.http.reading.names import job_of
from openlineage.lamin.http.reading.shapes import Json


def list_jobs(session: Session, *, limit: int, offset: int, namespace: str | None = None) -> Json:
    """All jobs, or those of one namespace, by name."""
    wanted = [] if namespace is None else [TransformSeries.namespace == namespace]
    total = session.scalar(select(func.count()).select_from(TransformSeries).where(*wanted))
    page = session.scalars(
        select(TransformSeries.id)
        .where(*wanted)
        .order_by(TransformSeries.namespace, TransformSeries.key)
        .limit(limit)
        .offset(offset)
    ).all()
    found = described(session, page)
    return {"jobs": [found[series] for series in page if series in found], "totalCount": total}


def one_job(session: Session, *, namespace: str, job: str) -> Json:
    """One job, as its newest version shows it."""
    series = job_of(session, namespace, job)
    return described(session, [series])[series]


def job_versions(session: Session, *, namespace: str, job: str, limit: int, offset: int) -> Json:
    """The versions of a job, newest first."""
    wanted = Transform.series_id == job_of(session, namespace, job)
    total = session.scalar(select(func.count()).select_from(Transform).where(wanted))
    page = select(Transform.id).where(wanted).order_by(Transform.number.desc()).limit(limit).offset(offset)
    return {"versions": _versions(session, session.scalars(page).all()), "totalCount": total}


def one_job_version(session: Session, *, namespace: str, job: str, version: str) -> Json:
    """One version of a job, with its source code."""
    series = job_of(session, namespace, job)
    stem = session.scalar(select(TransformSeries.stem).where(TransformSeries.id == series))
    wanted = Transform.uid.in_([version, f"{stem}{version}"])
    found = session.scalars(select(Transform.id).where(Transform.series_id == series, wanted)).all()
    if not found:
        raise NotFound(f"no version {version!r} of this job", hint="GET .../versions lists them")
    return _versions(session, found)[0]


def described(session: Session, series: Iterable[int]) -> dict[int, Json]:
    """These jobs, each as its newest version and its latest run show it."""
    wanted = list(series)
    heads = {row.series_id: row for row in _heads(session, wanted)}
    latest: dict[int, Run] = {}
    for code, run in _latest_runs(session, Transform.series_id, wanted):
        known = latest.get(code)
        if known is None or (run.created_at, run.id) > (known.created_at, known.id):
            latest[code] = run
    sides = runs.edges_of(session, [run.id for run in latest.values()])
    shown = _shown(session, latest)
    return {
        code: shapes.job(row, shown.get(code), *_names(sides[latest[code].id] if code in latest else ()))
        for code, row in heads.items()
    }


def _versions(session: Session, transforms: Sequence[int]) -> list[Json]:
    rows = {row.id: row for row in session.scalars(select(Transform).where(Transform.id.in_(transforms)))}
    latest = dict(_latest_runs(session, Transform.id, transforms))
    sides = runs.edges_of(session, [run.id for run in latest.values()])
    shown = _shown(session, latest)
    return [
        shapes.job_version(rows[one], shown.get(one), *_names(sides[latest[one].id] if one in latest else ()))
        for one in transforms
    ]


def _heads(session: Session, series: Sequence[int]) -> list[Transform]:
    query = select(Transform).options(defer(Transform.source_code)).where(Transform.is_latest)
    return [row for part in runs.chunks(series) for row in session.scalars(query.where(Transform.series_id.in_(part)))]


def _latest_runs(session: Session, column: InstrumentedAttribute[int], ids: Sequence[int]) -> list[tuple[int, Run]]:
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
    return [(key, run) for part in runs.chunks(ids) for key, run in session.execute(query.where(column.in_(part)))]


def _shown(session: Session, latest: dict[int, Run]) -> dict[int, Json]:
    return dict(zip(latest, runs.described(session, list(latest.values())), strict=True))


def _names(sides: Iterable[runs.Side]) -> tuple[list[Json], list[Json]]:
    """The datasets on both sides."""
    named: dict[str, list[Json]] = {"input": [], "output": []}
    for side in sides:
        named[side.direction].append(side.version.name.as_json())
    return named["input"], named["output"]
