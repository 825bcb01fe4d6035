"""Changes of runs as server-sent events, one for each change that any process has committed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import anyio
from sqlalchemy import func, select
from sqlalchemy.orm import defer
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from lamin_core.db.database import Database
from lamin_core.errors import InvalidArgument
from lamin_core.models import Run, RunChange, Transform
from lamin_core.server.middleware import still_admitted
from lamin_core.server.responses import EndlessResponse, HttpRefusal
from openlineage.lamin.http.queries import shapes

PATH = "/api/v1/runs/stream"
PERIOD = 0.25
"""Seconds between two looks into the database, however many listen."""
HEARTBEAT = 15.0
"""Seconds without an event after which a comment shows that the connection is open."""
MAX_LISTENERS = 100
PAGE = 500
READERS = 2
T = TypeVar("T")


def routes(database: Database) -> list[BaseRoute]:
    """The routes of the stream."""
    return [Route(PATH, Changes(database).listen, methods=["GET"])]


class Changes:
    """The changes of runs in one registry, and who listens to them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looking = anyio.Lock()
        self._looked = 0.0
        self._newest = 0
        self._readers = anyio.CapacityLimiter(READERS)
        self._listeners = 0

    async def listen(self, request: Request) -> EndlessResponse:
        """All changes from now on; after `Last-Event-ID`, all that came since that one.

        It ends with the key of whoever listens: within a second of its revocation.
        """
        if self._listeners >= MAX_LISTENERS:
            raise HttpRefusal(
                503,
                f"{MAX_LISTENERS} listen already",
                hint="come again in a moment, or ask /api/v1/runs",
            )
        last = _last_seen(request)
        since = await self._now() if last is None else last
        return _Line(self._messages(since, still_admitted(request)), self._count)

    def _count(self, more: int) -> None:
        self._listeners += more

    async def _messages(
        self, last: int, is_admitted: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        spoke = time.monotonic()
        while await is_admitted():
            now = await self._now()
            changes = await self._run(self._since, last) if now > last else []
            if changes:
                last, spoke = changes[-1][0], time.monotonic()
                yield "".join(text for _, text in changes)
            elif time.monotonic() - spoke > HEARTBEAT:
                spoke = time.monotonic()
                yield ": still here\n\n"
            if len(changes) < PAGE:
                last = max(last, now)  # what was deleted since is not waited for
                await anyio.sleep(PERIOD)

    async def _now(self) -> int:
        """The number of the newest change, looked up once a period."""
        async with self._looking:
            if time.monotonic() - self._looked >= PERIOD:
                self._newest = await self._run(self._look)
                self._looked = time.monotonic()
        return self._newest

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._readers)

    def _look(self) -> int:
        with self._database.reading() as session:
            return session.scalar(select(func.max(RunChange.id))) or 0

    def _since(self, last: int) -> list[tuple[int, str]]:
        query = (
            select(RunChange, Run, Transform)
            .options(defer(Run.details), defer(Transform.source_code))
            .join(Run, RunChange.run_id == Run.id)
            .join(Transform, Run.transform_id == Transform.id)
            .where(RunChange.id > last)
            .order_by(RunChange.id)
            .limit(PAGE)
        )
        with self._database.reading() as session:
            return [
                (change.id, _event(change, run, code))
                for change, run, code in session.execute(query)
            ]


class _Line(EndlessResponse):
    """A response that continues until the client disconnects, and counts as a listener until then."""

    def __init__(self, messages: AsyncIterator[str], count: Callable[[int], None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(messages, media_type="text/event-stream", headers=headers)
        self._count = count
        count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._count(-1)


def _event(change: RunChange, run: Run, code: Transform) -> str:
    """The run as it is now, with the status that it came into then."""
    payload = {
        **shapes.run(run, shapes.Code.of(code)),
        "status": change.status,
        "state": shapes.state(change.status),
        "changedAt": shapes.iso_timestamp(change.at),
    }
    return f"id: {change.id}\nevent: run\ndata: {json.dumps(payload, separators=(',', ':'))}\n\n"


def _last_seen(request: Request) -> int | None:
    event_id = request.headers.get("last-event-id") or request.query_params.get("lastEventId")
    if not event_id:
        return None
    if not re.fullmatch("[0-9]{1,18}", event_id):
        raise InvalidArgument(
            f"Last-Event-ID {event_id[:40]!r} is none", hint="send the id of the last event you saw"
        )
    return int(event_id)
