"""Group commit: who waits is written together, fails alone, and is told when there are too many."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select
from starlette.testclient import TestClient

from lamin_core.db.database import Database
from lamin_core.errors import Unavailable
from lamin_core.ingest.facts import RunFacts
from lamin_core.models import Event
from lamin_core.server.metrics import Metrics
from openlineage.lamin.emit.events import complete
from openlineage.lamin.http.app import application
from openlineage.lamin.http.writer import Overloaded, Writer
from openlineage.lamin.receive.fold import History
from openlineage.lamin.receive.ingest import Receipt
from openlineage.lamin.receive.parse import ParsedEvent, parse

from .conftest import at, locked, run_of


def _parsed(number: int, padding: str = "") -> ParsedEvent:
    event = complete(run_of(number, f"job{number}"), at(number))
    event["run"]["facets"]["padding"] = {
        "_producer": "urn:x",
        "_schemaURL": "urn:x",
        "text": padding,
    }
    return parse(json.dumps(event))


async def _outcomes(*orders: asyncio.Future[Receipt]) -> list[Any]:
    return await asyncio.gather(*orders, return_exceptions=True)


def test_full_queue_refuses_the_next_request(on_sqlite: Database) -> None:
    async def story() -> None:
        writer = Writer(on_sqlite, Metrics(), capacity=3)
        with locked(on_sqlite):
            orders = [writer.order([_parsed(0)])]
            await asyncio.sleep(0.2)  # the writer is at the database with this one
            orders += [writer.order([_parsed(1)]), writer.order([_parsed(2), _parsed(3)])]
            with pytest.raises(Overloaded):
                writer.order([_parsed(4)])
        assert [receipt.taken for receipt in await _outcomes(*orders)] == [
            1,
            3,
            3,
        ]  # the last two were one group
        await _outcomes(
            writer.order([_parsed(number) for number in range(10, 20)])
        )  # an idle one takes a large order
        writer.close()
        with pytest.raises(Overloaded):
            writer.order([_parsed(5)])

    asyncio.run(story())
    with on_sqlite.reading() as session:
        assert len(session.scalars(select(Event.id)).all()) == 14


def test_cancelled_requests_are_not_written(on_sqlite: Database) -> None:
    async def story() -> None:
        writer = Writer(on_sqlite, Metrics())
        with locked(on_sqlite):
            first = writer.order([_parsed(1)])
            await asyncio.sleep(0.2)  # the writer is at the database with the first
            second, third = writer.order([_parsed(2)]), writer.order([_parsed(3)])
            second.cancel()
        assert [receipt.taken for receipt in await _outcomes(first, third)] == [1, 1]
        writer.close()

    asyncio.run(story())
    with on_sqlite.reading() as session:
        assert set(session.scalars(select(Event.run_id))) == {run_of(1, "").id, run_of(3, "").id}


def test_event_refused_by_the_database_does_not_fail_the_others(
    on_sqlite: Database,
) -> None:
    @sqlalchemy_event.listens_for(on_sqlite.engine, "connect")
    def _limit(connection: Any, _: Any) -> None:
        connection.setlimit(0, 100_000)  # SQLITE_LIMIT_LENGTH

    on_sqlite.dispose()
    metrics = Metrics()

    async def story() -> list[Any]:
        writer = Writer(on_sqlite, metrics)
        with locked(on_sqlite):
            blocking = writer.order([_parsed(0)])
            await asyncio.sleep(0.2)
            orders = [
                writer.order([_parsed(n, "x" * (200_000 if n in (2, 4) else 1))])
                for n in range(1, 6)
            ]
        ended = await _outcomes(blocking, *orders)
        writer.close()
        return ended

    ended = asyncio.run(story())
    assert [type(outcome) for outcome in ended] == [
        Receipt,
        Receipt,
        Unavailable,
        Receipt,
        Unavailable,
        Receipt,
    ]
    with on_sqlite.reading() as session:
        assert len(session.scalars(select(Event.id)).all()) == 4


def test_event_that_cannot_be_recorded_is_quarantined_with_a_reason(
    on_sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is provoked: every one that we know of is dealt with before."""

    def failing(history: History) -> RunFacts:
        if history.run_id == run_of(2, "").id:
            raise AssertionError("nobody foresaw this")
        return original(history)

    original = History.facts
    monkeypatch.setattr(History, "facts", failing)
    events = [json.loads(_parsed(number).body) for number in (1, 2, 3)]
    with TestClient(application(on_sqlite), base_url="http://localhost") as client:
        answer = client.post("/api/v1/lineage/batch", json=events).json()
        assert (answer["status"], answer["summary"]["successful"]) == ("success", 3)
        assert [entry["index"] for entry in answer["quarantined"]] == [1]
        assert "nobody foresaw this" in answer["quarantined"][0]["reason"]
        events[1]["eventTime"] = "2026-03-01T00:00:00Z"
        answer = client.post("/api/v1/lineage", json=events[1])
        assert (answer.status_code, "nobody foresaw this" in answer.json()["reason"]) == (201, True)


def test_requests_during_a_write_share_a_transaction(on_sqlite: Database) -> None:
    metrics = Metrics()

    async def client(writer: Writer, number: int) -> None:
        for step in range(10):
            await writer.order([_parsed(number * 100 + step)])

    async def story() -> None:
        writer = Writer(on_sqlite, metrics)
        await asyncio.gather(*[client(writer, number) for number in range(16)])
        writer.close()

    asyncio.run(story())
    counted = dict(
        line.rsplit(" ", 1) for line in generate_latest(metrics.registry).decode().splitlines()
    )
    assert float(counted["lamin_group_events_sum"]) == 160
    assert float(counted["lamin_group_events_count"]) <= 40  # 10, if all 16 came together each time
    assert float(counted['lamin_events_total{outcome="taken"}']) == 160
