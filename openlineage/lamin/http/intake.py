"""Events in: `POST /api/v1/lineage` and `/api/v1/lineage/batch`, acknowledged after the commit.

Status codes, chosen by what OpenLineage's clients do with them: 201 stored (or known already, or put aside with a
reason); 400 no JSON; 413 too large; 503 the registry cannot be used now, send it again.
"""

from __future__ import annotations

import json
import logging

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lamin_core.db import Database
from lamin_core.errors import LaminError, MalformedEvent, Unavailable
from openlineage.lamin.http.answers import JsonResponse, refusal
from openlineage.lamin.http.body import TooLarge, whole
from openlineage.lamin.parsing import ParsedEvent, parse
from openlineage.lamin.receiver import ingest

logger = logging.getLogger("lamin")


def routes(database: Database) -> list[BaseRoute]:
    """Where events are taken."""
    intake = _Intake(database)
    return [
        Route("/api/v1/lineage", intake.take_one, methods=["POST"]),
        Route("/api/v1/lineage/batch", intake.take_many, methods=["POST"]),
    ]


class _Intake:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_one(self, request: Request) -> Response:
        """One event."""
        try:
            event = parse(await whole(request))
            await run_in_threadpool(ingest, self._database, [event])
        except LaminError as error:
            return _failure(error)
        return JsonResponse({"reason": event.reason} if event.reason else {}, status_code=201)

    async def take_many(self, request: Request) -> Response:
        """An array of events, each with a verdict of its own."""
        try:
            events, failed = _array(await whole(request))
            await run_in_threadpool(ingest, self._database, events)
        except LaminError as error:
            return _failure(error)
        received = len(events) + len(failed)
        summary = {"received": received, "successful": len(events), "failed": len(failed), "retriable": 0}
        status = "partial_success" if failed else "success"
        return JsonResponse({"status": status, "summary": summary, "failed_events": failed})


def _array(body: bytes) -> tuple[list[ParsedEvent], list[dict[str, object]]]:
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}", hint="send a JSON array of events") from error
    if not isinstance(items, list):
        raise MalformedEvent("not an array", hint="send a JSON array of events, or one event to /api/v1/lineage")
    events, failed = [], []
    for index, item in enumerate(items):
        try:
            events.append(parse(item if isinstance(item, dict) else json.dumps(item)))
        except MalformedEvent as error:
            failed.append({"index": index, "reason": error.message, "retriable": False})
    return events, failed


def _failure(error: LaminError) -> Response:
    status = 503 if isinstance(error, Unavailable) else 413 if isinstance(error, TooLarge) else 400
    if status == 503:
        logger.error("%s", error)
    return refusal(status, error.message, error.hint)
