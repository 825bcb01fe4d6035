"""The one write path: events in, raw log and registry updated in one transaction, acknowledged after the commit."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lamin_core.bulk import insert_rows, reserve, select_in
from lamin_core.db import Database
from lamin_core.errors import Unavailable
from lamin_core.lineage.recording import learn_names, record
from lamin_core.models import Event as Row
from lamin_core.models import now
from openlineage.lamin.fold import alias_pairs, annotation, job_facts
from openlineage.lamin.histories import Histories, histories_of, load
from openlineage.lamin.parsing import ParsedEvent

logger = logging.getLogger("lamin")


@dataclass(slots=True)
class Receipt:
    """What became of a batch: events taken, events known already, and events put aside with the reason."""

    taken: int = 0
    known: int = 0
    quarantined: list[str] = field(default_factory=list)


def ingest(database: Database, events: Iterable[ParsedEvent]) -> Receipt:
    """Append these events to the raw log and bring the registry up to date; returns after the commit.

    The same event twice is taken once; any order gives the same registry. What cannot be recorded is put aside and
    holds up no other. Raises `Unavailable` when the database cannot be used: then nothing of the batch was taken.
    """
    batch = {event.hash: event for event in events}
    if not batch:
        return Receipt()
    histories = histories_of(database)
    try:
        with database.writing() as session:
            fresh = append(session, list(batch.values()))
            project(session, histories, fresh)
    except Unavailable:
        histories.clear()
        raise
    except Exception as error:  # what nobody foresaw in one event must not hold up the others
        histories.clear()
        fresh = _apart(database, histories, list(batch.values()), error)
    put_aside = [str(event.reason) for event in fresh if event.kind == "quarantined"]
    return Receipt(len(fresh) - len(put_aside), len(batch) - len(fresh), put_aside)


def append(session: Session, events: Sequence[ParsedEvent]) -> list[ParsedEvent]:
    """Write those of these events that the raw log has not got; each with the number of its row."""
    hashes = {event.hash for event in events}
    known = {row.hash for row in select_in(session, select(Row.hash), Row.hash, hashes)}
    fresh = [event for event in events if event.hash not in known]
    received = now()
    numbered = [replace(e, id=i) for e, i in zip(fresh, reserve(session, Row, len(fresh)), strict=True)]
    insert_rows(session, Row, [_row(event, received) for event in numbered])
    return numbered


def _row(event: ParsedEvent, received: Any) -> dict[str, Any]:
    return {
        "id": event.id,
        "hash": event.hash,
        "kind": event.kind,
        "run_id": event.run_id,
        "event_type": event.event_type,
        "event_time": event.event_time,
        "received_at": received,
        "reason": event.reason,
        "body": event.body,
    }


def project(session: Session, histories: Histories, events: Sequence[ParsedEvent]) -> None:
    """Bring the registry up to date with these events, which are in the raw log."""
    jobs = [event for event in events if event.kind == "job"]
    datasets = [event for event in events if event.kind == "dataset"]
    changed = histories.absorb(session, [event for event in events if event.kind == "run"])
    facts = {history.run_id: history.facts() for history in changed}
    pairs = [pair for one in facts.values() for pair in one.aliases]
    displaced = learn_names(session, [*pairs, *(pair for event in (*jobs, *datasets) for pair in alias_pairs(event))])
    facts |= {history.run_id: history.facts() for history in load(session, displaced - set(facts))}
    record(
        session,
        sorted(facts.values(), key=lambda one: (one.first_at, one.run_id)),
        [job_facts(event) for event in jobs],
        [annotation(event) for event in datasets],
    )


def _apart(
    database: Database, histories: Histories, events: Sequence[ParsedEvent], error: Exception
) -> list[ParsedEvent]:
    """The batch again, each run for itself; the events of one that cannot be recorded are put aside."""
    settled: list[ParsedEvent] = []
    with database.writing() as session:
        groups: defaultdict[str, list[ParsedEvent]] = defaultdict(list)
        for event in append(session, events):
            groups[event.run_id or event.hash].append(event)
        for group in groups.values():
            try:
                with session.begin_nested():
                    project(session, histories, group)
                settled += group
            except Exception as problem:
                histories.clear()
                logger.error("events were put aside: %s", problem, exc_info=problem)
                settled += put_aside(session, group, problem)
    return settled


def put_aside(session: Session, events: Sequence[ParsedEvent], problem: Exception) -> list[ParsedEvent]:
    """Keep these events of the raw log for later, with the reason: they have no part in the registry."""
    first = str(problem).splitlines()[0] if str(problem) else ""
    reason = f"cannot be recorded: {type(problem).__name__}: {first}"
    ids = [event.id for event in events]
    session.execute(update(Row).where(Row.id.in_(ids)).values(kind="quarantined", run_id=None, reason=reason))
    return [replace(event, kind="quarantined", run_id=None, reason=reason) for event in events]
