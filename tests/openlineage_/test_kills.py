"""A server that is killed loses nothing that it acknowledged, and what is sent again is there once.

`KILLS=200` in the environment makes the storm as long as `make chaos` wants it.
"""

from __future__ import annotations

import http.client
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from lamin_core.instance.instance import Instance
from lamin_core.models import Event, Run
from openlineage.lamin.emit.events import Dataset, complete, start
from openlineage.lamin.emit.sinks import serialize
from openlineage.lamin.receive.ingest import project_whole_backlog
from openlineage.lamin.receive.parse import parse
from tests.support.servers import free_port, post, wait_for

from .conftest import at, run_of

KILLS = int(os.environ.get("KILLS", "20"))
CLIENTS = 16


class ServerProcesses:
    """Servers that start at once, one at a time, all on one port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        script = Path(__file__).parents[1] / "support" / "forked_servers.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(folder), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._child = 0

    def start(self, point: int | None = None) -> None:
        """Start a server, and wait until it answers; with `point` it will die there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{'' if point is None else point}\n")
        self._process.stdin.flush()
        self._child = int(self._process.stdout.readline())
        wait_for(self.port)

    def kill(self) -> None:
        """Kill it, if it lives, and wait for the end."""
        try:
            while True:
                os.kill(self._child, signal.SIGKILL)
                time.sleep(0.005)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """End all of them."""
        if self._child:
            self.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture
def server_processes(instance: Instance, in_tmp_path: Path) -> Iterator[ServerProcesses]:
    """Servers over the test's instance."""
    instance.db.dispose()
    servers = ServerProcesses(in_tmp_path)
    yield servers
    servers.close()


class Client(threading.Thread):
    """Sends events, each again and again until it is acknowledged, and keeps what was."""

    def __init__(self, port: int, number: int, stop: threading.Event) -> None:
        super().__init__(name=f"client-{number}")
        self._port = port
        self._number = number
        self._stopped = stop
        self.acknowledged: list[str] = []
        self.refused: list[int] = []

    def run(self) -> None:
        """Two events a run, until it is over."""
        for step in itertools.count():
            run = run_of(self._number * 1_000_000 + step, f"job{self._number}")
            output = Dataset("file", f"/made/{self._number}/{step}.txt")
            for event in (start(run, at(step)), complete(run, at(step + 0.5), outputs=[output])):
                if not self._send(serialize(event)):
                    return

    def _send(self, body: bytes) -> bool:
        """Whether it was acknowledged; it was not when the test is over."""
        while not self._stopped.is_set():
            try:
                status, _ = post(self._port, body)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
                continue
            if status == 201:
                self.acknowledged.append(parse(body).hash)
                return True
            self.refused.append(status)
        return False


def _storm(server_processes: ServerProcesses, kills: int) -> list[Client]:
    """Clients at work while servers die under them."""
    chance = random.Random(kills)
    stop = threading.Event()
    clients = [Client(server_processes.port, number, stop) for number in range(CLIENTS)]
    server_processes.start()
    for client in clients:
        client.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0.1, 0.6))
        server_processes.kill()
        server_processes.start()
    time.sleep(0.3)
    stop.set()
    for client in clients:
        client.join(60)
    server_processes.kill()
    return clients


def test_killed_server_loses_no_acknowledged_event(
    server_processes: ServerProcesses, instance: Instance
) -> None:
    on_sqlite = instance.db.engine.dialect.name == "sqlite"
    kills = KILLS if on_sqlite else max(3, KILLS // 10)
    clients = _storm(server_processes, kills)
    acknowledged = {event_hash for client in clients for event_hash in client.acknowledged}
    assert len(acknowledged) > kills * 4
    assert [status for client in clients for status in client.refused] == []
    project_whole_backlog(instance.db)  # what the last server kept, and had no time for
    with instance.db.reading() as session:
        stored = set(session.scalars(select(Event.hash)))
        run_count = session.scalar(select(func.count(Event.run_id.distinct())))
        runs = session.scalars(select(Run.external_id)).all()
        if on_sqlite:
            assert session.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    assert acknowledged - stored == set()
    assert len(runs) == len(set(runs)) == run_count


def test_server_killed_at_any_step_of_ingestion_stores_the_event_once(
    server_processes: ServerProcesses, instance: Instance
) -> None:
    on_sqlite = instance.db.engine.dialect.name == "sqlite"
    sent = [start(run_of(0, "step0"), at(0))]
    for point in itertools.count(1, 1 if KILLS > 20 else 3 if on_sqlite else 10):
        server_processes.start(point)
        assert (
            post(server_processes.port, serialize(sent[-1]))[0] == 201
        )  # what the server before this one died of, again
        sent.append(complete(run_of(point, f"step{point}"), at(point)))
        try:
            assert post(server_processes.port, serialize(sent[-1]))[0] == 201
        except (OSError, http.client.HTTPException):
            server_processes.kill()
        else:
            break  # there are no more steps to die at
    assert len(sent) > (10 if on_sqlite else 4)
    with instance.db.reading() as session:
        stored = session.scalars(select(Event.hash)).all()
        runs = session.scalars(select(Run.external_id)).all()
    assert sorted(stored) == sorted(parse(event).hash for event in sent)
    assert sorted(runs) == sorted(event["run"]["runId"] for event in sent)
