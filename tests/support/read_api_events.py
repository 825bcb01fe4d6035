"""The events for the tests of the read API: a flow with three steps, one of them run twice, and names of any kind."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.testclient import TestClient

from lamin_core.instance.instance import Instance
from openlineage.lamin.emit.events import Dataset, Job, Run, complete, fail, start
from openlineage.lamin.http.app import application
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.openlineage_.conftest import at, run_of

RAW = Dataset("file", "/data/raw.csv", hash="0a", hash_type="md5", size=3)
ODD = "a/b c:d%41%2F ü@0000?x=1#y&+.csv"
ODD_JOB = Job("my engine/é:%2F", "step 100%/[sample]:1", "rule", source="x")


def table(content: str) -> Dataset:
    """A version of the intermediate file."""
    return Dataset("file", "/data/table.csv", hash=content, hash_type="md5", size=7)


FLOW = run_of(1, "flow")
FIRST, SECOND = run_of(2, "make", FLOW), run_of(3, "make", FLOW, params={"seed": 7})
USE, LATER = run_of(4, "use", FLOW), run_of(5, "use")
REPORT = Dataset("s3://bucket", f"reports/{ODD}")
STORY = [
    start(FLOW, at(0)),
    start(FIRST, at(1), [RAW]),
    complete(FIRST, at(2), [RAW], [table("01")]),
    start(USE, at(3), [table("01")]),
    complete(USE, at(4), [table("01")], [REPORT]),
    start(SECOND, at(5), [RAW]),
    complete(SECOND, at(6), [RAW], [table("02")]),
    fail(FLOW, at(7), "no space"),
    start(LATER, at(8), [table("02")]),
    complete(
        Run("00000000-0000-7000-8000-000000000006", ODD_JOB, "odd", "1"),
        at(9),
        [],
        [Dataset("orders", "t.x")],
    ),
]
RAW_ID, TABLE_ID = "dataset:file:/data/raw.csv", "dataset:file:/data/table.csv"
REPORT_ID = f"dataset:s3://bucket:{REPORT.name}"
JOB_EVENT = {
    "eventTime": "2026-01-01T00:00:20Z",
    "job": {"namespace": "test", "name": "declared"},
    "producer": "https://example.org",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
}
DATASET_EVENT = {
    "eventTime": "2026-01-01T00:00:21Z",
    "dataset": {"namespace": "file", "name": "/data/raw.csv"},
    "producer": "https://example.org",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
}


def client_of(instance: Instance) -> TestClient:
    return TestClient(
        application(instance.db), base_url="http://localhost", raise_server_exceptions=True
    )


def tell(instance: Instance) -> TestClient:
    """The story is told; ask."""
    ingest(instance.db, [parse(event) for event in (*STORY, JOB_EVENT, DATASET_EVENT)])
    ingest(instance.db, [parse({"eventTime": "no time"})])
    return client_of(instance)


def ask(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def within(*names: str) -> str:
    """A path of names, each encoded once."""
    return "".join(f"/{quote(name, safe='')}" for name in names)


def edges(answer: Any) -> set[tuple[str, str]]:
    """The edges, which both of their ends must tell alike."""
    into = {
        (edge["origin"], edge["destination"])
        for node in answer["graph"]
        for edge in node["inEdges"]
    }
    out = {
        (edge["origin"], edge["destination"])
        for node in answer["graph"]
        for edge in node["outEdges"]
    }
    assert into == out
    assert all(
        edge["destination"] == node["id"] for node in answer["graph"] for edge in node["inEdges"]
    )
    return into
