"""Events in: `POST /api/v1/lineage` and `/api/v1/lineage/batch`, acknowledged after the commit.

Status codes, chosen by what OpenLineage's clients do with them: 201 stored (or known already, or
put aside with a reason); 400 no JSON; 413 too large; 503 the registry cannot be used now, send it
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lamin_core.errors import LaminError, Unavailable
from lamin_core.server.body_limits import BodyLimits, decoded
from lamin_core.server.metrics import Metrics
from lamin_core.server.responses import JsonResponse, failure
from openlineage.lamin.http.batch import BatchResult, Slice, slices
from openlineage.lamin.http.writer import Writer
from openlineage.lamin.receive.ingest import Receipt
from openlineage.lamin.receive.json_reader import LARGE
from openlineage.lamin.receive.parse import ParsedEvent, parse

PATIENCE = 4.0
"""Seconds until the client gets an answer to try again: OpenLineage's clients wait for five."""
PACE = 2_000_000
"""Characters of an event that are another second's patience."""
BATCH_PATIENCE = 60.0
"""The same for a slice of a batch, which takes longer."""


def routes(writer: Writer, metrics: Metrics) -> list[BaseRoute]:
    """The routes that receive events."""
    intake = _Intake(writer, metrics)
    return [
        Route("/api/v1/lineage", intake.take_one, methods=["POST"]),
        Route("/api/v1/lineage/batch", intake.take_many, methods=["POST"]),
    ]


class _Intake:
    def __init__(self, writer: Writer, metrics: Metrics) -> None:
        self._writer = writer
        self._metrics = metrics
        self._bodies = BodyLimits()

    async def take_one(self, request: Request) -> Response:
        """One event."""
        try:
            async with self._bodies.whole(request) as body:
                text = await decoded(body)
                event = parse(text) if len(text) <= LARGE else await asyncio.to_thread(parse, text)
                receipt = await self._stored([event], PATIENCE + len(event.body) / PACE)
        except LaminError as error:
            self._count(1, 1)
            return failure(error)
        self._count(1, 0)
        reason = receipt.reasons.get(event.hash, event.reason)
        return JsonResponse({"reason": reason} if reason else {}, status_code=201)

    async def take_many(self, request: Request) -> Response:
        """An array of events, each with a verdict of its own."""
        verdicts = BatchResult()
        try:
            async with self._bodies.whole(request) as body:
                parts = slices(await decoded(body))
                while part := await asyncio.to_thread(next, parts, None):
                    await self._judge(part, verdicts)
        except LaminError as error:
            self._count(verdicts.successful + verdicts.failed + 1, verdicts.failed + 1)
            return failure(error)
        self._count(verdicts.successful + verdicts.failed, verdicts.failed)
        if verdicts.unavailable is not None and not verdicts.successful:
            return failure(verdicts.unavailable)
        return JsonResponse(verdicts.as_dict())

    async def _judge(self, part: Slice, verdicts: BatchResult) -> None:
        verdicts.malformed(part)
        try:
            receipt = await self._stored(list(part.events.values()), BATCH_PATIENCE)
        except Unavailable as error:
            verdicts.unstored(part, error)
        else:
            verdicts.stored(part, receipt.reasons)

    async def _stored(self, events: Sequence[ParsedEvent], patience: float) -> Receipt:
        """The result of the events, after the commit. Raises `Unavailable`."""
        if not events:
            return Receipt()
        stored = self._writer.order(events)
        expiry = stored.get_loop().call_later(patience, _expire, stored)
        try:
            return await stored
        finally:
            expiry.cancel()

    def _count(self, received: int, refused: int) -> None:
        self._metrics.received(received)
        self._metrics.refused(refused)


def _expire(stored: asyncio.Future[Receipt]) -> None:
    if not stored.done():
        stored.set_exception(Unavailable("the database is busy", hint="send it again in a moment"))
