"""The one place where the state of runs is written: from `RunFacts`, however they came about.

Writing the same facts again changes nothing; writing fuller facts of the same run completes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lamin_core.hashing import Digest
from lamin_core.lineage import series as versions
from lamin_core.lineage.facts import DatasetFacts, RunFacts, RunLink, TransformFacts
from lamin_core.models import Run, RunArtifact, RunDependency, Transform, TransformSeries, blank, now
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.storage import Root
from lamin_core.types import RunStatus
from lamin_core.uids import derived_uid, run_uid, version_suffix


def record(session: Session, facts: Iterable[RunFacts]) -> list[Run]:
    """Write these runs with all that belongs to them; runs tracked by Python stay as Python says."""
    known = versions.roots(session)
    return [_record(session, one, known) for one in facts]


def _record(session: Session, facts: RunFacts, known: list[Root]) -> Run:
    run = session.scalar(select(Run).where(Run.external_id == facts.run_id))
    if run is not None and run.origin == "api":
        return run
    at = facts.started_at or facts.finished_at or now()
    transform = transform_for(session, facts.transform, at)
    is_new = run is None
    if run is None:
        run = blank_run(facts.run_id, transform.id, "event")
        session.add(run)
    previous, run.transform_id = run.transform_id, transform.id
    _fill(run, facts)
    run.parent_id = None if facts.parent is None else _linked(session, facts.parent, facts).id
    session.flush()
    if previous != transform.id:
        _forget_unused(session, previous)
    _record_dependencies(session, run, facts)
    _record_datasets(session, run, facts.datasets, known, is_new=is_new)
    return run


def blank_run(run_id: str, transform_id: int, origin: str) -> Run:
    """A row for the run with this OpenLineage run id, to be filled."""
    return blank(
        Run,
        uid=run_uid(run_id),
        external_id=run_id,
        transform_id=transform_id,
        origin=origin,
        engine="",
        status=RunStatus.RUNNING,
        cached=False,
        attempt=1,
        created_at=now(),
    )


def _fill(run: Run, facts: RunFacts) -> None:
    run.origin = "event"
    run.engine, run.engine_version = facts.engine, facts.engine_version
    run.name, run.cached, run.attempt = facts.name, facts.cached, facts.attempt
    run.status, run.error = facts.status, facts.error
    run.started_at, run.finished_at = facts.started_at, facts.finished_at
    run.params = None if facts.params is None else dict(facts.params)
    run.details = None if facts.details is None else dict(facts.details)
    run.created_at = facts.started_at or run.created_at


def _linked(session: Session, link: RunLink, child: RunFacts) -> Run:
    """The run that this link names; where nobody has told of it yet, a stub that its own events will fill."""
    run = session.scalar(select(Run).where(Run.external_id == link.run_id))
    if run is None:
        at = child.started_at or child.finished_at or now()
        transform = transform_for(session, TransformFacts(link.namespace, link.key), at)
        run = blank_run(link.run_id, transform.id, "stub")
        run.engine = link.namespace
        session.add(run)
        session.flush()
    return run


def transform_for(session: Session, facts: TransformFacts, at: datetime, *, origin: str = "event") -> Transform:
    """The version of the transform with this source, made if it is new."""
    found = session.scalar(
        select(TransformSeries).where(TransformSeries.namespace == facts.namespace, TransformSeries.key == facts.key)
    )
    if found is None:
        stem = derived_uid(12, "transform", facts.namespace, facts.key)
        found = TransformSeries(stem=stem, namespace=facts.namespace, key=facts.key)
        session.add(found)
        session.flush()
    same_hash = Transform.hash.is_(None) if facts.source_hash is None else Transform.hash == facts.source_hash
    transform = session.scalar(select(Transform).where(Transform.series_id == found.id, same_hash))
    if transform is None:
        transform = _next_version(session, found, facts, at, origin)
    elif transform.origin == "event":
        if at < transform.created_at:
            transform.created_at = at
            settle_transforms(session, found.id)
        transform.kind = facts.kind or transform.kind
        transform.description = facts.description or transform.description
        transform.reference = facts.reference or transform.reference
        transform.reference_type = facts.reference_type or transform.reference_type
    return transform


def _next_version(
    session: Session, series: TransformSeries, facts: TransformFacts, at: datetime, origin: str
) -> Transform:
    newest = session.scalar(select(func.max(Transform.number)).where(Transform.series_id == series.id))
    number = 0 if newest is None else newest + 1
    if newest is not None:
        head = session.scalar(select(Transform).where(Transform.series_id == series.id, Transform.is_latest))
        if head is not None:
            head.is_latest = False
            session.flush()
    transform = Transform(
        key=facts.key,
        namespace=facts.namespace,
        kind=facts.kind or "pipeline",
        source_code=facts.source,
        language=facts.language,
        description=facts.description,
        reference=facts.reference,
        reference_type=facts.reference_type,
    )
    transform.uid = series.stem + version_suffix(number)
    transform.series_id, transform.number, transform.is_latest = series.id, number, True
    transform.hash, transform.created_at, transform.origin = facts.source_hash, at, origin
    session.add(transform)
    session.flush()
    if number:
        settle_transforms(session, series.id)
    return transform


def settle_transforms(session: Session, series_id: int) -> None:
    """Number the versions that events told of in the order of their first runs, whatever the order of arrival."""
    rows = list(session.scalars(select(Transform).where(Transform.series_id == series_id).order_by(Transform.number)))
    ordered = sorted(rows, key=lambda row: (row.created_at, row.hash or ""))
    if not rows:
        return
    is_settled = [row.number for row in ordered] == list(range(len(rows))) and ordered[-1].is_latest
    if is_settled or any(row.origin == "api" for row in rows):
        return
    for row in rows:
        row.number, row.uid, row.is_latest = -row.id, f"~{row.id}", False
    session.flush()
    stem = session.get_one(TransformSeries, series_id).stem
    for number, row in enumerate(ordered):
        row.number, row.uid, row.is_latest = number, stem + version_suffix(number), number == len(ordered) - 1
    session.flush()


def _forget_unused(session: Session, transform_id: int) -> None:
    """Drop a version that only a stub stood for."""
    transform = session.get(Transform, transform_id)
    if transform is None or transform.origin == "api" or transform.hash is not None:
        return
    if session.scalar(select(func.count()).where(Run.transform_id == transform_id)):
        return
    session.delete(transform)
    session.flush()
    settle_transforms(session, transform.series_id)


def _record_dependencies(session: Session, run: Run, facts: RunFacts) -> None:
    wanted = {(_linked(session, link, facts).id, link.role or "order") for link in facts.dependencies}
    rows = session.scalars(select(RunDependency).where(RunDependency.run_id == run.id)) if wanted else ()
    held = {(row.source_id, row.role) for row in rows}
    session.add_all(
        RunDependency(run_id=run.id, source_id=source, role=role)
        for source, role in sorted(wanted - held)
        if source != run.id
    )


def _record_datasets(
    session: Session, run: Run, datasets: Iterable[DatasetFacts], known: list[Root], *, is_new: bool
) -> None:
    held: dict[tuple[str, int], RunArtifact] = {}
    if not is_new:
        rows = session.scalars(select(RunArtifact).where(RunArtifact.run_id == run.id))
        held = {(edge.direction, edge.series_id): edge for edge in rows}
    for dataset in sorted(datasets, key=lambda d: (d.at, d.direction == "output", d.path)):
        series = versions.series_at(session, dataset.path, known)
        seen = _edge_values(session, dataset)
        edge = held.get((dataset.direction, series.id))
        if edge is None:
            edge = RunArtifact(run_id=run.id, direction=dataset.direction, series_id=series.id, **seen)
            versions.observe(session, series, edge)
            held[dataset.direction, series.id] = edge
        elif _changed(edge, seen):
            session.flush()
            versions.refold(session, series)


def _edge_values(session: Session, dataset: DatasetFacts) -> dict[str, Any]:
    content_id = None
    if dataset.hash is not None:
        digest = Digest(dataset.hash_type or "unknown", dataset.hash, _size(dataset), dataset.n_files)
        content_id = versions.content_for(session, digest)
    facets = None if dataset.facets is None else dict(dataset.facets)
    return {"content_id": content_id, "observed_at": dataset.at, "role": dataset.role, "facets": facets}


def _size(dataset: DatasetFacts) -> int:
    return UNKNOWN_SIZE if dataset.size is None else dataset.size


def _changed(edge: RunArtifact, seen: dict[str, Any]) -> bool:
    """Bring the edge up to date; whether it now says other bytes or another time."""
    moved = (edge.content_id, edge.observed_at) != (seen["content_id"], seen["observed_at"])
    for name, value in seen.items():
        if getattr(edge, name) != value:
            setattr(edge, name, value)
    return moved
