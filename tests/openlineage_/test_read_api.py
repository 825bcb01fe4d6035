"""Jobs and datasets over HTTP, on both databases: what was told is found again, under whatever name."""

from __future__ import annotations

from urllib.parse import quote

from sqlalchemy import select
from starlette.testclient import TestClient

from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, now
from openlineage.lamin.emit.events import Job, Run, complete
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.support.read_api_events import (
    DATASET_EVENT,
    FIRST,
    JOB_EVENT,
    ODD_JOB,
    RAW_ID,
    REPORT,
    SECOND,
    STORY,
    USE,
    ask,
    client_of,
    edges,
    tell,
    within,
)

from .conftest import at


def test_namespaces_are_those_of_jobs_and_datasets(client: TestClient) -> None:
    answer = ask(client, "/namespaces")
    names = [row["name"] for row in answer["namespaces"]]
    assert names == sorted(["file", ODD_JOB.namespace, "orders", "s3://bucket", "test"])
    assert answer["totalCount"] == 5
    for name in names:
        assert ask(client, f"/namespaces{within(name)}")["name"] == name


def test_job_has_the_inputs_and_outputs_of_its_latest_run(client: TestClient) -> None:
    jobs = ask(client, "/namespaces/test/jobs")
    assert [job["name"] for job in jobs["jobs"] if job["name"] != "declared"] == [
        "flow",
        "make",
        "use",
    ]
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
    ingest(
        instance.db,
        [parse(complete(Run("00000000-0000-7000-8000-000000000016", job, "test", "1"), at(30)))],
    )
    answer = ask(client, "/namespaces/test/jobs/make/versions")
    assert [
        (version["version"], version["sourceCode"], version["latestRun"]["id"][-2:])
        for version in answer["versions"]
    ] == [
        ("0001", "new code", "16"),
        ("0000", "code of make", "03"),
    ]
    assert ask(client, "/namespaces/test/jobs/make/versions/0000") == answer["versions"][1]
    assert (
        ask(client, f"/namespaces/test/jobs/make/versions/{answer['versions'][0]['uid']}")
        == answer["versions"][0]
    )
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
    assert (
        client.get(f"/api/v1/namespaces{within('s3://bucket')}/datasets/{twice}").status_code == 404
    )


def test_every_version_of_a_dataset_names_the_run_that_created_it(client: TestClient) -> None:
    path = f"/namespaces/file/datasets{within('/data/table.csv')}"
    answer = ask(client, f"{path}/versions")
    assert [
        (version["version"], version["hash"], version["createdByRun"]["id"])
        for version in answer["versions"]
    ] == [
        ("0001", "02", SECOND.id),
        ("0000", "01", FIRST.id),
    ]
    assert answer["totalCount"] == 2
    assert ask(client, f"{path}/versions/0000") == answer["versions"][1]
    dataset = ask(client, path)
    assert (dataset["currentVersion"], dataset["versionCount"], dataset["size"]) == ("0001", 2, 7)
    assert dataset in ask(client, "/namespaces/file/datasets")["datasets"]
    assert ask(client, "/datasets")["totalCount"] == 4
    raw = ask(client, f"/namespaces/file/datasets{within('/data/raw.csv')}/versions/0000")
    assert raw["createdByRun"] is None


def test_facets_of_job_and_dataset_events_are_returned(instance: Instance) -> None:
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
                "symlinks": {
                    **facet,
                    "identifiers": [{"namespace": "warehouse", "name": "raw", "type": "TABLE"}],
                },
            },
        }
    }
    ingest(instance.db, [parse(event) for event in (*STORY, job, dataset)])
    client = client_of(instance)
    answer = ask(client, "/namespaces/test/jobs/declared")
    assert (answer["inputs"], answer["outputs"], answer["latestRun"]) == (
        [{"namespace": "file", "name": "/data/raw.csv"}],
        [],
        None,
    )
    assert answer["facets"]["my_facet"]["x"] == 1
    raw = ask(client, f"/namespaces/file/datasets{within('/data/raw.csv')}")
    assert [(field["name"], field["type"]) for field in raw["fields"]] == [("a", "int")]
    assert ask(client, "/namespaces/warehouse/datasets/raw") == raw  # another name of it
    assert ask(client, "/lineage", nodeId="dataset:warehouse:raw") == ask(
        client, "/lineage", nodeId=RAW_ID
    )


def test_trashed_dataset_is_marked_deleted_and_stays_in_the_lineage(instance: Instance) -> None:
    client = tell(instance)
    with instance.db.writing() as session:
        gone = session.scalars(select(Artifact).where(Artifact.key == "data/table.csv")).all()
        for version in gone:
            version.deleted_at, version.is_latest = now(), False
    path = f"/namespaces/file/datasets{within('/data/table.csv')}"
    assert ask(client, path)["deleted"]
    assert {
        dataset_version["deleted"]
        for dataset_version in ask(client, f"{path}/versions")["versions"]
    } == {True}
    assert [
        dataset["name"] for dataset in ask(client, "/namespaces/file/datasets")["datasets"]
    ] == ["/data/raw.csv"]
    assert (RAW_ID, "job:test:make") in edges(ask(client, "/lineage", nodeId=RAW_ID))
