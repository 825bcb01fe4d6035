"""The raw log: events as they were received."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from lamin_core.models import Event
from lamin_core.server.endpoint import finite
from lamin_core.server.pages import Mark, beyond, following

# As a constant, since only so does the database see that the index by time has just these rows.
_PLACED = Event.kind != literal_column("'quarantined'")
CHUNK = 20


def list_events(
    session: Session,
    *,
    limit: int,
    offset: int,
    cursor: Mark | None,
    before: datetime | None,
    after: datetime | None,
    sort_direction: str,
) -> StreamingResponse:
    """Run, job and dataset events by their own time; what was put aside is not among them.

    The bodies are sent a few at a time: a page of large events would not fit the memory.
    """
    conditions = [_PLACED]
    if after is not None:
        conditions.append(Event.event_time >= after)
    if before is not None:
        conditions.append(Event.event_time < before)
    total = session.scalar(select(func.count()).select_from(Event).where(*conditions))
    ascending = sort_direction == "asc"
    if cursor is not None:
        conditions.append(beyond(Event.event_time, Event.id, cursor, ascending=ascending))
    order = (
        (Event.event_time, Event.id) if ascending else (Event.event_time.desc(), Event.id.desc())
    )
    query = (
        select(Event.event_time, Event.id)
        .where(*conditions)
        .order_by(*order)
        .limit(limit)
        .offset(offset)
    )
    marks: list[Mark] = [(at, identity) for at, identity in session.execute(query)]
    tail = json.dumps({"totalCount": total, "nextCursor": following(marks, limit)})[1:]
    ids = [identity for _, identity in marks]
    return StreamingResponse(_joined(session.get_bind(), ids, tail), media_type="application/json")


def _joined(bind: Any, ids: list[int], tail: str) -> Iterator[str]:
    yield '{"events":['
    for start in range(0, len(ids), CHUNK):
        bodies = ",".join(_bodies(bind, ids[start : start + CHUNK]))
        yield f",{bodies}" if start else bodies
    yield f"],{tail}"


def _bodies(bind: Any, ids: list[int]) -> Iterator[str]:
    with Session(bind) as session:
        bodies = dict(
            session.execute(select(Event.id, Event.body).where(Event.id.in_(ids))).tuples().all()
        )
    return (_strict(bodies[identity]) for identity in ids)


def _strict(body: str) -> str:
    """The value unchanged, but null for a number that only Python's parser reads."""
    if "NaN" not in body and "Infinity" not in body:
        return body
    return json.dumps(finite(json.loads(body)))
