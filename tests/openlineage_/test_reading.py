"""Questions over HTTP, on both databases: what was told is found again, under whatever name, in bounded statements."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select
from starlette.testclient import TestClient

from lamin_core.db import Database
from lamin_core.instance import Instance
from lamin_core.models import Artifact, now
from openlineage.lamin.events import Dataset, Job, Run, complete, fail, start
from openlineage.lamin.http.app import application
from openlineage.lamin.http.reading import QUESTIONS
from openlineage.lamin.parsing import parse
from openlineage.lamin.receiver import ingest

from .conftest import at, run_of

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
    complete(Run("00000000-0000-7000-8000-000000000006", ODD_JOB, "odd", "1"), at(9), [], [Dataset("orders", "t.x")]),
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
    return TestClient(application(instance.db), base_url="http://localhost", raise_server_exceptions=True)


def tell(instance: Instance) -> TestClient:
    """The story is told; ask."""
    ingest(instance.db, [parse(event) for event in (*STORY, JOB_EVENT, DATASET_EVENT)])
    ingest(instance.db, [parse({"eventTime": "no time"})])
    return client_of(instance)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A registry that was told the story and hears no more, for all tests that only ask."""
    folder = tmp_path_factory.mktemp("told")
    postgres = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    name = None if postgres is None else postgres.create()
    made = Instance.create(folder, "./data", f"sqlite:///{folder / 'r.db'}" if postgres is None else postgres.url(name))
    yield tell(made)
    made.db.dispose()
    if postgres is not None:
        postgres.drop(name)


def ask(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def within(*names: str) -> str:
    """A path of names, each encoded once."""
    return "".join(f"/{quote(name, safe='')}" for name in names)


def test_namespaces_are_those_of_jobs_and_of_datasets(client: TestClient) -> None:
    found = ask(client, "/namespaces")
    names = [row["name"] for row in found["namespaces"]]
    assert names == sorted(["file", ODD_JOB.namespace, "orders", "s3://bucket", "test"])
    assert found["totalCount"] == 5
    for name in names:
        assert ask(client, f"/namespaces{within(name)}")["name"] == name


def test_a_job_has_the_inputs_and_outputs_of_its_latest_run(client: TestClient) -> None:
    jobs = ask(client, "/namespaces/test/jobs")
    assert [job["name"] for job in jobs["jobs"] if job["name"] != "declared"] == ["flow", "make", "use"]
    assert ask(client, "/jobs")["totalCount"] == jobs["totalCount"] + 1
    make = ask(client, "/namespaces/test/jobs/make")
    assert make in jobs["jobs"]
    assert make["id"] == {"namespace": "test", "name": "make"}
    assert make["latestRun"]["id"] == make["latestRun"]["external_id"] == SECOND.id
    assert (make["inputs"], make["outputs"]) == (
        [{"namespace": "file", "name": "/data/raw.csv"}],
        [{"namespace": "file", "name": "/data/table.csv"}],
    )


def test_versions_of_a_job_follow_its_code(instance: Instance) -> None:
    client = tell(instance)
    job = Job("test", "make", "rule", source="new code", language="python")
    ingest(instance.db, [parse(complete(Run("00000000-0000-7000-8000-000000000016", job, "test", "1"), at(30)))])
    found = ask(client, "/namespaces/test/jobs/make/versions")
    assert [(one["version"], one["sourceCode"], one["latestRun"]["id"][-2:]) for one in found["versions"]] == [
        ("0001", "new code", "16"),
        ("0000", "code of make", "03"),
    ]
    assert ask(client, "/namespaces/test/jobs/make/versions/0000") == found["versions"][1]
    assert ask(client, f"/namespaces/test/jobs/make/versions/{found['versions'][0]['uid']}") == found["versions"][0]
    assert ask(client, "/namespaces/test/jobs/make")["currentVersion"] == "0001"
    assert len(ask(client, "/namespaces/test/jobs/make/runs")["runs"]) == 3


def test_names_of_any_kind_are_decoded_once(client: TestClient) -> None:
    job = f"/namespaces{within(ODD_JOB.namespace)}/jobs{within(ODD_JOB.name)}"
    assert ask(client, job)["name"] == ODD_JOB.name
    assert ask(client, f"{job}/runs")["totalCount"] == 1
    dataset = f"/namespaces{within('s3://bucket')}/datasets{within(REPORT.name)}"
    assert ask(client, dataset)["id"] == {"namespace": "s3://bucket", "name": REPORT.name}
    assert ask(client, f"{dataset}/versions/0000")["createdByRun"]["id"] == USE.id
    assert ask(client, f"/namespaces/orders/datasets{within('t.x')}")["name"] == "t.x"
    twice = quote(quote(REPORT.name, safe=""), safe="")
    assert client.get(f"/api/v1/namespaces{within('s3://bucket')}/datasets/{twice}").status_code == 404


def test_every_version_of_a_dataset_has_the_run_that_made_it(client: TestClient) -> None:
    path = f"/namespaces/file/datasets{within('/data/table.csv')}"
    found = ask(client, f"{path}/versions")
    assert [(one["version"], one["hash"], one["createdByRun"]["id"]) for one in found["versions"]] == [
        ("0001", "02", SECOND.id),
        ("0000", "01", FIRST.id),
    ]
    assert found["totalCount"] == 2
    assert ask(client, f"{path}/versions/0000") == found["versions"][1]
    dataset = ask(client, path)
    assert (dataset["currentVersion"], dataset["versionCount"], dataset["size"]) == ("0001", 2, 7)
    assert dataset in ask(client, "/namespaces/file/datasets")["datasets"]
    assert ask(client, "/datasets")["totalCount"] == 4
    raw = ask(client, f"/namespaces/file/datasets{within('/data/raw.csv')}/versions/0000")
    assert raw["createdByRun"] is None


def test_what_events_say_of_jobs_and_datasets_by_themselves(instance: Instance) -> None:
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/x.json"}
    columns = [{"name": "a", "type": "int"}]
    job = JOB_EVENT | {
        "job": {"namespace": "test", "name": "declared", "facets": {"my_facet": {**facet, "x": 1}}},
        "inputs": [{"namespace": "file", "name": "/data/raw.csv"}],
    }
    dataset = DATASET_EVENT | {
        "dataset": {
            "namespace": "file",
            "name": "/data/raw.csv",
            "facets": {
                "schema": {**facet, "fields": columns},
                "symlinks": {**facet, "identifiers": [{"namespace": "warehouse", "name": "raw", "type": "TABLE"}]},
            },
        }
    }
    ingest(instance.db, [parse(event) for event in (*STORY, job, dataset)])
    client = client_of(instance)
    told = ask(client, "/namespaces/test/jobs/declared")
    assert (told["inputs"], told["outputs"], told["latestRun"]) == (
        [{"namespace": "file", "name": "/data/raw.csv"}],
        [],
        None,
    )
    assert told["facets"]["my_facet"]["x"] == 1
    raw = ask(client, f"/namespaces/file/datasets{within('/data/raw.csv')}")
    assert [(field["name"], field["type"]) for field in raw["fields"]] == [("a", "int")]
    assert ask(client, "/namespaces/warehouse/datasets/raw") == raw  # another name of it
    assert ask(client, "/lineage", nodeId="dataset:warehouse:raw") == ask(client, "/lineage", nodeId=RAW_ID)


def test_what_is_in_the_trash_says_so_and_stays_in_the_lineage(instance: Instance) -> None:
    client = tell(instance)
    with instance.db.writing() as session:
        gone = session.scalars(select(Artifact).where(Artifact.key == "data/table.csv")).all()
        for version in gone:
            version.deleted_at, version.is_latest = now(), False
    path = f"/namespaces/file/datasets{within('/data/table.csv')}"
    assert ask(client, path)["deleted"]
    assert {one["deleted"] for one in ask(client, f"{path}/versions")["versions"]} == {True}
    assert [one["name"] for one in ask(client, "/namespaces/file/datasets")["datasets"]] == ["/data/raw.csv"]
    assert (RAW_ID, "job:test:make") in edges(ask(client, "/lineage", nodeId=RAW_ID))


def test_run_ids_are_known_in_either_case(instance: Instance) -> None:
    run = Run("ABCDEF00-0000-7000-8000-00000000000A", Job("test", "loud", "rule"), "test", "1")
    ingest(instance.db, [parse(start(run, at(1)))])
    client = client_of(instance)
    assert ask(client, f"/runs/{run.id}") == ask(client, f"/runs/{run.id.lower()}")


def test_one_run_has_all_that_belongs_to_it(client: TestClient) -> None:
    run = ask(client, f"/runs/{SECOND.id}")
    assert run == ask(client, f"/jobs/runs/{SECOND.id}") == ask(client, f"/runs/{run['uid']}")
    assert (run["state"], run["status"], run["durationMs"], run["args"]) == (
        "COMPLETED",
        "completed",
        1000,
        {"seed": 7},
    )
    assert run["parent"]["id"] == FLOW.id
    assert [one["datasetVersionId"] for one in run["inputDatasetVersions"]] == [
        {"namespace": "file", "name": "/data/raw.csv", "version": "0000"}
    ]
    assert [one["datasetVersionId"]["version"] for one in run["outputDatasetVersions"]] == ["0001"]
    flow = ask(client, f"/runs/{FLOW.id}")
    assert [child["id"] for child in flow["children"]] == [FIRST.id, USE.id, SECOND.id]
    assert (flow["childrenCount"], flow["error"], flow["parent"]) == (3, "no space", None)


FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, "653421"),
    ({"status": "failed"}, "1"),
    ({"status": "running"}, "5"),
    ({"engine": "odd"}, "6"),
    ({"namespace": "test"}, "53421"),
    ({"job": "use"}, "54"),
    ({"namespace": "test", "job": "make"}, "32"),
    ({"parent": FLOW.id}, "342"),
    ({"after": "2026-01-01T00:00:05Z"}, "653"),
    ({"before": "2026-01-01T00:00:03Z"}, "21"),
    ({"after": "2026-01-01T01:00:05 01:00", "limit": 2}, "65"),
    ({"limit": 2, "offset": 3}, "42"),
    ({"engine": "nobody's"}, ""),
]


def test_runs_are_filtered_and_newest_first(client: TestClient) -> None:
    for query, found in FILTERS:
        answer = ask(client, "/runs", **query)
        assert "".join(run["id"][-1] for run in answer["runs"]) == found, query
        if not {"limit", "offset"} & set(query):
            assert answer["totalCount"] == len(found), query


def test_pages_lose_and_repeat_nothing_while_runs_come_in(instance: Instance) -> None:
    client = tell(instance)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for number in range(20):
        page = ask(client, "/runs", limit=2, **cursor)
        seen += [run["id"][-1] for run in page["runs"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
        ingest(instance.db, [parse(start(run_of(100 + number, "new"), at(1000 + number)))])
    assert "".join(seen) == "653421"


def test_events_come_back_as_they_were_received(client: TestClient) -> None:
    found = ask(client, "/events/lineage", sortDirection="asc")
    assert found["events"] == [*STORY, JOB_EVENT, DATASET_EVENT]
    assert found["totalCount"] == len(STORY) + 2
    assert ask(client, "/events")["events"] == found["events"][::-1]
    some = ask(
        client, "/events/lineage", after="2026-01-01T00:00:02Z", before="2026-01-01T00:00:05Z", limit=1, offset=1
    )
    assert (some["events"], some["totalCount"]) == ([STORY[3]], 3)


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_of_events_follow_each_other(client: TestClient, direction: str) -> None:
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = ask(client, "/events/lineage", limit=3, sortDirection=direction, **cursor)
        seen += page["events"]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    whole = [*STORY, JOB_EVENT, DATASET_EVENT]
    assert seen == (whole if direction == "asc" else whole[::-1])


def test_what_python_alone_reads_is_sent_as_json(instance: Instance) -> None:
    text = json.dumps(complete(run_of(1, "odd"), at(1)) | {"custom": [1.5, 2.5]})
    ingest(instance.db, [parse(text.replace("1.5", "NaN"))])
    answer = client_of(instance).get("/api/v1/events/lineage")
    found = json.loads(answer.text, parse_constant=lambda word: pytest.fail(word))
    assert found["events"][0]["custom"] == [None, 2.5]


def edges(answer: Any) -> set[tuple[str, str]]:
    """The edges, which both of their ends must tell alike."""
    into = {(edge["origin"], edge["destination"]) for node in answer["graph"] for edge in node["inEdges"]}
    out = {(edge["origin"], edge["destination"]) for node in answer["graph"] for edge in node["outEdges"]}
    assert into == out
    assert all(edge["destination"] == node["id"] for node in answer["graph"] for edge in node["inEdges"])
    return into


def test_lineage_of_jobs_and_datasets(client: TestClient) -> None:
    found = ask(client, "/lineage", nodeId=TABLE_ID)
    flows = {
        (RAW_ID, "job:test:make"),
        ("job:test:make", TABLE_ID),
        (TABLE_ID, "job:test:use"),
        ("job:test:use", REPORT_ID),
    }
    assert edges(found) == flows
    assert {node["id"]: node["type"] for node in found["graph"]} == {
        RAW_ID: "DATASET",
        TABLE_ID: "DATASET",
        REPORT_ID: "DATASET",
        "job:test:make": "JOB",
        "job:test:use": "JOB",
    }
    assert not found["truncated"]
    assert found == ask(client, "/lineage", nodeId="job:test:use") == ask(client, "/lineage", nodeId=RAW_ID)
    near = ask(client, "/lineage", nodeId=TABLE_ID, depth=1)
    assert edges(near) == {("job:test:make", TABLE_ID), (TABLE_ID, "job:test:use")}
    assert edges(ask(client, "/lineage", nodeId=TABLE_ID, direction="up")) == {
        (RAW_ID, "job:test:make"),
        ("job:test:make", TABLE_ID),
    }


def test_lineage_of_every_run_and_version_stays(client: TestClient) -> None:
    first = ask(client, "/lineage", nodeId=f"run:{FIRST.id}")
    made, used = f"{TABLE_ID}@0000", f"run:{USE.id}"
    assert edges(first) == {
        (f"{RAW_ID}@0000", f"run:{FIRST.id}"),
        (f"run:{FIRST.id}", made),
        (made, used),
        (used, f"{REPORT_ID}@0000"),
    }
    assert {node["type"] for node in first["graph"]} == {"RUN", "DATASET_VERSION"}
    newest = ask(client, "/lineage", nodeId=f"{TABLE_ID}@0001")
    assert edges(newest) == {
        (f"{RAW_ID}@0000", f"run:{SECOND.id}"),
        (f"run:{SECOND.id}", f"{TABLE_ID}@0001"),
        (f"{TABLE_ID}@0001", f"run:{LATER.id}"),
    }
    assert {node["data"]["status"] for node in newest["graph"] if node["type"] == "RUN"} == {"completed", "running"}
    assert edges(ask(client, "/lineage", nodeId=f"{TABLE_ID}@0000", direction="down")) == {
        (made, used),
        (used, f"{REPORT_ID}@0000"),
    }
    assert ask(client, "/lineage", nodeId=f"{REPORT_ID}@0000")["graph"]
    assert ask(client, "/lineage", nodeId=f"{REPORT_ID}#0000")["graph"]


def test_lineage_as_it_was(client: TestClient) -> None:
    early = ask(client, "/lineage", nodeId=RAW_ID, asOf="2026-01-01T00:00:03.5Z")
    assert (TABLE_ID, "job:test:use") in edges(early)
    assert REPORT_ID not in {node["id"] for node in early["graph"]}
    run = ask(client, "/lineage", nodeId=f"run:{USE.id}", asOf="2026-01-01T00:00:03.5Z")
    (using,) = (node["data"] for node in run["graph"] if node["id"] == f"run:{USE.id}")
    assert (using["status"], using["endedAt"]) == ("running", None)


def test_a_cut_graph_says_so(client: TestClient) -> None:
    few = ask(client, "/lineage", nodeId=TABLE_ID, limit=2)
    assert few["truncated"]
    assert len(few["graph"]) <= 2


def test_facets_of_a_run_and_of_its_job(instance: Instance) -> None:
    event = start(run_of(1, "told"), at(1))
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/x.json", "x": 1}
    event["run"]["facets"]["my_run"] = event["job"]["facets"]["my_job"] = facet
    ingest(instance.db, [parse(event)])
    client, path = client_of(instance), f"/jobs/runs/{run_of(1, 'told').id}/facets"
    assert ask(client, path)["facets"]["my_run"] == ask(client, path, type="job")["facets"]["my_job"] == facet


def _columns(dataset: Dataset, made: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """A run that makes these columns of a dataset, each of these columns of other files."""
    number = 500 + sum(map(ord, dataset.name))
    event = complete(run_of(number, f"make {dataset.name}"), at(number), [Dataset("file", name) for sources in
                     made.values() for name, _ in sources], [dataset])  # fmt: skip
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/x.json"}
    told = {field: {"inputFields": [{"namespace": "file", "name": name, "field": source} for name, source in sources]}
            for field, sources in made.items()}  # fmt: skip
    columns = [{"name": field, "type": "int"} for field in made]
    event["outputs"][0]["facets"] |= {
        "columnLineage": {**facet, "fields": told},
        "schema": {**facet, "fields": columns},
    }
    return event


def test_columns_come_from_columns(instance: Instance) -> None:
    story = [
        _columns(Dataset("file", "/a"), {"x": [], "y": []}),
        _columns(Dataset("file", "/b"), {"sum": [("/a", "x"), ("/a", "y")], "y": [("/a", "y")]}),
        _columns(Dataset("file", "/c"), {"z": [("/b", "sum")], "w": [("/b", "y")]}),
    ]
    ingest(instance.db, map(parse, story))
    client = client_of(instance)

    def of(name: str, **query: Any) -> set[str]:
        answer = ask(client, "/column-lineage", nodeId=name, **query)
        edges(answer)
        return {node["id"].removeprefix("datasetField:file:") for node in answer["graph"]}

    assert of("datasetField:file:/c:z") == {"/c:z", "/b:sum", "/a:x", "/a:y"}
    assert of("datasetField:file:/c:z", depth=1) == {"/c:z", "/b:sum"}
    assert of("datasetField:file:/a:y", withDownstream="true") == {"/a:y", "/b:sum", "/b:y", "/c:z", "/c:w"}
    assert of("dataset:file:/b") == {"/b:sum", "/b:y", "/a:x", "/a:y"}
    assert of("job:test:make /b") == of("dataset:file:/b")
    (summed,) = (
        node for node in ask(client, "/column-lineage", nodeId="dataset:file:/b")["graph"]
        if node["data"]["field"] == "sum"
    )  # fmt: skip
    assert summed["data"]["fieldType"] == "int"
    assert [one["field"] for one in summed["data"]["inputFields"]] == ["x", "y"]
    for query in ("nodeId=datasetField:file:/b:none", "nodeId=dataset:file:/none"):
        assert client.get(f"/api/v1/column-lineage?{query}").status_code == 404
    assert client.get(f"/api/v1/column-lineage?nodeId=run:{run_of(1, 'x').id}").status_code == 404


def test_a_job_that_never_ran_is_a_node(client: TestClient) -> None:
    (node,) = ask(client, "/lineage", nodeId="job:test:declared")["graph"]
    assert (node["id"], node["type"], node["inEdges"]) == ("job:test:declared", "JOB", [])


def test_upstream_runs_as_marquez_tells_them(client: TestClient) -> None:
    found = ask(client, "/runlineage/upstream", runId=USE.id)
    assert [one["run"]["id"] for one in found["runs"]] == [USE.id, FIRST.id]
    assert found["runs"][0]["inputs"] == [
        {"namespace": "file", "name": "/data/table.csv", "version": "0000", "producedByRunId": FIRST.id}
    ]
    assert found["runs"][1]["job"]["name"] == "make"
    assert [one["run"]["id"] for one in ask(client, "/runlineage/upstream", runId=USE.id, depth=0)["runs"]] == [USE.id]


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
    ("/runs?after=yesterday", 400),
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
    ("/lineage?nodeId=job:test:make&asOf=now", 400),
    ("/runlineage/upstream", 400),
    ("/runlineage/upstream?runId=none", 404),
    ("/nothing", 404),
    ("/runs/stream?lastEventId=x", 400),
]


def test_bad_input_is_refused_with_words(client: TestClient) -> None:
    for path, status in BAD:
        answer = client.get(f"/api/v1{path}")
        assert (answer.status_code, set(answer.json())) == (status, {"error", "hint"}), (path, answer.text)
        assert answer.json()["error"]


def test_nothing_is_written_by_asking(client: TestClient) -> None:
    for question in QUESTIONS:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            if (question.path, method) != ("/api/v1/lineage", "POST"):
                answer = client.request(method, question.path.replace("{", "").replace("}", ""))
                assert answer.status_code == 405, (method, question.path)


_opened: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event in ("open", "socket.connect", "socket.getaddrinfo", "os.listdir"):
        _opened.append(f"{event} {arguments[0]!r} {arguments[-1]!r}")


def test_no_path_is_opened_and_no_address_called(client: TestClient) -> None:
    global _opened
    sys.addaudithook(_watch)  # it stays as long as the process; `_opened` turns it off
    names = ["/etc/hostname", "../../etc/hostname", "http://127.0.0.1:9/canary", "file:///etc/hostname"]
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
        found, _opened = _opened, None
    assert [one for one in found if "hostname" in one or "canary" in one or "127.0.0.1" in one] == []


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are executed meanwhile; those of the keyring come once in a while, whoever asks."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")) and "api_key" not in statement:
            statements.append(statement)

    sqlalchemy_event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    sqlalchemy_event.remove(database.engine, "before_cursor_execute", note)


def _wide(width: int) -> list[dict[str, Any]]:
    """A flow of so many tasks, each with so many files; every job has two runs."""
    flow = run_of(1, "flow")
    story = [start(flow, at(0))]
    for number in range(width):
        for again in (0, 1):
            run = run_of(10 + 2 * number + again, f"task {number}", flow)
            files = [Dataset("file", f"/data/{number}/{place}", hash=f"{again}{place}", hash_type="md5", size=1)
                     for place in range(width)]  # fmt: skip
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


def test_statements_do_not_grow_with_the_answer(instance: Instance) -> None:
    client = client_of(instance)
    ingest(instance.db, map(parse, _wide(12)))
    found = {}
    for path in LIMITS:
        with counted(instance.db) as statements:
            assert client.get(f"/api/v1{path}").status_code == 200
        found[path] = len(statements)
    assert {path: count for path, count in found.items() if count > LIMITS[path]} == {}


def test_what_python_saved_is_asked_like_everything_else(in_tmp_path: Path) -> None:
    import lamin_core as ln

    instance = ln.setup.init("./data")
    try:
        (in_tmp_path / "a.csv").write_text("x\n1\n")
        with ln.run("work.py", params={"n": 1}):
            kept = ln.Artifact("a.csv", key="tables/a.csv").save()
            nameless = ln.Artifact("a.csv", description="no key").save()
        client = client_of(instance)
        (run,) = ask(client, "/runs")["runs"]
        assert (run["status"], run["job"]["name"], run["args"]) == ("completed", "work.py", {"n": 1})
        wrote = ask(client, f"/runs/{run['id']}")["outputDatasetVersions"]
        assert {side["uid"] for side in wrote} == {kept.uid, nameless.uid}
        for side in wrote:
            named = side["datasetVersionId"]
            path = f"/namespaces{within(named['namespace'])}/datasets{within(named['name'])}"
            assert ask(client, path)["uid"] == side["uid"]
            node = f"dataset:{named['namespace']}:{named['name']}"
            for one in (node, f"{node}@{named['version']}"):
                assert len(edges(ask(client, "/lineage", nodeId=one))) == 1
        assert str(in_tmp_path / "data" / "tables" / "a.csv") in {side["datasetVersionId"]["name"] for side in wrote}
    finally:
        ln.setup.disconnect()
        instance.db.dispose()
