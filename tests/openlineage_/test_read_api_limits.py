"""Questions over HTTP that are no good, or large: refused with words, answered in few statements, changing nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.testclient import TestClient

from lamin_core.instance.instance import Instance
from openlineage.lamin.emit.events import Dataset, complete, start
from openlineage.lamin.http.queries import QUESTIONS
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.support.read_api_events import RAW, ask, client_of, edges, within
from tests.support.statements import KEYRING, statements

from .conftest import at, run_of

BAD = [
    ("/runs?limit=0", 400),
    ("/runs?limit=1001", 400),
    ("/runs?limit=-1", 400),
    ("/runs?limit=%D9%A1", 400),
    ("/runs?limit=1e3", 400),
    ("/runs?limit=" + "9" * 400, 400),
    ("/runs?offset=-1", 400),
    ("/runs?limit=1&limit=2", 400),
    ("/runs?cursor=x", 400),
    ("/runs?cursor=999999999999999999.1", 400),
    ("/runs?status=done", 400),
    ("/runs?stauts=failed", 400),
    ("/runs?after=someday", 400),
    ("/runs?after=0001-01-01T00:00:00%2B14:00", 400),
    ("/runs?engine=%00", 400),
    ("/runs?namespace=test&job=none", 404),
    ("/runs?parent=none", 404),
    ("/runs/none", 404),
    ("/runs/%00", 400),
    ("/runs/%FF", 400),
    ("/jobs/runs/none/facets", 404),
    ("/namespaces/none", 404),
    ("/namespaces/none/jobs/none", 404),
    ("/namespaces/test/jobs/make/versions/9999", 404),
    ("/namespaces/test/jobs/make/versions/%", 404),
    ("/namespaces/file/datasets/none", 404),
    ("/namespaces/file/datasets/%2Fetc%2Fpasswd", 404),
    ("/namespaces/file/datasets/%2Fdata%2Ftable.csv/versions/none", 404),
    ("/sources/none", 404),
    ("/events/lineage?sortDirection=up", 400),
    ("/events/lineage?before=2026-13-01", 400),
    ("/lineage", 400),
    ("/lineage?nodeId=", 400),
    ("/lineage?nodeId=file", 400),
    ("/lineage?nodeId=table:a:b", 400),
    ("/lineage?nodeId=dataset:a", 400),
    ("/lineage?nodeId=dataset:" + ":" * 60, 400),
    ("/lineage?nodeId=dataset:file:/etc/passwd", 404),
    ("/lineage?nodeId=dataset:file:/data/table.csv@7777", 404),
    ("/lineage?nodeId=job:a:b", 404),
    ("/lineage?nodeId=run:none", 404),
    ("/lineage?nodeId=job:test:make&depth=10001", 400),
    ("/lineage?nodeId=job:test:make&direction=sideways", 400),
    ("/lineage?nodeId=job:test:make&asOf=soon", 400),
    ("/runlineage/upstream", 400),
    ("/runlineage/upstream?runId=none", 404),
    ("/nothing", 404),
    ("/runs/stream?lastEventId=x", 400),
]


def test_bad_input_is_refused_with_error_and_hint(client: TestClient) -> None:
    for path, status in BAD:
        answer = client.get(f"/api/v1{path}")
        assert (answer.status_code, set(answer.json())) == (status, {"error", "hint"}), (
            path,
            answer.text,
        )
        assert answer.json()["error"]
        assert answer.json()["hint"], path


def test_unknown_path_or_method_is_refused_with_a_hint(client: TestClient) -> None:
    for path in ("/", "/nothing", "/api/v1/nothing", "/docs"):
        answer = client.get(path)
        assert answer.status_code in (200, 404)
        assert answer.status_code == 200 or "/api/v1/openapi.json" in answer.json()["hint"]
    answer = client.post("/api/v1/jobs")
    assert (answer.status_code, answer.json()["hint"]) == (405, "this path takes GET, HEAD")


def test_read_routes_refuse_other_methods(client: TestClient) -> None:
    for question in QUESTIONS:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            if (question.path, method) != ("/api/v1/lineage", "POST"):
                answer = client.request(method, question.path.replace("{", "").replace("}", ""))
                assert answer.status_code == 405, (method, question.path)


_opened: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event in (
        "open",
        "socket.connect",
        "socket.getaddrinfo",
        "os.listdir",
    ):
        _opened.append(f"{event} {arguments[0]!r} {arguments[-1]!r}")


def test_requests_open_no_path_and_no_connection(client: TestClient) -> None:
    global _opened
    sys.addaudithook(_watch)  # it stays as long as the process; `_opened` turns it off
    names = [
        "/etc/hostname",
        "../../etc/hostname",
        "http://127.0.0.1:9/canary",
        "file:///etc/hostname",
    ]
    _opened = []
    try:
        for name in names:
            for question in QUESTIONS:
                path = question.path
                for placeholder in question.names:
                    path = path.replace(f"{{{placeholder}}}", quote(name, safe=""))
                client.get(path)
            for node in (f"dataset:file:{name}", f"run:{name}", f"job:{name}:x"):
                client.get("/api/v1/lineage", params={"nodeId": node})
    finally:
        opened, _opened = _opened, None
    assert [
        entry
        for entry in opened
        if "hostname" in entry or "canary" in entry or "127.0.0.1" in entry
    ] == []


def _wide(width: int) -> list[dict[str, Any]]:
    """A flow of so many tasks, each with so many files; every job has two runs."""
    flow = run_of(1, "flow")
    story = [start(flow, at(0))]
    for number in range(width):
        for again in (0, 1):
            run = run_of(10 + 2 * number + again, f"task {number}", flow)
            files = [Dataset("file", f"/data/{number}/{position}", hash=f"{again}{position}", hash_type="md5", size=1)
                     for position in range(width)]  # fmt: skip
            story += [start(run, at(1 + again)), complete(run, at(10 + again), [RAW], files)]
    return story


LIMITS = {
    "/namespaces": 3,
    "/jobs": 6,
    "/namespaces/test/jobs": 6,
    "/namespaces/test/jobs/task%200": 6,
    "/namespaces/test/jobs/task%200/versions": 7,
    "/namespaces/test/jobs/task%200/runs": 5,
    "/runs": 3,
    "/runs?namespace=test&job=task%200&parent=00000000-0000-7000-8000-000000000001": 6,
    "/runs/00000000-0000-7000-8000-000000000001": 6,
    "/runs/00000000-0000-7000-8000-000000000010": 6,
    "/datasets": 6,
    "/namespaces/file/datasets": 7,
    "/namespaces/file/datasets/%2Fdata%2F0%2F0": 8,
    "/namespaces/file/datasets/%2Fdata%2F0%2F0/versions": 10,
    "/namespaces/file/datasets/%2Fdata%2F0%2F0/versions/0000": 10,
    "/events/lineage": 9,
    "/lineage?nodeId=dataset:file:/data/raw.csv": 20,
    "/lineage?nodeId=job:test:task%200": 20,
    "/lineage?nodeId=run:00000000-0000-7000-8000-000000000010": 15,
    "/runlineage/upstream?runId=00000000-0000-7000-8000-000000000010": 15,
    "/column-lineage?nodeId=dataset:file:/data/0/0": 12,
}


def test_number_of_statements_does_not_grow_with_the_answer(instance: Instance) -> None:
    client = client_of(instance)
    ingest(instance.db, map(parse, _wide(12)))
    counts = {}
    for path in LIMITS:
        with statements(instance.db, without=["PRAGMA", *KEYRING]) as sent:
            assert client.get(f"/api/v1{path}").status_code == 200
        counts[path] = len(sent)
    assert {path: count for path, count in counts.items() if count > LIMITS[path]} == {}


def test_records_saved_by_python_are_returned_by_every_route(in_tmp_path: Path) -> None:
    import lamin_core as ln

    instance = ln.setup.init("./data")
    try:
        (in_tmp_path / "a.csv").write_text("x\n1\n")
        with ln.run("work.py", params={"n": 1}):
            artifact = ln.Artifact("a.csv", key="tables/a.csv").save()
            nameless = ln.Artifact("a.csv", description="no key").save()
        client = client_of(instance)
        (run,) = ask(client, "/runs")["runs"]
        assert (run["status"], run["job"]["name"], run["args"]) == (
            "completed",
            "work.py",
            {"n": 1},
        )
        wrote = ask(client, f"/runs/{run['id']}")["outputDatasetVersions"]
        assert {side["uid"] for side in wrote} == {artifact.uid, nameless.uid}
        for side in wrote:
            named = side["datasetVersionId"]
            path = f"/namespaces{within(named['namespace'])}/datasets{within(named['name'])}"
            assert ask(client, path)["uid"] == side["uid"]
            node = f"dataset:{named['namespace']}:{named['name']}"
            for node_id in (node, f"{node}@{named['version']}"):
                assert len(edges(ask(client, "/lineage", nodeId=node_id))) == 1
        assert str(in_tmp_path / "data" / "tables" / "a.csv") in {
            side["datasetVersionId"]["name"] for side in wrote
        }
    finally:
        ln.setup.disconnect()
        instance.db.dispose()
