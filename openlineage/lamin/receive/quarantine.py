"""Events in quarantine: which and why, and another attempt after the reason may have been removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.db.statements import reserve
from lamin_core.errors import MalformedEvent
from lamin_core.models import Event as Row
from openlineage.lamin.receive.fold_cache import histories_of
from openlineage.lamin.receive.ingest import project, put_aside
from openlineage.lamin.receive.parse import ParsedEvent, parse

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Held:
    """An event that was put aside."""

    id: int
    received_at: datetime
    reason: str
    body: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "received_at": self.received_at.isoformat()}


@dataclass(slots=True)
class Retried:
    """The number of events that are in the registry now, and of those that are still set aside."""

    taken: int = 0
    held: int = 0
    reasons: list[str] = field(default_factory=list)


def quarantined_events(session: Session) -> Iterator[Held]:
    """The events in quarantine, oldest first."""
    columns = select(Row.id, Row.received_at, Row.reason, Row.body)
    for row in session.execute(columns.where(Row.kind == "quarantined").order_by(Row.id)):
        yield Held(row.id, row.received_at, row.reason or "", row.body)


def retry(database: Database) -> Retried:
    """Try each again: a later version of this package may know what to do with it. What fails again stays."""
    outcome, last = Retried(), 0
    while True:
        with database.writing() as session:
            query = select(Row.id, Row.body).where(Row.kind == "quarantined", Row.id > last)
            rows = session.execute(query.order_by(Row.id).limit(_BATCH)).all()
            for row in rows:
                _retry_one(session, database, row.id, row.body, outcome)
        if not rows:
            return outcome
        last = rows[-1].id


def _retry_one(
    session: Session, database: Database, identity: int, body: str, outcome: Retried
) -> None:
    try:
        event = replace(parse(body), id=identity)
    except MalformedEvent as error:  # an earlier version took what is nested more deeply
        event = ParsedEvent("quarantined", "", body, {}, reason=error.message, id=identity)
    _try(session, database, event, outcome)


def _try(session: Session, database: Database, event: ParsedEvent, outcome: Retried) -> None:
    if event.kind == "quarantined":
        session.execute(update(Row).where(Row.id == event.id).values(reason=event.reason))
        outcome.held += 1
        outcome.reasons.append(str(event.reason))
        return
    histories = histories_of(database)
    try:
        with session.begin_nested():
            project(session, histories, [_moved(session, event)])
        outcome.taken += 1
    except Exception as problem:  # it has been put aside for a reason that nobody foresaw
        outcome.held += 1
        outcome.reasons.append(str(put_aside(session, [event], problem)[0].reason))
    finally:
        histories.clear()


def _moved(session: Session, event: ParsedEvent) -> ParsedEvent:
    """Move the event to the end of the raw log, after all that other processes remember of its run."""
    last = reserve(session, Row, 1)[0]
    named = {
        "kind": event.kind,
        "run_id": event.run_id,
        "event_type": event.event_type,
        "event_time": event.event_time,
    }
    session.execute(update(Row).where(Row.id == event.id).values(id=last, reason=None, **named))
    return replace(event, id=last)
