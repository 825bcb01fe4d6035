"""Group commit: one thread writes all waiting events together, in one transaction.

A commit costs the same for one event as for many, so the writer takes all that came in while it
wrote the last group. A request is answered only after the commit that contains its events.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from lamin_core.db.database import Database
from lamin_core.errors import Unavailable
from lamin_core.server.metrics import Metrics
from openlineage.lamin.receive.ingest import Receipt, append_to_log, ingest, project_backlog
from openlineage.lamin.receive.parse import ParsedEvent

logger = logging.getLogger("lamin")
CAPACITY = 10_000
"""The highest number of waiting events; further requests are told to try again."""
GROUP = 1_000
"""Events of one transaction, unless a single request has more."""
FEW = 8
"""The number of events of one transaction that are recorded before the acknowledgement, also under load."""
SLICE, WHOLE = 100, 800
"""The smallest and largest number of waiting events that are recorded in one transaction. The number doubles while no
request arrives, because every transaction has a fixed cost, and requests wait for the transaction."""
BACKLOG = 100_000
"""Events in the raw log that may wait to be recorded; beyond this number, they are recorded while requests wait."""
PAUSE = 0.02
"""Seconds without a request after which there is time for the backlog."""
LINGER = 0.003
"""Seconds that a group waits for as many requests as the last one had: clients that were answered together send again
together, and one transaction for all of them costs little more than one for the first."""


class Overloaded(Unavailable):
    """More events wait than are taken on."""


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Events of one request; `done` ends when they are stored, with why some were put aside, or why they are not."""

    events: Sequence[ParsedEvent]
    done: asyncio.Future[Receipt]
    since: float


class Writer:
    """Writes what is ordered, in groups, from a thread of its own.

    A request whose client has disconnected is skipped: its client was told to
    send it again.
    """

    def __init__(self, database: Database, metrics: Metrics, capacity: int = CAPACITY) -> None:
        self._database = database
        self._metrics = metrics
        self._capacity = capacity
        self._waiting: deque[WriteRequest] = deque()
        self._held = 0
        self._backlog = 1  # until it is known that a server that was killed has left nothing
        self._wrote_at = 0.0
        self._slice = SLICE
        self._last = self._wanted = 1
        self._changed = threading.Condition()
        self._closed = False
        self._settle()
        metrics.watch_queue(lambda: self._held)
        self._thread = threading.Thread(target=self._work, name="lamin-writer", daemon=True)
        self._thread.start()

    def order(self, events: Sequence[ParsedEvent]) -> asyncio.Future[Receipt]:
        """Write these events; called and awaited on an event loop.

        Raises `Overloaded`, unless nothing waits at all: an idle writer accepts a large request.
        """
        request = WriteRequest(
            events, asyncio.get_running_loop().create_future(), time.perf_counter()
        )
        with self._changed:
            if self._closed or (self._held and self._held + len(events) > self._capacity):
                raise Overloaded(
                    f"{self._held} events wait to be written", hint="send it again in a moment"
                )
            self._waiting.append(request)
            self._held += len(events)
            if len(self._waiting) >= self._wanted:
                self._changed.notify()
        return request.done

    def close(self) -> None:
        """Write what is still held, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            group = self._take()
            if group:
                self._write([request for request in group if not request.done.done()])
            if self._closed and not group:
                return  # what is kept is safe: the next server, or the next event, goes on with it
            if self._backlog > (BACKLOG if group else 0):
                self._slice = SLICE if group else min(2 * self._slice, WHOLE)
                self._settle()

    def _take(self) -> list[WriteRequest]:
        """The next waiting requests; empty if the writer is closed, or if there is time for the backlog."""
        group: list[WriteRequest] = []
        size = 0
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._closed, timeout=PAUSE if self._backlog else None
            )
            if self._waiting:
                self._linger()
            while self._waiting and (not group or size + len(self._waiting[0].events) <= GROUP):
                group.append(self._waiting.popleft())
                size += len(group[-1].events)
            self._held -= size
            self._last = len(group)
        return group

    def _linger(self) -> None:
        self._wanted = self._last
        self._changed.wait_for(lambda: len(self._waiting) >= self._wanted or self._closed, LINGER)
        self._wanted = 1

    def _settle(self) -> None:
        """Bring the registry some steps nearer to what is kept."""
        try:
            settled = project_backlog(self._database, self._slice)
        except Exception as error:  # the thread lives on, and tries again
            if not isinstance(error, Unavailable):
                logger.exception("events could not be settled")
            return
        self._backlog = max(1, self._backlog - settled) if settled else 0
        self._metrics.backlog(self._backlog)

    def _write(self, group: Sequence[WriteRequest]) -> None:
        if not group:
            return
        outcome = self._stored(group)
        if isinstance(outcome, Unavailable) and len(group) > 1:
            self._write_apart(group)
        else:
            _answer(group, outcome)

    def _write_apart(self, group: Sequence[WriteRequest]) -> None:
        """Write each request separately, so that its failure affects no other; two failures in a row end it."""
        failed_before = False
        for position, request in enumerate(group):
            outcome = self._stored([request])
            failed = isinstance(outcome, Unavailable)
            if failed and failed_before:
                _answer(group[position:], outcome)
                return
            _answer([request], outcome)
            failed_before = failed

    def _stored(self, group: Sequence[WriteRequest]) -> Receipt | Unavailable:
        """Store the events of a group; return the receipt, or the error. Only this stores events."""
        events = [event for request in group for event in request.events]
        try:
            receipt = self._keep(events)
        except Unavailable as error:
            return error
        except Exception as error:  # the thread lives on, whatever the database says
            logger.exception("events could not be stored")
            return Unavailable(
                f"it could not be stored: {type(error).__name__}", hint="the server's log says why"
            )
        self._metrics.stored(len(events), receipt.taken, len(receipt.quarantined))
        now = time.perf_counter()
        for request in group:
            self._metrics.waited(now - request.since)
        return receipt

    def _keep(self, events: Sequence[ParsedEvent]) -> Receipt:
        """Events are in the registry when they are acknowledged; where they come one group on the other, in the log."""
        is_calm = time.monotonic() - self._wrote_at > PAUSE
        try:
            if not self._backlog and (is_calm or len(events) <= FEW):
                return ingest(self._database, events)
            receipt = append_to_log(self._database, events)
        finally:
            self._wrote_at = time.monotonic()
        self._backlog += receipt.taken
        self._metrics.backlog(self._backlog)
        return receipt


def _answer(group: Sequence[WriteRequest], outcome: Receipt | Unavailable) -> None:
    """Tell those who wait, in one call into their loop."""
    group[0].done.get_loop().call_soon_threadsafe(_resolve, group, outcome)


def _resolve(group: Sequence[WriteRequest], outcome: Receipt | Unavailable) -> None:
    for request in group:
        if request.done.done():
            continue
        if isinstance(outcome, Unavailable):
            request.done.set_exception(outcome)
        else:
            request.done.set_result(outcome)
