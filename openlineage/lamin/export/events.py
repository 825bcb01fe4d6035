"""The registry as OpenLineage events: those that came, as they came, and what people made, in the same words."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.models import Event as Row
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.sinks import serialize
from openlineage.lamin.export import synthetic_events
from openlineage.lamin.receive.json_reader import strict_line


def export(session: Session) -> Iterator[str]:
    """Every event, a line of JSON each. What people saved comes first, for those that came may speak of its copies."""
    yield from map(_line, synthetic_events.storages(session, with_copies=True))
    yield from map(_line, synthetic_events.artifacts(session))
    yield from received(session)
    yield from map(_line, synthetic_events.jobs(session))
    yield from map(_line, synthetic_events.runs(session))
    yield from map(_line, synthetic_events.storages(session, with_copies=False))


def received(session: Session) -> Iterator[str]:
    """The events that came, but for those that could not be placed."""
    bodies = (
        select(Row.body)
        .where(Row.kind != "quarantined")
        .order_by(Row.id)
        .execution_options(yield_per=500)
    )
    for body in session.scalars(bodies):
        yield strict_line(body)


def _line(event: Event) -> str:
    return serialize(event).decode()
