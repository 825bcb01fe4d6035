"""The declared inputs and outputs of jobs, without a run: the latest declaration of each side is valid."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_rows, select_in
from lamin_core.enums import Direction
from lamin_core.ingest.datasets import Series
from lamin_core.ingest.facts import JobFacts
from lamin_core.models import JobDataset, TransformSeries

Job = tuple[str, str]
"""Namespace and key."""
_SIDES: tuple[tuple[Direction, str], ...] = (("input", "inputs"), ("output", "outputs"))


def declare(session: Session, jobs: Iterable[JobFacts], series: Mapping[str, Series]) -> None:
    """Write the declared datasets of these jobs, except sides for which a later declaration is known."""
    declarations = [job for job in jobs if job.datasets]
    if not declarations:
        return
    rows = _rows(session, {job.transform.key for job in declarations})
    for job in declarations:
        row = rows[job.transform.namespace, job.transform.key]
        for direction, side in _SIDES:
            latest = (row.facets or {}).get(side)
            if side in job.facets and latest is not None and latest[0] == job.facets[side][0]:
                paths = [path for side_of, path in job.datasets if side_of == direction]
                _replace(session, row.id, direction, {series[path].id for path in paths})


def move(session: Session, series: Mapping[int, int]) -> None:
    """Tie the jobs of some series to others: the datasets are the same under another name."""
    query = select(JobDataset.job_id, JobDataset.direction, JobDataset.series_id)
    for row in list(select_in(session, query, JobDataset.series_id, series)):
        tied = JobDataset.job_id == row.job_id, JobDataset.direction == row.direction
        targets = set(session.scalars(select(JobDataset.series_id).where(*tied)))
        moved = (targets - {row.series_id}) | {series[row.series_id]}
        _replace(session, row.job_id, row.direction, moved)


def _rows(session: Session, keys: Collection[str]) -> dict[Job, TransformSeries]:
    query = select(TransformSeries).execution_options(populate_existing=True)
    rows = session.scalars(query.where(TransformSeries.key.in_(keys)))
    return {(row.namespace, row.key): row for row in rows}


def _replace(session: Session, job: int, direction: str, series: Collection[int]) -> None:
    side = JobDataset.job_id == job, JobDataset.direction == direction
    session.execute(delete(JobDataset).where(*side))
    rows: list[dict[str, object]] = [
        {"job_id": job, "direction": direction, "series_id": identity}
        for identity in sorted(series)
    ]
    insert_rows(session, JobDataset, rows)
