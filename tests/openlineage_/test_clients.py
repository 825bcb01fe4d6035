"""Clients that are not ours, as they are: OpenLineage's for Python, curl, dbt; and a server that may die meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, OutputDataset, Run, RunEvent, RunState
from sqlalchemy import select

from lamin_core.instance.instance import Instance
from lamin_core.lineage.view import view
from lamin_core.models import Event
from tests.support.servers import Server

ROOT = Path(__file__).parents[2]
PRODUCER = ROOT / ".venv-dbt"


@pytest.fixture
def server(in_tmp_path: Path) -> Iterator[Server]:
    """A running server over the instance in the test's folder."""
    Instance.create(in_tmp_path, "./data").db.dispose()
    with Server(in_tmp_path) as running:
        yield running


def _events(count: int) -> Iterator[RunEvent]:
    """Start and end of so many runs."""
    for number in range(count):
        run, job = (
            Run(runId=f"0194e0a0-0000-7000-8000-{number:012d}"),
            Job(namespace="foreign", name=f"job{number}"),
        )
        for second, state in enumerate((RunState.START, RunState.COMPLETE)):
            yield RunEvent(
                eventType=state,
                eventTime=f"2026-01-01T00:00:{second:02d}Z",
                run=run,
                job=job,
                producer="urn:foreign",
                outputs=[OutputDataset(namespace="s3://bucket", name=f"{number}.csv")],
            )


def _stored(folder: Path) -> list[dict[str, Any]]:
    instance = Instance.open(folder / ".lamin")
    with instance.db.reading() as session:
        bodies = session.scalars(select(Event.body)).all()
    instance.db.dispose()
    return [json.loads(body) for body in bodies]


@pytest.mark.parametrize("kind", ["http", "async_http"])
def test_openlineage_client_loses_nothing_while_the_server_is_killed(
    server: Server, kind: str
) -> None:
    retry = {"total": 8, "backoff_factor": 0.3}
    client = OpenLineageClient(
        config={"transport": {"type": kind, "url": server.url, "retry": retry}}
    )
    count = 40

    def die_and_come_back() -> None:
        for _ in range(2):
            time.sleep(0.3)
            server.kill()
            time.sleep(0.3)
            server.start()

    trouble = threading.Thread(target=die_and_come_back)
    trouble.start()
    for event in _events(count):
        client.emit(event)
        time.sleep(0.02)
    trouble.join()
    assert client.close(60)
    assert server.runs() == {f"job{number}": "completed" for number in range(count)}
    received = [(event["run"]["runId"], event["eventType"]) for event in _stored(server.folder)]
    assert len(received) == len(set(received)) == 2 * count


def test_openlineage_client_sends_its_api_key(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    with Server(in_tmp_path, LAMIN_API_KEY="s3cret") as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        monkeypatch.setenv("OPENLINEAGE_API_KEY", "s3cret")
        client = OpenLineageClient()
        for event in _events(1):
            client.emit(event)
        client.close()
        assert server.runs() == {"job0": "completed"}


def test_curl_works_without_options(server: Server, in_tmp_path: Path) -> None:
    large = "x" * 2_000_000  # curl asks first whether it may send so much (Expect: 100-continue)
    for number, extra in enumerate(("", large)):
        event = {
            "eventType": "COMPLETE",
            "eventTime": "2026-01-01T00:00:00Z",
            "run": {"runId": f"run{number}", "facets": {"extra": {"text": extra}}},
            "job": {"namespace": "n", "name": f"curl{number}"},
        }
        file = in_tmp_path / "event.json"
        file.write_text(json.dumps(event))
        assert _curl(server, file) == 201
    assert server.runs() == {"curl0": "completed", "curl1": "completed"}


def _curl(server: Server, file: Path) -> int:
    """The status of `curl --data @file`; where there is no curl, of the bytes that it sends."""
    url = f"{server.url}/api/v1/lineage"
    if shutil.which("curl"):
        command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--data", f"@{file}", url]
        return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    body = file.read_bytes()
    asks = len(body) > 1024 * 1024
    lines = [
        "POST /api/v1/lineage HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "User-Agent: curl/8.5.0",
        "Accept: */*",
        f"Content-Length: {len(body)}",
        "Content-Type: application/x-www-form-urlencoded",
        *(["Expect: 100-continue"] if asks else []),
    ]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")
        if asks:
            assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        return int(client.recv(1000).split()[1])


def test_compressed_requests_are_accepted(server: Server) -> None:
    from openlineage.client.transport.http import HttpCompression, HttpConfig, HttpTransport

    transport = HttpTransport(HttpConfig(url=server.url, compression=HttpCompression.GZIP))
    client = OpenLineageClient(transport=transport)
    for event in _events(2):
        client.emit(event)
    client.close()
    assert server.runs() == {"job0": "completed", "job1": "completed"}
    whole = gzip.compress(json.dumps(_stored(server.folder)).encode())
    status, answer = server.post(whole, "/api/v1/lineage/batch", Content_Encoding="gzip")
    assert (status, answer["status"], answer["summary"]["received"]) == (200, "success", 4)
    assert len(_stored(server.folder)) == 4


def test_dbt_events_record_its_models_and_tables(
    server: Server, in_tmp_path: Path, home: Path
) -> None:
    install = [
        str(ROOT / "requirements" / "install"),
        str(PRODUCER),
        "requirements/producers.txt",
        "alone",
    ]
    subprocess.run(install, check=True, timeout=250)  # does nothing where `make test` did it
    _dbt_project(in_tmp_path)
    environment = {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(PRODUCER / "bin"), os.defpath]),
        "OPENLINEAGE_URL": server.url,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    done = subprocess.run(
        [str(PRODUCER / "bin" / "dbt-ol"), "run", "--profiles-dir", "."],
        cwd=in_tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(server.runs()) == 3
    instance = Instance.open(in_tmp_path / ".lamin")
    graph = view(instance.lineage.everything())
    instance.db.dispose()
    runs = {run["transform_key"]: run for run in graph["runs"]}
    workflow = runs["dbt-run-shop"]["uid"]
    models = {name: runs[f"shop.main.shop.{name}"] for name in ("orders", "revenue")}
    assert {run["engine"] for run in graph["runs"]} == {"dbt"}
    assert {run["status"] for run in graph["runs"]} == {"completed"}
    assert {run["parent"] for run in models.values()} == {workflow}
    tables = {artifact["uid"]: artifact["key"] for artifact in graph["artifacts"]}
    names = {run["uid"]: name for name, run in models.items()}
    edges = {
        (names[edge["run"]], edge["direction"], tables[edge["artifact"]]) for edge in graph["edges"]
    }
    assert edges == {
        ("orders", "output", "shop.main.orders"),
        ("revenue", "input", "shop.main.orders"),
        ("revenue", "output", "shop.main.revenue"),
    }


def _dbt_project(folder: Path) -> None:
    """Two models, of which one reads the other's table."""
    files = {
        "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodels:\n  +materialized: table\n",
        "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, threads: 1}\n",
        "models/orders.sql": "select 1 as id, 3 as amount union all select 2, 4\n",
        "models/revenue.sql": "select sum(amount) as amount from {{ ref('orders') }}\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
