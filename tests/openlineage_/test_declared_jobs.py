"""Declared inputs and outputs of jobs without a run: drawn as declared, on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

import lamin_core as ln
from lamin_core.ingest.state_digest import lines
from lamin_core.instance.instance import Instance, disconnect
from lamin_core.lineage.view import view
from lamin_core.models import JobDataset
from lamin_core.runtime import current
from openlineage.lamin.emit.events import Dataset, complete, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild
from tests.support.read_api_events import ask, client_of, edges

from .conftest import at, run_of

LOAD, CUSTOMER, PRODUCT = "job:test:load", "dataset:unload:customer", "dataset:products:dp"


@pytest.fixture(autouse=True)
def connected(instance: Instance) -> Iterator[None]:
    """Python works on the instance of the test."""
    current.set_current_instance(instance)
    yield
    disconnect()


def declaration(
    second: int, inputs: tuple[str, ...] = ("customer",), outputs: tuple[str, ...] = ("dp",)
) -> dict[str, Any]:
    """A job event: `load` reads `inputs` of `unload` and writes `outputs` of `products`."""
    return {
        "eventTime": f"2026-01-01T00:00:{second:02d}Z",
        "producer": "https://example.org/p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
        "job": {"namespace": "test", "name": "load"},
        "inputs": [{"namespace": "unload", "name": name} for name in inputs],
        "outputs": [{"namespace": "products", "name": name} for name in outputs],
    }


def ingest_each(instance: Instance, *events: dict[str, Any]) -> None:
    """Take the events, each in a batch of its own."""
    for event in events:
        receipt = ingest(instance.db, [parse(event)])
        assert receipt.quarantined == []


def declared_edges(instance: Instance, name: str) -> set[tuple[str, str]]:
    """Direction and key of what `load` is declared to do, in the graph around this dataset."""
    seen = view(instance.lineage.around(instance.lineage.find(name)))
    keys = {artifact["uid"]: artifact["key"] for artifact in seen["artifacts"]}
    return {(row["direction"], keys[row["artifact"]]) for row in seen["declared"]}


def test_declared_job_is_drawn_as_declared_without_a_run(instance: Instance) -> None:
    ingest_each(instance, declaration(1))
    graph = instance.lineage.around(instance.lineage.find("dp"))
    assert graph.tree().splitlines() == [
        "dp  v0000",
        "└─ job load · declared, not run",
        "   └─ customer  v0000",
    ]
    assert "declared, not run" in graph.svg()
    seen = view(graph)
    assert (seen["runs"], seen["edges"]) == ([], [])
    assert [job["transform_key"] for job in seen["jobs"]] == ["load"]
    assert declared_edges(instance, "customer") == {("input", "customer"), ("output", "dp")}
    assert (ln.Run.filter().count(), instance.lineage.everything().runs.keys()) == (
        0,
        graph.runs.keys(),
    )
    between = instance.lineage.between(
        instance.lineage.find("customer"), instance.lineage.find("dp")
    )
    assert len(between.nodes) == 3
    near = instance.lineage.around(instance.lineage.find("dp"), up=1, down=0)
    assert (len(near.artifacts), len(near.runs)) == (1, 1)


def test_http_api_returns_declared_datasets_and_their_job(instance: Instance) -> None:
    ingest_each(instance, declaration(1))
    client = client_of(instance)
    for node in (LOAD, CUSTOMER, PRODUCT, f"{PRODUCT}@0000"):
        answer = ask(client, "/lineage", nodeId=node)
        names = [vertex["id"] for vertex in answer["graph"] if vertex["type"] == "JOB"]
        assert (names, answer["truncated"]) == ([LOAD], False)
        assert len(edges(answer)) == 2
    assert edges(ask(client, "/lineage", nodeId=PRODUCT)) == {(CUSTOMER, LOAD), (LOAD, PRODUCT)}
    assert edges(ask(client, "/lineage", nodeId=LOAD, direction="down")) == {(LOAD, PRODUCT)}
    assert {row["name"] for row in ask(client, "/datasets")["datasets"]} == {"customer", "dp"}
    assert ask(client, "/namespaces/products/datasets/dp")["name"] == "dp"
    assert ask(client, "/runs")["runs"] == []
    job = ask(client, "/namespaces/test/jobs/load")
    assert (job["latestRun"], [row["name"] for row in job["outputs"]]) == (None, ["dp"])


def test_latest_declaration_applies_in_any_order_of_arrival(instance: Instance) -> None:
    events = [declaration(1, ("old",), ("dp",)), declaration(2, ("customer",), ("dp", "copy"))]
    ingest_each(instance, *reversed(events))
    expected = {("input", "customer"), ("output", "dp"), ("output", "copy")}
    assert declared_edges(instance, "customer") == expected
    assert declared_edges(instance, "old") == set()
    with instance.db.reading() as session:
        before = list(lines(session))
    ingest_each(instance, *events, *events)
    rebuild(instance.db)
    with instance.db.reading() as session:
        assert list(lines(session)) == before
    assert declared_edges(instance, "customer") == expected


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_run_with_datasets_replaces_the_declaration(
    instance: Instance, order: tuple[int, ...]
) -> None:
    run = run_of(1, "load")
    output = Dataset("products", "dp")
    events = [declaration(1), start(run, at(2)), complete(run, at(3), outputs=[output])]
    ingest_each(instance, *(events[number] for number in order))
    seen = view(instance.lineage.around(instance.lineage.find("dp")))
    assert (len(seen["runs"]), seen["jobs"], seen["declared"]) == (1, [], [])
    assert edges(ask(client_of(instance), "/lineage", nodeId=PRODUCT)) == {(LOAD, PRODUCT)}


def test_run_without_datasets_leaves_the_declaration(instance: Instance) -> None:
    run = run_of(2, "load")
    ingest_each(instance, declaration(1), complete(run, at(3)))
    assert declared_edges(instance, "dp") == {("input", "customer"), ("output", "dp")}
    client = client_of(instance)
    assert edges(ask(client, "/lineage", nodeId=LOAD)) == {(CUSTOMER, LOAD), (LOAD, PRODUCT)}
    upstream = ask(client, "/runlineage/upstream", runId=str(run.id))
    assert len(upstream["runs"]) == 1


def test_declared_datasets_follow_their_symlinks(instance: Instance) -> None:
    event = declaration(1)
    ingest_each(instance, event)
    renamed = declaration(2)
    facet = {"identifiers": [{"namespace": "file", "name": "/data/dp", "type": "LOCATION"}]}
    renamed["outputs"][0]["facets"] = {"symlinks": {"_producer": "p", "_schemaURL": "s", **facet}}
    ingest_each(instance, renamed)
    with instance.db.reading() as session:
        rows = session.scalars(select(JobDataset.series_id)).all()
    assert len(rows) == 2
    assert declared_edges(instance, "/data/dp") == {("input", "customer"), ("output", "data/dp")}


def test_declaration_is_part_of_the_graph_only_from_its_time(instance: Instance) -> None:
    ingest_each(instance, declaration(10))
    artifact = instance.lineage.find("dp")
    for time, runs in (("2026-01-01T00:00:09Z", 0), ("2026-01-01T00:00:10Z", 1)):
        graph = instance.lineage.around(artifact, as_of=time)
        assert len(graph.runs) == runs


def test_permanent_deletion_of_a_declared_dataset_leaves_the_job(instance: Instance) -> None:
    ingest_each(instance, declaration(1))
    ln.Artifact.get(key="dp").delete(permanent=True)
    assert declared_edges(instance, "customer") == {("input", "customer")}


def test_dataset_listed_twice_is_declared_once(instance: Instance) -> None:
    event = declaration(0, inputs=("customer", "customer"))
    event["inputs"][1]["facets"] = {"documentation": {"description": "who buys"}}
    ingest_each(instance, event)
    assert declared_edges(instance, "customer") == {("input", "customer"), ("output", "dp")}
    assert ln.Artifact.get(key="customer").description == "who buys"
