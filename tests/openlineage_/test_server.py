"""The endpoint, over real HTTP: what is acknowledged is stored, and every answer says what to do."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamin_core.instance import Instance
from lamin_core.lineage.view import view
from openlineage.lamin.delivery import direct_sink
from openlineage.lamin.endpoint import HttpSink
from openlineage.lamin.events import Dataset, complete, start

from .conftest import at, run_of

START_UP = 60


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _serve(folder: Path, port: int, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lamin_core", "serve", "--port", str(port), *arguments],
        cwd=folder,
        env={**os.environ, **environment},
    )
    until = time.monotonic() + START_UP
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2)
            return process
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise AssertionError(f"the server did not start; exit code {process.wait()}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("served")
    Instance.create(made, "./data").db.dispose()
    return made


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A running server."""
    port = _free_port()
    process = _serve(folder, port)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def _post(url: str, body: bytes, **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **named})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text.decode()


def _runs(folder: Path) -> dict[str, str]:
    instance = Instance.open(folder / ".lamin")
    runs = view(instance.lineage.everything())["runs"]
    instance.db.dispose()
    return {run["transform_key"]: run["status"] for run in runs}


def test_an_event_is_stored_when_it_is_acknowledged(url: str, folder: Path) -> None:
    event = json.dumps(complete(run_of(1, "one"), at(1))).encode()
    assert _post(f"{url}/api/v1/lineage", event)[0] == 201
    assert _runs(folder)["one"] == "completed"
    assert _post(f"{url}/api/v1/lineage", event)[0] == 201


def test_a_batch_has_a_verdict_for_each_event(url: str, folder: Path) -> None:
    events = [start(run_of(2, "two"), at(1)), 7, complete(run_of(2, "two"), at(2)), {"nonsense": True}]
    status, answer = _post(f"{url}/api/v1/lineage/batch", json.dumps(events).encode())
    assert (status, answer["status"]) == (200, "partial_success")
    assert answer["summary"] == {"received": 4, "successful": 3, "failed": 1, "retriable": 0, "non_retriable": 1}
    assert [failed["index"] for failed in answer["failed_events"]] == [1]
    assert _runs(folder)["two"] == "completed"


def test_compressed_bodies_are_taken(url: str, folder: Path) -> None:
    body = gzip.compress(json.dumps(complete(run_of(3, "three"), at(1))).encode())
    assert _post(f"{url}/api/v1/lineage", body, Content_Encoding="gzip")[0] == 201
    assert _runs(folder)["three"] == "completed"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"nonsense", {}, 400),
        (b"[]", {}, 400),
        (b"", {}, 400),
        (b"not gzip", {"Content_Encoding": "gzip"}, 400),
        (b"{}", {}, 201),
        (gzip.compress(b" " * (33 << 20)), {"Content_Encoding": "gzip"}, 413),
        (b"{}", {"Host": "evil.example"}, 400),
    ],
    ids=["no JSON", "no object", "nothing", "no gzip", "no event", "too large", "another host"],
)
def test_each_refusal_says_why(url: str, body: bytes, headers: dict[str, str], status: int) -> None:
    code, answer = _post(f"{url}/api/v1/lineage", body, **headers)
    assert code == status
    assert answer


def test_sinks_deliver_to_it_and_files_are_linked(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", url)
    made = Dataset("file", str(folder / "made.txt"), "ab" * 32, "blake3", 3)
    sink = direct_sink()
    assert isinstance(sink, HttpSink)
    sink.emit(complete(run_of(4, "maker"), at(1), outputs=[made]), start(run_of(5, "reader"), at(2), [made]))
    sink.close()
    instance = Instance.open(folder / ".lamin")
    graph = instance.lineage.around(instance.lineage.find("made.txt"))
    assert {node.transform_key for node in graph.runs.values()} == {"maker", "reader"}
    instance.db.dispose()


def test_any_openlineage_client_can_send_to_it(url: str, folder: Path) -> None:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    client = OpenLineageClient(transport=HttpTransport(HttpConfig(url=url)))
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime="2026-01-01T00:00:00Z",
        run=Run(runId="0194e0a0-0000-7000-8000-000000000001"),
        job=Job(namespace="foreign", name="client"),
    )
    client.emit(event)
    client.close()
    assert _runs(folder)["client"] == "completed"


def test_any_openlineage_client_can_write_without_a_server(in_tmp_path: Path) -> None:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

    Instance.create(in_tmp_path, "./data").db.dispose()
    transport = {"type": "openlineage.lamin.transport.LaminTransport", "instance": str(in_tmp_path)}
    client = OpenLineageClient(config={"transport": transport})
    run = Run(runId="0194e0a0-0000-7000-8000-000000000002")
    job = Job(namespace="foreign", name="client")
    for state in (RunState.START, RunState.FAIL):
        client.emit(RunEvent(eventType=state, eventTime="2026-01-01T00:00:00Z", run=run, job=job))
    client.close()
    assert _runs(in_tmp_path) == {"client": "failed"}


def test_with_a_key_only_who_has_it_may_write(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    port = _free_port()
    process = _serve(in_tmp_path, port, LAMIN_API_KEY="s3cret")
    url = f"http://127.0.0.1:{port}/api/v1/lineage"
    assert _post(url, b"{}")[0] == 401
    assert _post(url, b"{}", Authorization="Bearer wrong")[0] == 401
    assert _post(url, b"{}", Authorization="Bearer s3cret")[0] == 201
    process.terminate()
    process.wait(30)


def test_without_a_key_it_listens_to_this_machine_only(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    refused = subprocess.run(
        [sys.executable, "-m", "lamin_core", "serve", "--host", "0.0.0.0", "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "LAMIN_API_KEY" in refused.stderr


def test_a_port_that_is_taken_is_said_to_be(url: str, folder: Path) -> None:
    port = url.rpartition(":")[2]
    refused = subprocess.run(
        [sys.executable, "-m", "lamin_core", "serve", "--port", port],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 5
    assert "choose another --port" in refused.stderr


def test_a_server_killed_after_its_answer_has_stored_the_event(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    port = _free_port()
    for number in range(3):
        process = _serve(in_tmp_path, port)
        event = json.dumps(complete(run_of(number + 1, f"job{number}"), at(1))).encode()
        assert _post(f"http://127.0.0.1:{port}/api/v1/lineage", event)[0] == 201
        process.kill()
        process.wait(30)
    assert _runs(in_tmp_path) == {f"job{number}": "completed" for number in range(3)}
