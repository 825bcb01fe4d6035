"""Changes of runs as server-sent events, one for each change that any process has committed."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import takewhile
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
FOR_PAGES = f"{PATH}?every=1"
"""What a page listens to: it needs to know that something changed, not what."""
PERIOD = 0.25
"""Seconds between two looks into the database, however many listen."""
HEARTBEAT = 15.0
"""Seconds without an event after which a comment shows that the connection is open."""
MAX_LISTENERS = 100
MAX_EVERY = 60
PAGE = 500
RECENT = 4_000
"""Changes that stay in memory for all listeners; who is further behind reads them from the database."""
READERS = 2
T = TypeVar("T")
Change = tuple[int, bytes]
"""The number of a change, and the event that says so."""


def routes(database: Database) -> list[BaseRoute]:
    """The routes of the stream."""
    return [Route(PATH, Changes(database).listen, methods=["GET"])]


class Changes:
    """The changes of runs in one registry, and who listens to them.

    Each change is read and written as an event once, by whichever listener looks first, however many listen.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looking = anyio.Lock()
        self._looked = 0.0
        self._newest = 0
        self._recent: deque[Change] = deque()
        self._dropped = 0
        """All changes after this number, up to the newest, are recent ones."""
        self._readers = anyio.CapacityLimiter(READERS)
        self._listeners = 0

    async def listen(self, request: Request) -> EndlessResponse:
        """All changes from now on; after `Last-Event-ID`, all that came since that one.

        With `every=SECONDS` only the newest change, once in so many seconds. It ends with the key of whoever listens:
        within a second of its revocation.
        """
        if self._listeners >= MAX_LISTENERS:
            raise HttpRefusal(
                503,
                f"all {MAX_LISTENERS} streams are in use",
                hint="come again in a moment, or ask /api/v1/runs",
            )
        last, every = _last_seen(request), _every(request)
        since = await self._look() if last is None else last
        return _Line(self._messages(since, every, still_admitted(request)), self._count)

    def _count(self, more: int) -> None:
        self._listeners += more

    async def _messages(
        self, last: int, every: int, is_admitted: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        spoke = time.monotonic()
        while await is_admitted():
            changes, newest = await self._after(last, is_newest_enough=every > 0)
            if changes:
                spoke = time.monotonic()
                yield b"".join(event for _, event in changes[-1 if every else 0 :])
            elif time.monotonic() - spoke > HEARTBEAT:
                spoke = time.monotonic()
                yield b": still here\n\n"
            is_behind = newest < self._newest
            last = newest
            if not is_behind:
                # Those who listen at the same pace hear at the same time, and are shown the same page then.
                await anyio.sleep(every - time.monotonic() % every if every else PERIOD)

    async def _after(self, last: int, *, is_newest_enough: bool) -> tuple[list[Change], int]:
        """The changes after this number, and the number up to which they are all."""
        newest = await self._look()
        if last >= self._dropped:
            recent = list(takewhile(lambda change: change[0] > last, reversed(self._recent)))
            return recent[::-1], max(last, newest)
        changes = await self._run(self._since, newest - 1 if is_newest_enough else last, PAGE)
        if len(changes) < PAGE:  # what was deleted since is not waited for
            return changes, max([newest, *(number for number, _ in changes[-1:])])
        return changes, changes[-1][0]

    async def _look(self) -> int:
        """The number of the newest change, looked up once a period; what came since the last look becomes recent."""
        async with self._looking:
            if time.monotonic() - self._looked >= PERIOD:
                newest, changes = await self._run(self._news, self._newest)
                self._remember(newest, changes)
                self._looked = time.monotonic()
        return self._newest

    def _remember(self, newest: int, changes: list[Change] | None) -> None:
        if changes is None:
            self._recent.clear()
            self._dropped = newest
        else:
            self._recent.extend(changes)
        while len(self._recent) > RECENT:
            self._dropped, _ = self._recent.popleft()
        self._newest = newest

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._readers)

    def _news(self, last: int) -> tuple[int, list[Change] | None]:
        """The number of the newest change, and what came after this one; None where that is not worth reading."""
        with self._database.reading() as session:
            newest = session.scalar(select(func.max(RunChange.id))) or 0
        if newest <= last:
            return last, []
        if not self._listeners or newest - last > RECENT:
            return newest, None
        changes = self._since(last, RECENT)
        return max([newest, *(number for number, _ in changes[-1:])]), changes

    def _since(self, last: int, most: int) -> list[Change]:
        query = (
            select(RunChange, Run, Transform)
            .options(defer(Run.details), defer(Transform.source_code))
            .join(Run, RunChange.run_id == Run.id)
            .join(Transform, Run.transform_id == Transform.id)
            .where(RunChange.id > last)
            .order_by(RunChange.id)
            .limit(most)
        )
        with self._database.reading() as session:
            return [
                (change.id, _event(change, run, code))
                for change, run, code in session.execute(query)
            ]


class _Line(EndlessResponse):
    """A response that continues until the client disconnects, and counts as a listener until then."""

    def __init__(self, messages: AsyncIterator[bytes], count: Callable[[int], None]) -> None:
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


def _event(change: RunChange, run: Run, code: Transform) -> bytes:
    """The run as it is now, with the status that it came into then."""
    payload = {
        **shapes.run(run, shapes.Code.of(code)),
        "status": change.status,
        "state": shapes.state(change.status),
        "changedAt": shapes.iso_timestamp(change.at),
    }
    data = json.dumps(payload, separators=(",", ":"))
    return f"id: {change.id}\nevent: run\ndata: {data}\n\n".encode()


def _last_seen(request: Request) -> int | None:
    event_id = request.headers.get("last-event-id") or request.query_params.get("lastEventId")
    if not event_id:
        return None
    if not re.fullmatch("[0-9]{1,18}", event_id):
        raise InvalidArgument(
            f"not the id of an event: Last-Event-ID {event_id[:40]!r}",
            hint="send the id of the last event you saw",
        )
    return int(event_id)


def _every(request: Request) -> int:
    """Seconds between two events; 0 where each change is one."""
    text = request.query_params.get("every", "0")
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > MAX_EVERY:
        raise InvalidArgument(
            f"every is not a number from 0 to {MAX_EVERY}: {text[:40]!r}", hint="every=1"
        )
    return int(text)
