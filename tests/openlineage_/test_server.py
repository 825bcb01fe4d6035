"""The endpoint, over real HTTP: what is acknowledged is stored, and every answer says what to do."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamin_core.instance.instance import Instance
from openlineage.lamin.emit.default_sink import direct_sink
from openlineage.lamin.emit.events import Dataset, complete, start
from openlineage.lamin.emit.http_sink import HttpSink
from tests.support.servers import BATCH, Server

from .conftest import at, run_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served")
    Instance.create(path, "./data").db.dispose()
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A running server."""
    with Server(folder) as running:
        yield running


def test_acknowledged_event_is_stored(server: Server) -> None:
    event = json.dumps(complete(run_of(1, "one"), at(1))).encode()
    assert server.post(event)[0] == 201
    assert server.runs()["one"] == "completed"
    assert server.post(event)[0] == 201


def test_batch_has_a_verdict_for_each_event(server: Server) -> None:
    events = [
        start(run_of(2, "two"), at(1)),
        7,
        complete(run_of(2, "two"), at(2)),
        {"nonsense": True},
    ]
    status, answer = server.post(json.dumps(events).encode(), BATCH)
    assert (status, answer["status"]) == (200, "partial_success")
    assert answer["summary"] == {
        "received": 4,
        "successful": 3,
        "failed": 1,
        "retriable": 0,
        "non_retriable": 1,
    }
    assert [failed["index"] for failed in answer["failed_events"]] == [1]
    assert server.runs()["two"] == "completed"


def test_gzip_bodies_are_accepted(server: Server) -> None:
    body = gzip.compress(json.dumps(complete(run_of(3, "three"), at(1))).encode())
    assert server.post(body, Content_Encoding="gzip")[0] == 201
    assert server.runs()["three"] == "completed"


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
def test_refused_request_has_a_reason(
    server: Server, body: bytes, headers: dict[str, str], status: int
) -> None:
    code, answer = server.post(body, **headers)
    assert code == status
    assert answer


def test_http_sink_delivers_and_files_link_the_runs(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", server.url)
    output = Dataset("file", str(server.folder / "made.txt"), "ab" * 32, "blake3", 3)
    sink = direct_sink()
    assert isinstance(sink, HttpSink)
    sink.emit(
        complete(run_of(4, "maker"), at(1), outputs=[output]),
        start(run_of(5, "reader"), at(2), [output]),
    )
    sink.close()
    instance = Instance.open(server.folder / ".lamin")
    graph = instance.lineage.around(instance.lineage.find("made.txt"))
    assert {node.transform_key for node in graph.runs.values()} == {"maker", "reader"}
    instance.db.dispose()


def test_openlineage_client_can_send_to_the_server(server: Server) -> None:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    client = OpenLineageClient(transport=HttpTransport(HttpConfig(url=server.url)))
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime="2026-01-01T00:00:00Z",
        run=Run(runId="0194e0a0-0000-7000-8000-000000000001"),
        job=Job(namespace="foreign", name="client"),
    )
    client.emit(event)
    client.close()
    assert server.runs()["client"] == "completed"


@pytest.mark.parametrize("named", ["folder", "database", "variable"])
def test_openlineage_client_can_write_without_a_server(
    in_tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

    instance = Instance.create(in_tmp_path, "./data")
    instance.db.dispose()
    transport = {"type": "openlineage.lamin.transport.LaminTransport"}
    if named == "variable":
        monkeypatch.setenv("LAMIN_INSTANCE", instance.db.url)
    else:
        transport["instance"] = str(in_tmp_path) if named == "folder" else instance.db.url
    client = OpenLineageClient(config={"transport": transport})
    run = Run(runId="0194e0a0-0000-7000-8000-000000000002")
    job = Job(namespace="foreign", name="client")
    for state in (RunState.START, RunState.FAIL):
        client.emit(RunEvent(eventType=state, eventTime="2026-01-01T00:00:00Z", run=run, job=job))
    client.close()
    monkeypatch.delenv("LAMIN_INSTANCE", raising=False)
    assert Server(in_tmp_path).runs() == {"client": "failed"}


def test_port_in_use_is_reported(server: Server) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "lamin_core", "serve", "--port", str(server.port)],
        cwd=server.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 5
    assert "choose another --port" in refused.stderr
