"""The one write path: events in, raw log and registry updated in one transaction, acknowledged after the commit.

Only a server that receives more than the registry can follow splits this in two: `append_to_log`
first, `project_backlog` when there is time. Both are durable, and in the end the registry is the
same.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.db.statements import count_keys, insert_rows, reserve, select_in
from lamin_core.errors import Unavailable
from lamin_core.ingest.facts import RunFacts
from lamin_core.ingest.record import learn_names, record
from lamin_core.ingest.storages import learn_root
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Content,
    EventBacklog,
    Run,
    Transform,
    TransformSeries,
    now,
)
from lamin_core.models import Event as Row
from openlineage.lamin.emit.redaction import is_log_redacted
from openlineage.lamin.receive.facet_reader import job_attributes, storage_root
from openlineage.lamin.receive.fold import (
    alias_pairs,
    annotation,
    declared_datasets,
    job_facts,
)
from openlineage.lamin.receive.fold_cache import (
    STORED,
    Histories,
    by_name,
    histories_of,
    load,
    load_linked,
)
from openlineage.lamin.receive.parse import ParsedEvent, redacted, stored

logger = logging.getLogger("lamin")


@dataclass(slots=True)
class Receipt:
    """The result of a batch: new events, known events, and quarantined events with the reason."""

    taken: int = 0
    duplicates: int = 0
    reasons: dict[str, str] = field(default_factory=dict)
    """Why events were put aside, by their hashes."""

    @property
    def quarantined(self) -> list[str]:
        """The reasons alone."""
        return list(self.reasons.values())


def ingest(database: Database, events: Iterable[ParsedEvent]) -> Receipt:
    """Append these events to the raw log and bring the registry up to date; returns after the commit.

    The same event twice is taken once; any order gives the same registry. What cannot be recorded
    is put aside and holds up no other. Raises `Unavailable` when the database cannot be used: then
    nothing of the batch was taken.
    """
    arrived = list(events)
    batch = {event.hash: event for event in _stored_form(arrived)}
    if not batch:
        return Receipt()
    histories = histories_of(database)
    with _forgetting(histories):
        try:
            with _writing(database) as session:
                new_events = append(session, list(batch.values()))
                project(session, histories, new_events)
                waits = session.execute(_WAITS).first() is not None
        except Unavailable:
            raise
        except Exception:  # what nobody foresaw in one event must not hold up the others
            histories.clear()
            with _writing(database) as session:
                new_events = _apart(session, histories, append(session, list(batch.values())))
                waits = session.execute(_WAITS).first() is not None
    if waits:  # a server that was killed has left something
        project_backlog(database)
    return _receipt(arrived, batch, new_events)


def append_to_log(database: Database, events: Iterable[ParsedEvent]) -> Receipt:
    """Append events to the raw log and leave the registry to `project_backlog`, for when more come than it can follow.

    Returns after the commit: from then on they are as safe as any. Raises `Unavailable`, as
    `ingest` does.
    """
    arrived = list(events)
    batch = {event.hash: event for event in _stored_form(arrived)}
    with database.writing() as session:
        new_events = append(session, list(batch.values()))
        waiting = [{"event_id": event.id} for event in new_events if event.kind != "quarantined"]
        insert_rows(session, EventBacklog, waiting)
    return _receipt(arrived, batch, new_events)


def project_backlog(database: Database, limit: int = 500) -> int:
    """Bring the registry up to date with the first events that wait for it; how many those were: at most `limit`."""
    with database.reading() as session:
        if session.execute(_WAITS).first() is None:
            return 0
    histories = histories_of(database)
    with _forgetting(histories), _writing(database) as session:
        events = [
            stored(row)
            for row in select_in(session, _BODIES, Row.id, _first_waiting(session, limit))
        ]
        if events:
            try:
                with session.begin_nested():
                    project(session, histories, events)
            except Unavailable:
                raise
            except Exception:  # as above
                histories.clear()
                _apart(session, histories, events)
            session.execute(delete(EventBacklog).where(EventBacklog.event_id <= events[-1].id))
    return len(events)


def project_whole_backlog(database: Database) -> None:
    """Bring the registry up to date with everything that waits for it."""
    while project_backlog(database):
        pass


_WAITS = select(EventBacklog.event_id).limit(1)
_WAITING = (
    select(Row.id, func.length(Row.body))
    .join(EventBacklog, EventBacklog.event_id == Row.id)
    .order_by(Row.id)
)
_BODIES = STORED.order_by(Row.id)
_AT_ONCE = 4_000_000
"""Characters of events that are settled at once; of a larger one, that one alone."""


def _first_waiting(session: Session, limit: int) -> list[int]:
    chosen: list[int] = []
    total_size = 0
    for identity, size in session.execute(_WAITING.limit(limit)):
        total_size += size
        if chosen and total_size > _AT_ONCE:
            break
        chosen.append(identity)
    return chosen


_COUNTED = (Row, Run, TransformSeries, Transform, ArtifactSeries, Content, Artifact)


@contextmanager
def _writing(database: Database) -> Iterator[Session]:
    """A transaction in which all rows of the tables that most events add to are given the keys that they reserved."""
    with database.writing() as session:
        count_keys(session, _COUNTED)
        yield session


@contextmanager
def _forgetting(histories: Histories) -> Iterator[None]:
    """Clear the cache if the block fails: events that it absorbed were not committed."""
    try:
        yield
    except BaseException:
        histories.clear()
        raise


def _stored_form(events: Sequence[ParsedEvent]) -> list[ParsedEvent]:
    """The events as the raw log is to have them."""
    if not is_log_redacted():
        return list(events)
    return [replace(redacted(event), arrived_as=event.hash) for event in events]


def _receipt(
    arrived: Sequence[ParsedEvent],
    batch: Mapping[str, ParsedEvent],
    new_events: Sequence[ParsedEvent],
) -> Receipt:
    """Whoever sent them knows them by the hashes that they arrived with."""
    problems = {
        event.hash: str(event.reason) for event in new_events if event.kind == "quarantined"
    }
    arrived_as = {event.hash: event.arrived_as or event.hash for event in batch.values()}
    reasons = {arrived_as[digest]: reason for digest, reason in problems.items()}
    return Receipt(len(new_events) - len(reasons), len(batch) - len(new_events), reasons)


def append(session: Session, events: Sequence[ParsedEvent]) -> list[ParsedEvent]:
    """Write those of these events that the raw log has not got; each with the number of its row."""
    hashes = {event.hash for event in events}
    # One that was stored as it came, before the log was to be redacted, is known by that hash.
    hashes |= {event.arrived_as for event in events if event.arrived_as is not None}
    existing_hashes = {row.hash for row in select_in(session, _HASH, Row.hash, hashes)}
    new_events = [event for event in events if not existing_hashes & {event.hash, event.arrived_as}]
    received = now()
    numbered = [
        replace(e, id=i)
        for e, i in zip(new_events, reserve(session, Row, len(new_events)), strict=True)
    ]
    insert_rows(session, Row, [_row(event, received) for event in numbered])
    return numbered


_HASH = select(Row.hash)


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


def _is_storage(session: Session, event: ParsedEvent) -> bool:
    """Whether the event speaks of a storage, which there is from now on."""
    root = storage_root(event.data)
    if root is not None:
        learn_root(session, root)
    return root is not None


def project(session: Session, histories: Histories, events: Sequence[ParsedEvent]) -> None:
    """Bring the registry up to date with these events, which are in the raw log."""
    jobs = [event for event in events if event.kind == "job"]
    datasets = [
        event for event in events if event.kind == "dataset" and not _is_storage(session, event)
    ]
    changed = histories.absorb(session, [event for event in events if event.kind == "run"])
    remembered = {entry.history.run_id: entry for entry in changed}
    own = {run_id: by_name([entry.history]) for run_id, entry in remembered.items()}
    facts = {name: run_facts for group in own.values() for name, run_facts in group.items()}
    pairs = [pair for run_facts in facts.values() for pair in run_facts.aliases]
    displaced = learn_names(
        session, [*pairs, *(pair for event in (*jobs, *datasets) for pair in alias_pairs(event))]
    )
    facts |= load(session, displaced - set(facts))
    facts |= load_linked(session, facts)
    written: dict[str, RunFacts] = {}
    for entry in changed:
        written |= entry.written
    record(
        session,
        sorted(facts.values(), key=lambda run_facts: (run_facts.first_at, run_facts.run_id)),
        [job_facts(event) for event in jobs],
        [
            *(annotation(event) for event in datasets),
            *chain.from_iterable(declared_datasets(event) for event in jobs),
        ],
        {name: recorded for name, recorded in written.items() if name not in displaced},
        job_attributes,
    )
    for run_id, entry in remembered.items():
        # All that is asked of them again: params and details may be large.
        entry.written = {
            name: replace(run_facts, params=None, details=None, error=None)
            for name, run_facts in own[run_id].items()
        }
    histories.drop_ended()


def _apart(
    session: Session, histories: Histories, events: Sequence[ParsedEvent]
) -> list[ParsedEvent]:
    """Record each run by itself; put the events of a run aside that cannot be recorded."""
    settled: list[ParsedEvent] = []
    groups: defaultdict[str, list[ParsedEvent]] = defaultdict(list)
    for event in events:
        groups[event.run_id or event.hash].append(event)
    for group in groups.values():
        try:
            with session.begin_nested():
                project(session, histories, group)
            settled += group
        except Exception as problem:
            histories.clear()
            # One line: `lamin --debug` prints the traceback of an error that is an argument of a
            # message.
            logger.error("events were put aside: %s: %s", type(problem).__name__, problem)
            settled += put_aside(session, group, problem)
    return settled


def put_aside(
    session: Session, events: Sequence[ParsedEvent], problem: Exception
) -> list[ParsedEvent]:
    """Keep these events of the raw log for later, with the reason: they have no part in the registry."""
    first = str(problem).splitlines()[0] if str(problem) else ""
    reason = f"cannot be recorded: {type(problem).__name__}: {first}"
    ids = [event.id for event in events]
    session.execute(
        update(Row).where(Row.id.in_(ids)).values(kind="quarantined", run_id=None, reason=reason)
    )
    return [replace(event, kind="quarantined", run_id=None, reason=reason) for event in events]
