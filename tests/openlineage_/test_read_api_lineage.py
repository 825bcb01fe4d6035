"""Lineage over HTTP, on both databases: of jobs, datasets, runs, versions and columns."""

from __future__ import annotations

import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from lamin_core.instance.instance import Instance
from lamin_core.runtime.timestamps import parse_time
from openlineage.lamin.emit.events import Dataset, complete
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.support.read_api_events import (
    FIRST,
    LATER,
    RAW_ID,
    REPORT_ID,
    SECOND,
    TABLE_ID,
    USE,
    ask,
    client_of,
    edges,
    tell,
)

from .conftest import at, run_of


def test_lineage_of_jobs_and_datasets(client: TestClient) -> None:
    answer = ask(client, "/lineage", nodeId=TABLE_ID)
    flows = {
        (RAW_ID, "job:test:make"),
        ("job:test:make", TABLE_ID),
        (TABLE_ID, "job:test:use"),
        ("job:test:use", REPORT_ID),
    }
    assert edges(answer) == flows
    assert {node["id"]: node["type"] for node in answer["graph"]} == {
        RAW_ID: "DATASET",
        TABLE_ID: "DATASET",
        REPORT_ID: "DATASET",
        "job:test:make": "JOB",
        "job:test:use": "JOB",
    }
    assert not answer["truncated"]
    assert (
        answer
        == ask(client, "/lineage", nodeId="job:test:use")
        == ask(client, "/lineage", nodeId=RAW_ID)
    )
    near = ask(client, "/lineage", nodeId=TABLE_ID, depth=1)
    assert edges(near) == {("job:test:make", TABLE_ID), (TABLE_ID, "job:test:use")}
    assert edges(ask(client, "/lineage", nodeId=TABLE_ID, direction="up")) == {
        (RAW_ID, "job:test:make"),
        ("job:test:make", TABLE_ID),
    }


def test_time_without_a_zone_is_the_same_over_http_in_python_and_in_the_cli(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tell(instance)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for text in (
            "2026-01-01T09:00:03.5",
            "2026-01-01T09:00:03.500",
            "2026-01-01T00:00:03.5Z",
        ):
            over_http = ask(client, "/lineage", nodeId=f"run:{USE.id}", asOf=text)
            run = instance.lineage.find(str(USE.id))
            graph = instance.lineage.around(run, as_of=text)
            states = [n["data"]["status"] for n in over_http["graph"] if n["id"] == f"run:{USE.id}"]
            assert states == [node.status for node in graph.runs.values() if node.uid == run.uid]
            assert parse_time(text) == parse_time("2026-01-01T00:00:03.5Z")
        listed = ask(client, "/runs", after="2026-01-01T09:00:03.5")
        assert listed == ask(client, "/runs", after="2026-01-01T00:00:03.5Z")
        assert ask(client, "/lineage", nodeId=TABLE_ID, asOf="1d") == ask(
            client, "/lineage", nodeId=TABLE_ID, asOf="now"
        )
    finally:
        monkeypatch.undo()
        time.tzset()


def test_lineage_of_every_run_and_version_is_available(client: TestClient) -> None:
    first = ask(client, "/lineage", nodeId=f"run:{FIRST.id}")
    table_node, used = f"{TABLE_ID}@0000", f"run:{USE.id}"
    assert edges(first) == {
        (f"{RAW_ID}@0000", f"run:{FIRST.id}"),
        (f"run:{FIRST.id}", table_node),
        (table_node, used),
        (used, f"{REPORT_ID}@0000"),
    }
    assert {node["type"] for node in first["graph"]} == {"RUN", "DATASET_VERSION"}
    newest = ask(client, "/lineage", nodeId=f"{TABLE_ID}@0001")
    assert edges(newest) == {
        (f"{RAW_ID}@0000", f"run:{SECOND.id}"),
        (f"run:{SECOND.id}", f"{TABLE_ID}@0001"),
        (f"{TABLE_ID}@0001", f"run:{LATER.id}"),
    }
    assert {node["data"]["status"] for node in newest["graph"] if node["type"] == "RUN"} == {
        "completed",
        "running",
    }
    assert edges(ask(client, "/lineage", nodeId=f"{TABLE_ID}@0000", direction="down")) == {
        (table_node, used),
        (used, f"{REPORT_ID}@0000"),
    }
    assert ask(client, "/lineage", nodeId=f"{REPORT_ID}@0000")["graph"]
    assert ask(client, "/lineage", nodeId=f"{REPORT_ID}#0000")["graph"]


def test_lineage_as_of_a_time_excludes_later_events(client: TestClient) -> None:
    early = ask(client, "/lineage", nodeId=RAW_ID, asOf="2026-01-01T00:00:03.5Z")
    assert (TABLE_ID, "job:test:use") in edges(early)
    assert REPORT_ID not in {node["id"] for node in early["graph"]}
    run = ask(client, "/lineage", nodeId=f"run:{USE.id}", asOf="2026-01-01T00:00:03.5Z")
    (using,) = (node["data"] for node in run["graph"] if node["id"] == f"run:{USE.id}")
    assert (using["status"], using["endedAt"]) == ("running", None)


def test_truncated_graph_is_marked_as_truncated(client: TestClient) -> None:
    few = ask(client, "/lineage", nodeId=TABLE_ID, limit=2)
    assert few["truncated"]
    assert len(few["graph"]) <= 2


def _columns(
    dataset: Dataset, sources_by_column: dict[str, list[tuple[str, str]]]
) -> dict[str, Any]:
    """A run that makes these columns of a dataset, each of these columns of other files."""
    number = 500 + sum(map(ord, dataset.name))
    event = complete(run_of(number, f"make {dataset.name}"), at(number), [Dataset("file", name) for sources in
                     sources_by_column.values() for name, _ in sources], [dataset])  # fmt: skip
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/x.json"}
    column_lineage = {}
    for field, sources in sources_by_column.items():
        inputs = [{"namespace": "file", "name": name, "field": source} for name, source in sources]
        column_lineage[field] = {"inputFields": inputs}
    columns = [{"name": field, "type": "int"} for field in sources_by_column]
    event["outputs"][0]["facets"] |= {
        "columnLineage": {**facet, "fields": column_lineage},
        "schema": {**facet, "fields": columns},
    }
    return event


def test_column_lineage_follows_columns(instance: Instance) -> None:
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
    assert of("datasetField:file:/a:y", withDownstream="true") == {
        "/a:y",
        "/b:sum",
        "/b:y",
        "/c:z",
        "/c:w",
    }
    assert of("dataset:file:/b") == {"/b:sum", "/b:y", "/a:x", "/a:y"}
    assert of("job:test:make /b") == of("dataset:file:/b")
    (summed,) = (
        node for node in ask(client, "/column-lineage", nodeId="dataset:file:/b")["graph"]
        if node["data"]["field"] == "sum"
    )  # fmt: skip
    assert summed["data"]["fieldType"] == "int"
    assert [input_field["field"] for input_field in summed["data"]["inputFields"]] == ["x", "y"]
    for query in ("nodeId=datasetField:file:/b:none", "nodeId=dataset:file:/none"):
        assert client.get(f"/api/v1/column-lineage?{query}").status_code == 404
    assert client.get(f"/api/v1/column-lineage?nodeId=run:{run_of(1, 'x').id}").status_code == 404


def test_column_lineage_follows_symlinks_and_renames(instance: Instance) -> None:
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/x.json"}
    first = _columns(Dataset("file", "/b"), {"x": [("/a", "x")]})
    other_name = {"namespace": "warehouse", "name": "b", "type": "TABLE"}
    first["outputs"][0]["facets"]["symlinks"] = {**facet, "identifiers": [other_name]}
    used = _columns(Dataset("file", "/c"), {"y": [("/b", "x")]})
    for dataset in (
        *used["inputs"],
        *used["outputs"][0]["facets"]["columnLineage"]["fields"]["y"]["inputFields"],
    ):
        dataset |= {"namespace": "warehouse", "name": "b"}
    renamed = complete(run_of(900, "rename"), at(900), [], [Dataset("file", "/d")])
    renamed["outputs"][0]["facets"] = {
        "lifecycleStateChange": {
            **facet,
            "lifecycleStateChange": "RENAME",
            "previousIdentifier": {"namespace": "file", "name": "/c"},
        }
    }
    last = _columns(Dataset("file", "/e"), {"z": [("/d", "y")]})
    last["eventTime"] = "2026-01-02T00:00:00Z"
    ingest(instance.db, map(parse, [first, used, renamed, last]))
    client = client_of(instance)

    def of(name: str, **query: Any) -> set[str]:
        answer = ask(client, "/column-lineage", nodeId=name, **query)
        return {node["id"].removeprefix("datasetField:file:") for node in answer["graph"]}

    every = {"/e:z", "/d:y", "/c:y", "/b:x", "/a:x"}
    assert of("datasetField:file:/e:z") == every
    assert of("datasetField:file:/a:x", withDownstream="true") == every
    for name in ("file:/b", "warehouse:b"):
        assert of(f"datasetField:{name}:x") == {"/b:x", "/a:x"}
        assert of(f"datasetField:{name}:x", withDownstream="true") == every


def test_job_that_never_ran_is_a_node(client: TestClient) -> None:
    (node,) = ask(client, "/lineage", nodeId="job:test:declared")["graph"]
    assert (node["id"], node["type"], node["inEdges"]) == ("job:test:declared", "JOB", [])


def test_upstream_runs_are_returned_as_by_marquez(client: TestClient) -> None:
    answer = ask(client, "/runlineage/upstream", runId=USE.id)
    assert [entry["run"]["id"] for entry in answer["runs"]] == [USE.id, FIRST.id]
    assert answer["runs"][0]["inputs"] == [
        {
            "namespace": "file",
            "name": "/data/table.csv",
            "version": "0000",
            "producedByRunId": FIRST.id,
        }
    ]
    assert answer["runs"][1]["job"]["name"] == "make"
    assert [
        entry["run"]["id"]
        for entry in ask(client, "/runlineage/upstream", runId=USE.id, depth=0)["runs"]
    ] == [USE.id]
