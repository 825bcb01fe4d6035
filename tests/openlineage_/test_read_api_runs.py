"""Runs and raw events over HTTP, on both databases, page by page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from lamin_core.instance.instance import Instance
from openlineage.lamin.emit.events import Job, Run, complete, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.support.read_api_events import (
    DATASET_EVENT,
    FIRST,
    FLOW,
    JOB_EVENT,
    SECOND,
    STORY,
    USE,
    ask,
    client_of,
    tell,
)

from .conftest import at, run_of


def test_run_ids_are_found_in_either_case(instance: Instance) -> None:
    run = Run("ABCDEF00-0000-7000-8000-00000000000A", Job("test", "loud", "rule"), "test", "1")
    ingest(instance.db, [parse(start(run, at(1)))])
    client = client_of(instance)
    assert ask(client, f"/runs/{run.id}") == ask(client, f"/runs/{run.id.lower()}")


def test_run_has_its_parent_children_and_dataset_versions(client: TestClient) -> None:
    run = ask(client, f"/runs/{SECOND.id}")
    assert run == ask(client, f"/jobs/runs/{SECOND.id}") == ask(client, f"/runs/{run['uid']}")
    assert (run["state"], run["status"], run["durationMs"], run["args"]) == (
        "COMPLETED",
        "completed",
        1000,
        {"seed": 7},
    )
    assert run["parent"]["id"] == FLOW.id
    assert [side["datasetVersionId"] for side in run["inputDatasetVersions"]] == [
        {"namespace": "file", "name": "/data/raw.csv", "version": "0000"}
    ]
    assert [side["datasetVersionId"]["version"] for side in run["outputDatasetVersions"]] == [
        "0001"
    ]
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


def test_runs_are_filtered_and_sorted_newest_first(client: TestClient) -> None:
    for query, expected in FILTERS:
        answer = ask(client, "/runs", **query)
        assert "".join(run["id"][-1] for run in answer["runs"]) == expected, query
        if not {"limit", "offset"} & set(query):
            assert answer["totalCount"] == len(expected), query


def test_pages_lose_and_repeat_nothing_while_runs_arrive(instance: Instance) -> None:
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


def test_events_are_returned_as_received(client: TestClient) -> None:
    answer = ask(client, "/events/lineage", sortDirection="asc")
    assert answer["events"] == [*STORY, JOB_EVENT, DATASET_EVENT]
    assert answer["totalCount"] == len(STORY) + 2
    assert ask(client, "/events")["events"] == answer["events"][::-1]
    some = ask(
        client,
        "/events/lineage",
        after="2026-01-01T00:00:02Z",
        before="2026-01-01T00:00:05Z",
        limit=1,
        offset=1,
    )
    assert (some["events"], some["totalCount"]) == ([STORY[3]], 3)


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_of_events_are_contiguous(client: TestClient, direction: str) -> None:
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


def test_non_finite_numbers_are_returned_as_null(instance: Instance) -> None:
    text = json.dumps(complete(run_of(1, "odd"), at(1)) | {"custom": [1.5, 2.5]})
    ingest(instance.db, [parse(text.replace("1.5", "NaN"))])
    answer = client_of(instance).get("/api/v1/events/lineage")
    payload = json.loads(answer.text, parse_constant=lambda word: pytest.fail(word))
    assert payload["events"][0]["custom"] == [None, 2.5]


def test_facets_of_a_run_and_of_its_job_are_returned(instance: Instance) -> None:
    event = start(run_of(1, "told"), at(1))
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/x.json", "x": 1}
    event["run"]["facets"]["my_run"] = event["job"]["facets"]["my_job"] = facet
    ingest(instance.db, [parse(event)])
    client, path = client_of(instance), f"/jobs/runs/{run_of(1, 'told').id}/facets"
    assert (
        ask(client, path)["facets"]["my_run"]
        == ask(client, path, type="job")["facets"]["my_job"]
        == facet
    )
