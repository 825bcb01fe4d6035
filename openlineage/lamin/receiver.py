"""The one write path: events in, raw log and registry updated in one transaction, acknowledged after the commit."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from lamin_core.db import Database
from lamin_core.errors import Unavailable
from lamin_core.lineage.recording import record
from lamin_core.models import Event as Row
from lamin_core.models import now
from openlineage.lamin.fold import fold
from openlineage.lamin.parsing import ParsedEvent, parse

logger = logging.getLogger("lamin")


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
    try:
        return _ingest(database, batch)
    except Unavailable:
        raise
    except Exception as error:  # what nobody foresaw in one event must not hold up the others
        return _one_by_one(database, batch, error)


def _one_by_one(database: Database, batch: dict[str, ParsedEvent], error: Exception) -> Receipt:
    """The batch again, each run for itself; the events of one that cannot be recorded are put aside."""
    by_run: defaultdict[str | None, dict[str, ParsedEvent]] = defaultdict(dict)
    for event in batch.values():
        by_run[event.run_id][event.hash] = event
    if len(by_run) == 1:
        logger.error("events were put aside: %s", error, exc_info=error)
        reason = f"cannot be recorded: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        aside = {event.hash: replace(event, kind="quarantined", run_id=None, reason=reason) for event in batch.values()}
        return _ingest(database, aside)
    whole = Receipt()
    for events in by_run.values():
        part = ingest(database, events.values())
        whole.taken, whole.known = whole.taken + part.taken, whole.known + part.known
        whole.quarantined += part.quarantined
    return whole


def _ingest(database: Database, batch: dict[str, ParsedEvent]) -> Receipt:
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
