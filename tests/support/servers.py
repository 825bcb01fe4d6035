"""A real server in a process of its own, and the plainest of clients."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from sqlalchemy import select

from lamin_core.instance.instance import Instance
from lamin_core.lineage.view import view
from lamin_core.models import EventBacklog

START_UP = 60
EVENT = "/api/v1/lineage"
BATCH = "/api/v1/lineage/batch"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Server:
    """`lamin serve` over the instance in this folder, on the same port in all its lives."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._arguments = arguments
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "lamin_core",
            "serve",
            "--port",
            str(self.port),
            *self._arguments,
        ]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, **self._environment}
        )
        wait_for(self.port, self.process)
        return self

    def kill(self) -> None:
        """End it without a last word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> None:
        """End it as a terminal does."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def post(self, body: bytes, path: str = EVENT, **headers: str) -> tuple[int, Any]:
        """Status and answer of one request; names of headers with underscores."""
        return post(self.port, body, path, **headers)

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and answer."""
        return ask(self.port, "GET", path, None, headers)

    def memory(self) -> int:
        """Bytes that it holds at this moment."""
        assert self.process is not None
        size: int = psutil.Process(self.process.pid).memory_info().rss
        return size

    def counts(self) -> dict[str, float]:
        """The metrics of the server by name."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def runs(self) -> dict[str, str]:
        """The state of each run, by the key of its transform, once all that was acknowledged is in the registry."""
        instance = Instance.open(self.folder / ".lamin")
        until = time.monotonic() + START_UP
        while self._has_backlog(instance):
            assert time.monotonic() < until, "acknowledged events do not get into the registry"
            time.sleep(0.05)
        rows = view(instance.lineage.everything())["runs"]
        instance.db.dispose()
        return {run["transform_key"]: run["status"] for run in rows}

    def _has_backlog(self, instance: Instance) -> bool:
        with instance.db.reading() as session:
            return session.scalar(select(EventBacklog.event_id).limit(1)) is not None


def wait_for(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return when somebody answers there."""
    until = time.monotonic() + START_UP
    while time.monotonic() < until and (process is None or process.poll() is None):
        try:
            if ask(port, "GET", "/healthz", None, {})[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
    if process is not None:
        process.kill()
    raise AssertionError("the server did not start")


def post(port: int, body: bytes, path: str = EVENT, **headers: str) -> tuple[int, Any]:
    """Status and answer of one request; names of headers with underscores."""
    return ask(port, "POST", path, body, {"Content-Type": "application/json", **headers})


def ask(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, Any]:
    """Status and answer; JSON where it is JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode()
