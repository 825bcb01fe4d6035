"""One real Prefect server for the test session, and what a test needs to run flows against it.

A pytest plugin: `pytest_plugins = ["tests.support.prefect_server"]`. The workers of pytest-xdist share the
server; the first one starts it, the last one stops it.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from openlineage.lamin.emit.events import Event

# The first start makes the database, which takes 20 s on a busy machine.
_PATIENCE = 120.0
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}


@pytest.fixture(scope="session")
def prefect_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that point Prefect to the server of this session."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with _server_in(shared / "prefect") as url:
        home = tmp_path_factory.mktemp("prefect-home")
        yield {**_QUIET, "PREFECT_HOME": str(home), "PREFECT_API_URL": url}


@contextmanager
def _server_in(folder: Path) -> Iterator[str]:
    folder.mkdir(exist_ok=True)
    note = folder / "server.json"
    with _locked(folder):
        server = json.loads(note.read_text()) if note.exists() else _start(folder)
        server["users"] += 1
        note.write_text(json.dumps(server))
    yield server["url"]
    with _locked(folder):
        server = json.loads(note.read_text())
        server["users"] -= 1
        note.write_text(json.dumps(server))
        if not server["users"]:
            note.unlink()
            _stop(server["pid"])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(folder: Path) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "server.log"
    # By posix_spawn: the worker that starts the server may end before the one that stops it.
    pid = os.posix_spawn(
        sys.executable,
        [
            sys.executable,
            "-m",
            "uvicorn",
            "--factory",
            "prefect.server.api.server:create_app",
            "--port",
            str(port),
        ],
        {**os.environ, **_QUIET, "PREFECT_HOME": str(folder / "home")},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    url = f"http://127.0.0.1:{port}/api"
    deadline = time.monotonic() + _PATIENCE
    while not _answers(f"{url}/health"):
        if time.monotonic() > deadline:
            _stop(pid)
            raise TimeoutError(f"the Prefect server does not answer:\n{log.read_text()[-4000:]}")
        time.sleep(0.2)
    return {"pid": pid, "url": url, "users": 0}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:  # started by another worker, and init's by now
        return


@pytest.fixture(scope="module")
def prefect_here(prefect_environment: dict[str, str]) -> Iterator[None]:
    """Prefect in this process, set to the server of this session."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in prefect_environment.items():
            patch.setenv(name, value)
        # Only now: Prefect looks for its home when it is imported.
        from prefect import settings

        quick: dict[Any, Any] = {settings.PREFECT_API_URL: prefect_environment["PREFECT_API_URL"]}
        # The heartbeat costs up to a second at the end of each flow; no environment variable can
        # say "none". The oldest Prefect that is supported has none.
        if hasattr(settings, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"):
            quick[settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY] = None
        with settings.temporary_settings(updates=quick):
            yield


class RecordedEvents:
    """The events that the flows of a test recorded, read from the spool."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool

    @property
    def events(self) -> list[Event]:
        """All events, in the order of their times."""
        from lamin_prefect.recording import delivery

        delivery.close()
        lines = [
            line
            for file in sorted(self.spool.glob("*.ndjson"))
            for line in file.read_text().splitlines()
        ]
        return sorted(map(json.loads, lines), key=lambda event: str(event["eventTime"]))

    def of(self, job: str) -> list[Event]:
        """The events of the flow or task with this name."""
        return [event for event in self.events if event["job"]["name"].rpartition(":")[2] == job]

    def runs(self, job: str) -> list[Ran]:
        """The runs of the flow or task with this name, in the order of their beginnings."""
        events = self.of(job)
        ids = dict.fromkeys(event["run"]["runId"] for event in events)
        return [Ran([event for event in events if event["run"]["runId"] == own]) for own in ids]

    def run(self, job: str) -> Ran:
        """The only run of the flow or task with this name."""
        (run,) = self.runs(job)
        return run


class Ran:
    """One run, as its events tell it."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.id = events[0]["run"]["runId"]
        self.job = events[0]["job"]["name"]
        self.kinds = [event["eventType"] for event in events]
        facets = events[-1]["run"]["facets"]
        self.facets = facets
        self.name = facets["lamin_run"]["name"]
        self.params = facets["lamin_run"]["params"]
        self.attempt = facets["lamin_run"]["attempt"]
        self.cached = facets["lamin_run"]["cached"]
        self.parent = facets.get("parent", {}).get("run", {}).get("runId")
        self.root = facets.get("parent", {}).get("root", {}).get("run", {}).get("runId")
        self.message = facets.get("errorMessage", {}).get("message")
        self.waited_for = {
            (
                waited["job"]["name"].rpartition(":")[2],
                waited["dependency_type"],
                waited["run"]["runId"],
            )
            for waited in facets.get("jobDependencies", {}).get("upstream", [])
        }

    @property
    def inputs(self) -> list[str]:
        """The names of the files read."""
        return sorted(
            {Path(dataset["name"]).name for event in self.events for dataset in event["inputs"]}
        )

    @property
    def outputs(self) -> list[str]:
        """The names of the files written."""
        return sorted(
            {Path(dataset["name"]).name for event in self.events for dataset in event["outputs"]}
        )


@pytest.fixture
def recorded(
    prefect_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RecordedEvents]:
    """An empty working directory for flows in this process, and what they tell."""
    from lamin_prefect.recording import delivery

    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))
    yield RecordedEvents(tmp_path / "spool")
    delivery.close()
    gc.collect()  # what Prefect has left open is this test's, not the next one's
