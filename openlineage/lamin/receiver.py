"""The one write path: events in, raw log and registry updated in one transaction, acknowledged after the commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from lamin_core.db import Database
from lamin_core.lineage.recording import record
from lamin_core.models import Event as Row
from lamin_core.models import now
from openlineage.lamin.fold import fold
from openlineage.lamin.parsing import ParsedEvent, parse


@dataclass(slots=True)
class Receipt:
    """What became of a batch: events taken, events known already, and events put aside with the reason."""

    taken: int = 0
    known: int = 0
    quarantined: list[str] = field(default_factory=list)


def ingest(database: Database, events: Iterable[ParsedEvent]) -> Receipt:
    """Append these events to the raw log and bring the registry up to date; returns after the commit.

    The same event twice is taken once; any order gives the same registry. Raises `Unavailable` when the database
    cannot be used: then nothing of the batch was taken.
    """
    batch = {event.hash: event for event in events}
    if not batch:
        return Receipt()
    with database.writing() as session:
        fresh = _append(session, list(batch.values()))
        runs = sorted({event.run_id for event in fresh if event.run_id is not None})
        folded = [fold(events_of(session, run_id)) for run_id in runs]
        record(session, sorted(folded, key=lambda facts: facts.started_at or datetime.min.replace(tzinfo=UTC)))
    put_aside = [str(event.reason) for event in fresh if event.kind == "quarantined"]
    return Receipt(len(fresh) - len(put_aside), len(batch) - len(fresh), put_aside)


def _append(session: Session, events: Sequence[ParsedEvent]) -> list[ParsedEvent]:
    known: set[str] = set()
    for start in range(0, len(events), 1000):
        part = [event.hash for event in events[start : start + 1000]]
        known.update(session.scalars(select(Row.hash).where(Row.hash.in_(part))))
    fresh = [event for event in events if event.hash not in known]
    received = now()
    rows = [
        {
            "hash": event.hash,
            "kind": event.kind,
            "run_id": event.run_id,
            "event_type": event.event_type,
            "event_time": event.event_time,
            "received_at": received,
            "reason": event.reason,
            "body": event.body,
        }
        for event in fresh
    ]
    if rows:
        session.execute(insert(Row), rows)
    return fresh


def events_of(session: Session, run_id: str) -> list[ParsedEvent]:
    """All events that the raw log holds of this run."""
    return [parse(body) for body in session.scalars(select(Row.body).where(Row.run_id == run_id))]
