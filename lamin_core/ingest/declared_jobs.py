"""Jobs that are declared without a run: their version of unknown code, and their declared inputs and outputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import delete_rows, insert_rows, reserve, select_in, update_rows
from lamin_core.enums import Direction
from lamin_core.ingest.datasets import Series
from lamin_core.ingest.facts import JobFacts, ReadJob, TransformFacts
from lamin_core.ingest.renamed_jobs import Key
from lamin_core.ingest.transform_batch import TransformRequest, attributes_of
from lamin_core.ingest.transform_numbers import number_versions
from lamin_core.ingest.transforms import new_version, update_attributes
from lamin_core.models import JobDataset, Run, Transform, TransformSeries

_SIDES: tuple[tuple[Direction, str], ...] = (("input", "inputs"), ("output", "outputs"))


def tidy(
    session: Session,
    stale_versions: Collection[int],
    declared: Collection[int],
    read_job: ReadJob,
) -> None:
    """Delete versions without runs among these, and compute the times of the others again."""
    if stale_versions:
        declared = {*declared, *_redate(session, stale_versions)}
    _place_declared(session, declared, read_job)


def _redate(session: Session, stale_versions: Collection[int]) -> set[int]:
    """The series among theirs that were declared without their code."""
    first = (
        select(func.min(Run.created_at)).where(Run.transform_id == Transform.id).scalar_subquery()
    )
    query = select(Transform.id, Transform.series_id, first.label("first")).where(
        Transform.origin == "event", Transform.hash.is_(None)
    )
    rows = list(select_in(session, query, Transform.id, stale_versions))
    delete_rows(session, Transform, [row.id for row in rows if row.first is None])
    update_rows(
        session,
        Transform,
        [{"id": r.id, "created_at": r.first} for r in rows if r.first is not None],
    )
    touched = {row.series_id for row in rows}
    number_versions(session, touched)
    _forget_empty(session, touched)
    declared = select(TransformSeries.id).where(TransformSeries.declared_at.is_not(None))
    return {row.id for row in select_in(session, declared, TransformSeries.id, touched)}


def _forget_empty(session: Session, series: Collection[int]) -> None:
    """Delete the series without a version and without a description."""
    query = select(TransformSeries.id).where(
        TransformSeries.declared_at.is_(None),
        TransformSeries.facets.is_(None),
        ~exists().where(Transform.series_id == TransformSeries.id),
    )
    delete_rows(
        session,
        TransformSeries,
        [row.id for row in select_in(session, query, TransformSeries.id, series)],
    )


def _place_declared(session: Session, series: Collection[int], read_job: ReadJob) -> None:
    """A job that was declared without its code has a version of unknown code just as long as it has no other."""
    if not series:
        return
    first = (
        select(func.min(Run.created_at)).where(Run.transform_id == Transform.id).scalar_subquery()
    )
    query = select(
        Transform.id,
        Transform.series_id,
        Transform.hash,
        Transform.created_at,
        Transform.origin,
        first.label("first"),
    )
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in select_in(session, query, Transform.series_id, series):
        grouped[row.series_id].append(row)
    columns = ("id", "namespace", "key", "declared_at", "facets")
    every = select(*(getattr(TransformSeries, name) for name in columns))
    empty_series, dated, gone = [], [], []
    for job in select_in(session, every, TransformSeries.id, series):
        rows = grouped[job.id]
        unknown = next((row for row in rows if row.hash is None and row.origin == "event"), None)
        if not rows:
            empty_series.append(job)
        elif unknown is not None and unknown.first is None and len(rows) > 1:
            gone.append(unknown.id)
        elif unknown is not None:
            dated.append({"id": unknown.id, "created_at": unknown.first or job.declared_at})
    delete_rows(session, Transform, gone)
    update_rows(session, Transform, dated)
    ids = reserve(session, Transform, len(empty_series))
    insert_rows(
        session,
        Transform,
        [_unknown(identity, job) for identity, job in zip(ids, empty_series, strict=True)],
    )
    number_versions(session, series)
    update_attributes(
        session, {job.id: attributes_of(job.facets or {}, read_job) for job in empty_series}
    )


def _unknown(identity: int, job: Any) -> dict[str, Any]:
    return new_version(
        identity, job.id, TransformRequest(TransformFacts(job.namespace, job.key), job.declared_at)
    )


def write_datasets(
    session: Session, jobs: Iterable[JobFacts], series: Mapping[str, Series]
) -> None:
    """Write the declared datasets of these jobs, except sides for which a later declaration is known."""
    declarations = [job for job in jobs if job.datasets]
    if not declarations:
        return
    rows = _series_of(session, {job.transform.key for job in declarations})
    for job in declarations:
        row = rows[job.transform.namespace, job.transform.key]
        for direction, side in _SIDES:
            latest = (row.facets or {}).get(side)
            if side in job.facets and latest is not None and latest[0] == job.facets[side][0]:
                paths = [path for side_of, path in job.datasets if side_of == direction]
                _replace_side(session, row.id, direction, {series[path].id for path in paths})


def move_datasets(session: Session, series: Mapping[int, int]) -> None:
    """Link the jobs of some series to others: the datasets are the same under another name."""
    query = select(JobDataset.job_id, JobDataset.direction, JobDataset.series_id)
    for row in list(select_in(session, query, JobDataset.series_id, series)):
        tied = JobDataset.job_id == row.job_id, JobDataset.direction == row.direction
        targets = set(session.scalars(select(JobDataset.series_id).where(*tied)))
        moved = (targets - {row.series_id}) | {series[row.series_id]}
        _replace_side(session, row.job_id, row.direction, moved)


def _series_of(session: Session, keys: Collection[str]) -> dict[Key, TransformSeries]:
    query = select(TransformSeries).execution_options(populate_existing=True)
    rows = session.scalars(query.where(TransformSeries.key.in_(keys)))
    return {(row.namespace, row.key): row for row in rows}


def _replace_side(session: Session, job: int, direction: str, series: Collection[int]) -> None:
    side = JobDataset.job_id == job, JobDataset.direction == direction
    session.execute(delete(JobDataset).where(*side))
    rows: list[dict[str, object]] = [
        {"job_id": job, "direction": direction, "series_id": identity}
        for identity in sorted(series)
    ]
    insert_rows(session, JobDataset, rows)
