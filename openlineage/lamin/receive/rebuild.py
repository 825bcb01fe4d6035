"""Rebuild the registry from the raw log: fold every run again, remove rows without an event, leave the rest.

Rows that people made stay, and so do the labels and values that they gave to rows that events made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.db.statements import parts, select_in
from lamin_core.enums import RunStatus
from lamin_core.ingest.record import learn_names, record
from lamin_core.ingest.reversion import refold
from lamin_core.ingest.run_names import possible_run_ids
from lamin_core.ingest.storages import respell_roots
from lamin_core.ingest.transforms import restate
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Base,
    JobDataset,
    Run,
    RunArtifact,
    RunDependency,
    TransformSeries,
)
from lamin_core.models import Event as Row
from lamin_core.models.deleted import is_remembered
from openlineage.lamin.receive.facet_reader import job_attributes
from openlineage.lamin.receive.fold import (
    alias_pairs,
    annotation,
    declared_datasets,
    job_facts,
)
from openlineage.lamin.receive.fold_cache import histories_of, load, load_linked
from openlineage.lamin.receive.masking import mask_derived
from openlineage.lamin.receive.parse import ParsedEvent, parse

_BATCH = 1_000


@dataclass(slots=True)
class Rebuilt:
    """The number of runs rebuilt, of job and dataset events taken, and of runs dropped because no event names them."""

    runs: int = 0
    others: int = 0
    dropped: int = 0


def rebuild(database: Database) -> Rebuilt:
    """Fold everything again, in transactions of some thousand events; running it twice changes nothing more."""
    outcome = Rebuilt()
    histories_of(database).clear()
    with database.reading() as session:
        first = func.min(Row.id).label("first")
        query = (
            select(Row.run_id, first)
            .where(Row.run_id.is_not(None))
            .group_by(Row.run_id)
            .order_by(first)
        )
        runs = [row.run_id for row in session.execute(query)]
    with database.writing() as session:
        outcome.dropped = _drop_untold(session)
        mask_derived(session)
        respell_roots(session)
        session.execute(update(TransformSeries).values(facets=None, declared_at=None))
        stubs = update(Run).where(Run.origin == "stub")
        session.execute(stubs.values(status=RunStatus.SCHEDULED.value))
        session.execute(delete(JobDataset))
    for part in _slices(runs):
        with database.writing() as session:
            _record_runs(session, part)
        outcome.runs += len(part)
    for events in _others(database):
        with database.writing() as session:
            _record_others(session, events)
        outcome.others += len(events)
    for part in _slices(_ids(database, TransformSeries)):
        with database.writing() as session:
            restate(session, part, job_attributes)
    for part in _slices(_ids(database, ArtifactSeries)):
        with database.writing() as session:
            refold(session, part)
            _forget_empty(session, part)
    return outcome


def _slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))


def _drop_untold(session: Session) -> int:
    """Runs with the origin `event` that have no event."""
    untold = select(Run.id, Run.external_id).where(
        Run.origin == "event", ~exists().where(Row.run_id == Run.external_id)
    )
    rows = session.execute(untold).all()
    run_ids = {run_id for row in rows for run_id in possible_run_ids(row.external_id)}
    logged = {row.run_id for row in select_in(session, select(Row.run_id), Row.run_id, run_ids)}
    ids = [row.id for row in rows if not logged & possible_run_ids(row.external_id)]
    for part in parts(ids):
        session.execute(update(Run).where(Run.parent_id.in_(part)).values(parent_id=None))
        session.execute(update(Artifact).where(Artifact.run_id.in_(part)).values(run_id=None))
        for column in (RunArtifact.run_id, RunDependency.run_id, RunDependency.source_id):
            session.execute(delete(_owner(column)).where(column.in_(part)))
        session.execute(delete(Run).where(Run.id.in_(part)))
    return len(ids)


def _owner(column: Any) -> type[Base]:
    owner: type[Base] = column.class_
    return owner


def _record_runs(session: Session, runs: Sequence[str]) -> None:
    facts = load(session, runs)
    displaced = learn_names(
        session, [pair for run_facts in facts.values() for pair in run_facts.aliases]
    )
    facts |= load(session, displaced - set(facts))
    facts |= load_linked(session, facts)
    record(
        session,
        sorted(facts.values(), key=lambda run_facts: (run_facts.first_at, run_facts.run_id)),
        read_job=job_attributes,
    )


def _others(database: Database) -> Iterator[list[ParsedEvent]]:
    """The events of jobs and datasets, some at a time."""
    last = 0
    query = (
        select(Row.id, Row.body)
        .where(Row.kind.in_(("job", "dataset")))
        .order_by(Row.id)
        .limit(_BATCH)
    )
    while True:
        with database.reading() as session:
            rows = session.execute(query.where(Row.id > last)).all()
        if not rows:
            return
        last = rows[-1].id
        yield [replace(parse(row.body), id=row.id) for row in rows]


def _record_others(session: Session, events: Sequence[ParsedEvent]) -> None:
    displaced = learn_names(session, [pair for event in events for pair in alias_pairs(event)])
    runs = list(load(session, displaced).values())
    jobs = [event for event in events if event.kind == "job"]
    annotations = [annotation(event) for event in events if event.kind == "dataset"]
    annotations += chain.from_iterable(declared_datasets(event) for event in jobs)
    record(
        session, runs, [job_facts(event) for event in jobs], annotations, read_job=job_attributes
    )


def _ids(database: Database, kind: type[ArtifactSeries | TransformSeries]) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(kind.id).order_by(kind.id)))


def _forget_empty(session: Session, ids: Sequence[int]) -> None:
    query: Select[Any] = select(ArtifactSeries.id).where(
        ~exists().where(Artifact.series_id == ArtifactSeries.id),
        ~exists().where(RunArtifact.series_id == ArtifactSeries.id),
        ~is_remembered(ArtifactSeries.stem),
    )
    for row in list(select_in(session, query, ArtifactSeries.id, ids)):
        session.execute(delete(ArtifactSeries).where(ArtifactSeries.id == row.id))
