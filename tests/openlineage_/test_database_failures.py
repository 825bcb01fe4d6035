"""A database that is locked, full or gone: nothing is promised meanwhile, nothing promised is lost, and it heals."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
from sqlalchemy import text

from lamin_core.db.database import Database
from lamin_core.instance.instance import Instance
from tests.support.servers import BATCH, EVENT, Server

from .conftest import locked, padded_event

if TYPE_CHECKING:
    from tests.conftest import Postgres


def test_locked_database_answers_retry_later_and_recovers(
    on_sqlite: Database, in_tmp_path: Path
) -> None:
    with Server(in_tmp_path) as server:
        with locked(on_sqlite):
            begin = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.request("POST", EVENT, padded_event(1))
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (
                time.monotonic() - begin < 5
            )  # before OpenLineage's clients give up by themselves
            connection.close()
            assert server.get("/healthz")[0] == 200
        assert server.post(padded_event(1))[0] == 201
        assert server.post(padded_event(2))[0] == 201
        assert server.runs() == {"job1": "completed", "job2": "completed"}


def test_full_disk_loses_no_acknowledged_event_and_recovers(
    on_sqlite: Database, in_tmp_path: Path
) -> None:
    acknowledged = []
    with Server(in_tmp_path) as server:
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        assert server.post(padded_event(0))[0] == 201
        # The system lets this process write no file beyond this size: to SQLite, the disk is full.
        largest = max(file.stat().st_size for file in (in_tmp_path / ".lamin").iterdir())
        hard = process.rlimit(psutil.RLIMIT_FSIZE)[1]
        process.rlimit(psutil.RLIMIT_FSIZE, (largest + 600_000, hard))
        for number in range(1, 100):
            status, answer = server.post(padded_event(number, "x" * 20_000))
            if status != 201:
                break
            acknowledged.append(f"job{number}")
        assert status == 503, answer
        assert len(acknowledged) > 2
        batch = (
            b"[" + padded_event(200, "x" * 500_000) + b"," + padded_event(201, "x" * 500_000) + b"]"
        )
        assert server.post(batch, BATCH)[0] == 503
        process.rlimit(psutil.RLIMIT_FSIZE, (hard, hard))
        assert server.post(batch, BATCH)[0] == 200
        assert set(acknowledged) < set(server.runs())
    with on_sqlite.reading() as session:
        assert session.execute(text("PRAGMA integrity_check")).scalar() == "ok"


def test_database_connection_is_restored_after_an_outage(
    postgres: Postgres, postgres_url: str, in_tmp_path: Path
) -> None:
    Instance.create(in_tmp_path, "./data", postgres_url).db.dispose()
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    with (
        Server(in_tmp_path) as server,
        psycopg.connect(postgres.url("postgres"), autocommit=True) as admin,
    ):

        def say(statement: str) -> None:
            admin.execute(statement.encode())

        assert server.post(padded_event(1))[0] == 201
        say(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        for _ in range(3):
            assert server.post(padded_event(2))[0] == 503
        say(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert server.post(padded_event(2))[0] == 201
        # A connection that broke while nobody looked costs no event.
        say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        assert _until_stored(server, padded_event(3)) <= 2
        assert server.runs() == {"job1": "completed", "job2": "completed", "job3": "completed"}


def _until_stored(server: Server, body: bytes) -> int:
    """The number of times that a client had to send it."""
    for times in range(1, 10):
        if server.post(body)[0] == 201:
            return times
    raise AssertionError("it was never stored")
