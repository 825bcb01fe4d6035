"""The table of facets in docs/openlineage.md: for each row an event with the facet, and what the row promises.

A row, or a facet in a row, that has no check here fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Event, Run, RunArtifact, RunDependency, Schema, Transform
from lamin_core.runtime import current
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse

PAGE = Path(__file__).parents[2] / "docs" / "openlineage.md"
Facet = tuple[str, str]
"""The name of a facet, and of what it is one."""


def rows() -> Iterator[list[str]]:
    """The rows of the table, as lists of cells."""
    section = PAGE.read_text("utf-8").split("## How facets are recorded")[1].split("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("|") and not line.startswith(("| facet", "|---")):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def facets_of_row(cells: list[str]) -> list[Facet]:
    """The facets that the row is about; a row about any facet is that one."""
    names = re.findall(r"`([^`]+)`", cells[0]) or [cells[0]]
    return [(name, cells[1]) for name in names]


CHECKS: dict[Facet, Callable[[], None]] = {}


def check(name: str, of: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Say that this function checks what the table promises of a facet."""

    def register(function: Callable[[], None]) -> Callable[[], None]:
        CHECKS[name, of] = function
        return function

    return register


PRODUCER = "https://example.org/producer"


def _described(facets: dict[str, Any]) -> dict[str, Any]:
    url = "https://openlineage.io/spec/facets/1-0-0/AnyFacet.json#/$defs/AnyFacet"
    return {
        name: {"_producer": PRODUCER, "_schemaURL": url, **facet} for name, facet in facets.items()
    }


def dataset(name: str, namespace: str = "postgres://db:5432", **facets: Any) -> dict[str, Any]:
    """A dataset in an event."""
    return {"namespace": namespace, "name": name, "facets": _described(facets)}


def ingest_event(
    number: int = 1,
    *,
    run: dict[str, Any] | None = None,
    job: dict[str, Any] | None = None,
    inputs: list[dict[str, Any]] | None = None,
    outputs: list[dict[str, Any]] | None = None,
) -> None:
    """One event, of a run that is complete."""
    event = {
        "eventType": "COMPLETE",
        "eventTime": f"2026-01-01T00:00:{number:02d}Z",
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": f"00000000-0000-7000-8000-{number:012d}",
            "facets": _described(run or {}),
        },
        "job": {"namespace": "test", "name": "job", "facets": _described(job or {})},
        "inputs": inputs or [],
        "outputs": outputs or [],
    }
    instance = current.current_instance()
    assert isinstance(instance, Instance)
    receipt = ingest(instance.db, [parse(json.dumps(event).encode())])
    assert (receipt.taken, receipt.quarantined) == (1, [])


def edges() -> list[RunArtifact]:
    """All edges, in order."""
    instance = current.current_instance()
    assert isinstance(instance, Instance)
    with instance.db.reading() as session:
        return list(session.query(RunArtifact).order_by(RunArtifact.id))


def tags(entity: str) -> dict[str, Any]:
    """A facet with one tag."""
    return {"tags": [{"key": "stage", "value": "raw", "source": entity}]}


def labels_of(record: Any) -> list[tuple[str, str]]:
    """Type and name of each label."""
    return [(label.type.name, label.name) for label in record.ulabels.all()]


@check("sourceCode", "job")
def _() -> None:
    for number, code in enumerate(("a", "b"), 1):
        ingest_event(number, job={"sourceCode": {"language": "python", "sourceCode": code}})
    versions = Transform.filter(key="job").order_by("number")
    assert [version.source_code for version in versions] == ["a", "b"]


@check("sql", "job")
def _() -> None:
    ingest_event(job={"sql": {"query": "select 1"}})
    assert Transform.one().source_code == "select 1"


@check("sourceCodeLocation", "job")
def _() -> None:
    for number in (1, 2):
        location = {"type": "git", "url": f"https://x/{number}", "version": str(number)}
        ingest_event(number, job={"sourceCodeLocation": location})
    versions = Transform.filter(key="job").order_by("number")
    assert [(v.reference, v.reference_type) for v in versions] == [
        ("https://x/1", "git"),
        ("https://x/2", "git"),
    ]


@check("documentation", "job")
def _() -> None:
    ingest_event(1, job={"sql": {"query": "1"}})
    ingest_event(2, job={"sql": {"query": "2"}, "documentation": {"description": "what it does"}})
    assert {transform.description for transform in Transform.all()} == {"what it does"}


@check("tags", "job")
def _() -> None:
    ingest_event(job={"tags": tags("JOB")})
    assert labels_of(Transform.one()) == [("stage", "raw")]


@check("ownership", "job")
def _() -> None:
    ingest_event(job={"ownership": {"owners": [{"name": "team:atlas"}]}})
    assert Transform.one().created_by.handle == "team:atlas"


@check("jobType", "job")
def _() -> None:
    job_type = {"processingType": "BATCH", "integration": "SPARK", "jobType": "JOB"}
    ingest_event(job={"jobType": job_type})
    assert (Transform.one().kind, Run.one().engine) == ("job", "spark")


@check("documentation", "dataset")
def _() -> None:
    ingest_event(outputs=[dataset("t", documentation={"description": "what it is"})])
    assert Artifact.one().description == "what it is"


@check("tags", "dataset")
def _() -> None:
    ingest_event(outputs=[dataset("t", tags=tags("DATASET"))])
    assert labels_of(Artifact.one()) == [("stage", "raw")]


@check("ownership", "dataset")
def _() -> None:
    ingest_event(outputs=[dataset("t", ownership={"owners": [{"name": "team:atlas"}]})])
    assert Artifact.one().created_by.handle == "team:atlas"


@check("schema", "dataset")
def _() -> None:
    columns = [{"name": "a", "type": "INT", "description": "first"}, {"name": "b", "type": "TEXT"}]
    plain = [{"name": column["name"], "type": column["type"]} for column in columns]
    nested = [*plain[:1], {**plain[1], "fields": [{"name": "inner", "type": "INT"}]}]
    outputs = [
        dataset("described", schema={"fields": columns}),
        dataset("plain", schema={"fields": plain}),
        dataset("nested", schema={"fields": nested}),
        dataset("turned", schema={"fields": plain[::-1]}),
    ]
    ingest_event(outputs=outputs)
    schemas = {artifact.key.split("/")[-1]: artifact.schemas.one() for artifact in Artifact.all()}
    assert [feature.name for feature in schemas["plain"].features.all()] == ["a", "b"]
    assert schemas["described"].uid == schemas["plain"].uid == schemas["nested"].uid
    assert Schema.filter().count() == 2


@check("lamin_artifact", "dataset")
def _() -> None:
    for number, digest in enumerate(("aa", "bb", "bb"), 1):
        content = {"hash": digest * 32, "hash_type": "blake3", "size": 3}
        ingest_event(number, outputs=[dataset("t", lamin_artifact=content)])
    assert [artifact.number for artifact in Artifact.filter().order_by("number")] == [0, 1]


@check("version", "dataset")
def _() -> None:
    for number, version in enumerate(("v1", "v2", "v2"), 1):
        ingest_event(number, outputs=[dataset("t", version={"datasetVersion": version})])
    for number in (4, 5):  # without both, each run makes one
        ingest_event(number, outputs=[dataset("u")])
    counts = [len(Artifact.filter(key__endswith=name)) for name in ("t", "u")]
    assert counts == [2, 2]


@check("symlinks", "dataset")
def _() -> None:
    other = {"namespace": "hive://meta", "name": "db.t", "type": "TABLE"}
    ingest_event(1, outputs=[dataset("t", symlinks={"identifiers": [other]})])
    ingest_event(2, inputs=[dataset("db.t", "hive://meta")])
    assert len({edge.series_id for edge in edges()}) == 1


@check("lifecycleStateChange", "dataset")
def _() -> None:
    previous = {"namespace": "postgres://db:5432", "name": "old"}
    change = {"lifecycleStateChange": "RENAME", "previousIdentifier": previous}
    outputs = [
        dataset("t", lifecycleStateChange={"lifecycleStateChange": "OVERWRITE"}),
        dataset("new", lifecycleStateChange=change),
    ]
    ingest_event(outputs=outputs)
    assert sorted((edge.direction, edge.role) for edge in edges()) == [
        ("input", "renamed"),
        ("output", "overwrite"),
        ("output", "rename"),
    ]
    keys = [artifact.key.split("/")[-1] for artifact in Run.one().input_artifacts.all()]
    assert keys == ["old"]


@check("outputStatistics", "output")
def _() -> None:
    table = dataset("t") | {"outputFacets": _described({"outputStatistics": {"rowCount": 7}})}
    ingest_event(outputs=[table])
    assert Artifact.one().n_observations == 7


@check("parent", "run")
def _() -> None:
    def above(number: int, name: str) -> dict[str, Any]:
        run_id = f"00000000-0000-7000-8000-{number:012d}"
        return {"run": {"runId": run_id}, "job": {"namespace": "test", "name": name}}

    ingest_event(run={"parent": {**above(8, "stage"), "root": above(9, "pipeline")}})
    run = Run.one(transform__key="job")
    assert run.parent.transform.key == "stage"
    assert run.root_run_id == "00000000-0000-7000-8000-000000000009"


@check("jobDependencies", "run")
def _() -> None:
    upstream = {
        "run": {"runId": "00000000-0000-7000-8000-000000000008"},
        "job": {"namespace": "test", "name": "before"},
    }
    ingest_event(run={"jobDependencies": {"upstream": [upstream]}})
    instance = current.current_instance()
    assert isinstance(instance, Instance)
    with instance.db.reading() as session:
        assert [row.role for row in session.query(RunDependency)] == ["order"]
    assert edges() == []


@check("executionParameters", "run")
def _() -> None:
    parameters = [{"key": "least", "value": 2}, {"key": "name", "value": "x"}]
    ingest_event(run={"executionParameters": {"parameters": parameters}})
    assert Run.one().params == {"least": 2, "name": "x"}


@check("tags", "run")
def _() -> None:
    ingest_event(run={"tags": tags("RUN")})
    assert labels_of(Run.one()) == [("stage", "raw")]


@check("errorMessage", "run")
def _() -> None:
    message = {"message": "no space", "programmingLanguage": "python", "stackTrace": "line 1"}
    ingest_event(run={"errorMessage": message})
    assert Run.one().error == "no space"


@check("processing_engine", "run")
def _() -> None:
    ingest_event(run={"processing_engine": {"name": "Spark", "version": "3.5"}})
    assert (Run.one().engine, Run.one().engine_version) == ("spark", "3.5")


@check("environmentVariables", "run")
def _() -> None:
    values = [{"name": "MODE", "value": "fast"}, {"name": "DB_PASSWORD", "value": "hunter2"}]
    ingest_event(run={"environmentVariables": {"environmentVariables": values}})
    variables = Run.one().details["environment_variables"]
    assert variables["MODE"] == "fast"
    assert variables["DB_PASSWORD"] != "hunter2"


@check("all facets", "")
def _() -> None:
    ingest_event(
        run={"custom": {"settings": {"password": "hunter2"}}},
        outputs=[dataset("t", "postgres://me:hunter2@db:5432")],
    )
    run, artifact = Run.one(), Artifact.one()
    assert "hunter2" not in json.dumps(run.details)
    assert artifact.storage.root == "postgres://db:5432"


@check("all other facets", "")
def _() -> None:
    large = {"text": "x" * 1_100_000}
    ingest_event(
        run={"custom": {"a": 1}, "large": large},
        job={"custom": {"b": 2}},
        outputs=[dataset("t", custom={"c": 3})],
    )
    run = Run.one()
    assert run.details["facets"]["custom"]["a"] == 1
    assert edges()[0].facets["custom"]["c"] == 3
    instance = current.current_instance()
    assert isinstance(instance, Instance)
    with instance.db.reading() as session:
        event = session.query(Event).one()
    assert run.details["facets"]["large"]["lamin_omitted"]["event"] == event.hash
    assert "x" * 1_000 in event.body


@pytest.fixture
def connected(instance: Instance) -> Iterator[Instance]:
    """The instance that the checks tell and ask."""
    current.set_current_instance(instance)
    yield instance
    current.set_current_instance(None)


@pytest.mark.parametrize("facet", sorted({f for cells in rows() for f in facets_of_row(cells)}))
def test_facet_is_recorded_as_documented_in_the_table(connected: Instance, facet: Facet) -> None:
    assert facet in CHECKS, f"no check of {facet[0]!r} of {facet[1]!r}: add one"
    CHECKS[facet]()


def test_facet_table_has_a_row_for_every_check() -> None:
    assert {facet for cells in rows() for facet in facets_of_row(cells)} == set(CHECKS)
