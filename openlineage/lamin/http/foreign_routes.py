"""Messages of other protocols: `POST` to the paths that integrations register, such as Nextflow's weblog.

Answered after the commit, with 201, as an OpenLineage event is; 400 for what is no such message. Files are
read after the answer, so that no engine waits for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lamin_core.db.database import Database
from lamin_core.errors import LaminError, MalformedEvent
from lamin_core.models import Run, Transform
from lamin_core.server.body_limits import BodyLimits, decoded
from lamin_core.server.metrics import Metrics
from lamin_core.server.responses import JsonResponse, failure
from openlineage.lamin.adapter.foreign_events import ForeignEvents, RecordedRun
from openlineage.lamin.emit.events import Event
from openlineage.lamin.http.writer import Writer
from openlineage.lamin.receive import json_reader
from openlineage.lamin.receive.parse import parse

logger = logging.getLogger("lamin")
GROUP = "openlineage.lamin.receivers"
LIMIT = 4 << 20
"""Bytes of one message."""
_RECORDED = select(Transform.key, Run.engine_version, Run.details).join(
    Transform, Run.transform_id == Transform.id
)


def routes(writer: Writer, metrics: Metrics, database: Database) -> list[BaseRoute]:
    """The routes for messages of other protocols: one for each registered protocol."""
    return [
        Route(intake.path, intake.take, methods=["POST"])
        for intake in (_Intake(receiver, writer, metrics, database) for receiver in receivers())
    ]


def receivers() -> list[ForeignEvents]:
    """A translator of each registered protocol."""
    return [point.load()() for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)]


class _Intake:
    def __init__(
        self, receiver: ForeignEvents, writer: Writer, metrics: Metrics, database: Database
    ) -> None:
        self.path = receiver.path
        self._receiver = receiver
        self._writer = writer
        self._metrics = metrics
        self._database = database
        self._bodies = BodyLimits(LIMIT)
        self._reading: set[asyncio.Task[None]] = set()

    async def take(self, request: Request) -> Response:
        """One message."""
        try:
            async with self._bodies.whole(request) as body:
                message = _message(await decoded(body))
            query = dict(request.query_params)
            events = await asyncio.to_thread(self._receiver.events, message, query, self._recall)
            await self._write(events)
        except LaminError as error:
            self._metrics.received(1)
            self._metrics.refused(1)
            return failure(error)
        self._metrics.received(1)
        self._read_files(message)
        return JsonResponse({}, status_code=201)

    def _recall(self, run_id: str) -> RecordedRun | None:
        with self._database.reading() as session:
            row = session.execute(_RECORDED.where(Run.external_id == run_id)).first()
        return None if row is None else RecordedRun(row.key, row.engine_version, row.details or {})

    async def _write(self, events: Sequence[Event]) -> None:
        if events:
            await self._writer.order([parse(event) for event in events])

    def _read_files(self, message: Mapping[str, Any]) -> None:
        task = asyncio.create_task(self._write_later(message))
        self._reading.add(task)  # a task that nobody refers to may be collected while it runs
        task.add_done_callback(self._reading.discard)

    async def _write_later(self, message: Mapping[str, Any]) -> None:
        try:
            await self._write(await asyncio.to_thread(self._receiver.later_events, message))
        except Exception as error:  # the run is recorded; what is missing is its files
            logger.warning("files of a run could not be recorded: %s", error)


def _message(text: str) -> Mapping[str, Any]:
    try:
        value = json_reader.decode(json_reader.text_of(text))
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}", hint="send one JSON object") from None
    if not isinstance(value, dict):
        raise MalformedEvent(
            "not a JSON object", hint="this address takes one object for each POST"
        )
    return value
