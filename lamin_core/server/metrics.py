"""The server's counters in the format of Prometheus.

Each event that comes in is counted as received, and then once more by what became of it: taken,
known already, quarantined, or refused.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The counts of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._received = Counter(
            "lamin_events_received", "Events that came in.", registry=self.registry
        )
        outcomes = Counter(
            "lamin_events", "Events by what became of them.", ["outcome"], registry=self.registry
        )
        self._taken, self._known = outcomes.labels("taken"), outcomes.labels("known")
        self._quarantined, self._refused = (
            outcomes.labels("quarantined"),
            outcomes.labels("refused"),
        )
        self._answers = Counter(
            "lamin_requests", "Requests by status.", ["status"], registry=self.registry
        )
        self._queue = Gauge(
            "lamin_queue_events", "Events that wait to be written.", registry=self.registry
        )
        self._backlog = Gauge(
            "lamin_backlog_events",
            "Events that are kept, and not yet in the registry.",
            registry=self.registry,
        )
        self._latency = Histogram(
            "lamin_write_seconds",
            "From parsed to committed.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._groups = Histogram(
            "lamin_group_events",
            "Events that one transaction wrote.",
            registry=self.registry,
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
        )

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Register the function that returns the number of waiting events."""
        self._queue.set_function(depth)

    def backlog(self, events: int) -> None:
        """Count the stored events that are not in the registry yet."""
        self._backlog.set(events)

    def received(self, events: int) -> None:
        """Count received events."""
        self._received.inc(events)

    def refused(self, events: int) -> None:
        """Count refused events."""
        self._refused.inc(events)

    def answered(self, status: int) -> None:
        """A request was answered so."""
        self._answers.labels(str(status)).inc()

    def stored(self, events: int, taken: int, quarantined: int) -> None:
        """One transaction wrote these; what is neither taken nor put aside was there already."""
        self._groups.observe(events)
        self._taken.inc(taken)
        self._quarantined.inc(quarantined)
        self._known.inc(events - taken - quarantined)

    def waited(self, seconds: float) -> None:
        """An order waited so long for its commit."""
        self._latency.observe(seconds)

    def routes(self) -> list[BaseRoute]:
        """The route of the metrics."""
        return [Route("/metrics", self._tell, methods=["GET"])]

    async def _tell(self, request: Request) -> Response:
        return Response(
            generate_latest(self.registry), media_type="text/plain; version=0.0.4; charset=utf-8"
        )


class Counted:
    """Counts every answer by its status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and look at the answer."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(message["status"])
            await send(message)

        await self._app(scope, receive, counted)
