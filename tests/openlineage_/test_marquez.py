"""The client of Marquez, as others have it, reads from our server as it reads from theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from marquez_client import MarquezClient
from marquez_client.errors import APIError

from lamin_core.instance.instance import Instance
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.support.read_api_events import FIRST, JOB_EVENT, ODD_JOB, REPORT, SECOND, STORY
from tests.support.servers import Server


@pytest.fixture(scope="module")
def marquez(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Their client, our server."""
    folder = tmp_path_factory.mktemp("marquez")
    instance = Instance.create(folder, "./data")
    ingest(instance.db, [parse(event) for event in (*STORY, JOB_EVENT)])
    instance.db.dispose()
    with Server(folder) as server:
        yield MarquezClient(server.url)


def test_marquez_client_reads_namespaces_sources_and_tags(marquez: Any) -> None:
    namespaces = marquez.list_namespaces()["namespaces"]
    assert {row["name"] for row in namespaces} >= {"test", "file", "s3://bucket", ODD_JOB.namespace}
    assert marquez.list_namespaces(limit=1, offset=1)["namespaces"] == namespaces[1:2]
    for row in namespaces:
        assert marquez.get_namespace(row["name"]) == row
    for row in marquez.list_sources()["sources"]:
        assert marquez.get_source(row["name"]) == row
    assert marquez.list_tags() == {"tags": [], "totalCount": 0}


def test_marquez_client_reads_jobs_and_runs(marquez: Any) -> None:
    jobs = marquez.list_jobs("test")["jobs"]
    for job in jobs:
        assert marquez.get_job("test", job["name"]) == job
    assert marquez.get_job(ODD_JOB.namespace, ODD_JOB.name)["name"] == ODD_JOB.name
    runs = marquez.list_job_runs("test", "make")["runs"]
    assert [run["id"] for run in runs] == [SECOND.id, FIRST.id]
    assert marquez.list_job_runs("test", "make", limit=1, offset=1)["runs"] == runs[1:]
    assert (
        marquez.get_job_run(FIRST.id).items()
        >= {"id": FIRST.id, "state": "COMPLETED", "durationMs": 1000}.items()
    )


def test_marquez_client_reads_datasets_and_versions(marquez: Any) -> None:
    names = {row["name"] for row in marquez.list_datasets("file")["datasets"]}
    assert names == {"/data/raw.csv", "/data/table.csv"}
    assert marquez.get_dataset("s3://bucket", REPORT.name)["name"] == REPORT.name
    versions = marquez.list_dataset_versions("file", "/data/table.csv")["versions"]
    assert [version["createdByRun"]["id"] for version in versions] == [SECOND.id, FIRST.id]
    for version in versions:
        assert marquez.get_dataset_version("file", "/data/table.csv", version["version"]) == version


def test_marquez_client_reads_events(marquez: Any) -> None:
    assert marquez.list_events()["events"][0] == JOB_EVENT
    assert marquez.list_events(limit=2)["totalCount"] == len(STORY) + 1


def test_marquez_client_reads_column_lineage(marquez: Any) -> None:
    assert marquez.get_column_lineage_by_dataset("file", "/data/table.csv") == {"graph": []}
    assert marquez.get_column_lineage_by_job("test", "make", depth=2, with_downstream=True) == {
        "graph": []
    }


def test_marquez_client_raises_for_a_missing_job(marquez: Any) -> None:
    with pytest.raises(APIError):
        marquez.get_job("test", "none")
