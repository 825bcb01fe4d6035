"""The events of adapters are valid OpenLineage, and invalid events are detected, without a network."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lamin_core.errors import MissingExtra
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Dependency, Event, Job, Run, RunReference
from openlineage.lamin.validation import schema
from openlineage.lamin.validation.schema import problems

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUN_ID = "0194e0a0-0000-7000-8000-000000000000"
PARENT = RunReference("0194e0a0-0000-7000-8000-000000000001", "snakemake", "wf")


@pytest.fixture
def full(tmp_path: Path) -> Run:
    """A run that says everything there is to say."""
    job = Job(
        "snakemake",
        "wf:map",
        "rule",
        source="shell: cp a b",
        language="bash",
        description="Maps the reads",
        location="file:///repo/Snakefile",
        commit="abc123",
        repository="https://example.org/repo.git",
    )
    return Run(
        RUN_ID,
        job,
        "snakemake",
        "9.27.1",
        name="map sample 1",
        parent=PARENT,
        root=PARENT,
        params={"alpha": 3, "label": "x y", "nested": {"list": [1, None, True]}},
        attempt=2,
        cached=True,
        dependencies=[Dependency(PARENT, "order")],
        details={"threads": 4, "wildcards": {"sample": "1"}},
    )


@pytest.fixture
def minimal() -> Run:
    return Run(RUN_ID, Job("python", "a.py", "script"), "python", "3.12")


@pytest.fixture
def datasets(tmp_path: Path) -> list[Dataset]:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a b ü.txt").write_text("content")
    (tmp_path / "folder" / "c.txt").write_text("content")
    return [
        Dataset.at(tmp_path / "a b ü.txt", role="published"),
        Dataset.at(tmp_path / "folder"),
        Dataset.at(tmp_path / "missing"),
        Dataset.at("s3://bucket/raw/a.csv"),
    ]


BUILDERS: dict[str, Callable[[Run, list[Dataset]], Event]] = {
    "start": lambda run, files: events.start(run, AT, inputs=files),
    "running": lambda run, files: events.running(run, AT, inputs=files, outputs=files),
    "complete": lambda run, files: events.complete(run, AT, outputs=files),
    "fail": lambda run, files: events.fail(
        run, AT, "no such luck", trace="line 1", inputs=files, outputs=files
    ),
    "abort": lambda run, files: events.abort(run, AT, "interrupted", outputs=files),
}


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_every_event_with_all_facets_is_valid(
    builder: Any, full: Run, datasets: list[Dataset]
) -> None:
    assert problems(builder(full, datasets)) == []


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_every_event_with_minimal_facets_is_valid(builder: Any, minimal: Run) -> None:
    assert problems(builder(minimal, [])) == []


def test_every_emitted_facet_has_a_schema(full: Run, datasets: list[Dataset]) -> None:
    event = events.fail(full, AT, "no such luck", trace="line 1", inputs=datasets)
    places = {
        location: schema._schema_address(facet["_schemaURL"])
        for location, _, facet in schema._apart(event)[1]
    }
    assert len(places) > 10
    assert [location for location, url in places.items() if url is None] == []


@pytest.mark.parametrize(
    ("spoil", "location"),
    [
        (lambda e: e.pop("eventTime"), "event"),
        (lambda e: e.update(eventTime="yesterday"), "eventTime"),
        (lambda e: e.update(eventType="DONE"), "eventType"),
        (lambda e: e.update(producer="not a uri"), "producer"),
        (lambda e: e.pop("job"), "event"),
        (lambda e: e["job"].pop("name"), "job"),
        (lambda e: e["run"].update(runId="run-1"), "run.runId"),
        (
            lambda e: e["run"]["facets"]["parent"]["run"].update(runId="7"),
            "run.facets.parent.run.runId",
        ),
        (lambda e: e["run"]["facets"]["parent"]["root"].pop("job"), "run.facets.parent.root"),
        (
            lambda e: e["run"]["facets"]["lamin_run"].update(attempt="2"),
            "run.facets.lamin_run.attempt",
        ),
        (lambda e: e["run"]["facets"]["errorMessage"].pop("message"), "run.facets.errorMessage"),
        (
            lambda e: e["run"]["facets"]["processing_engine"].pop("version"),
            "run.facets.processing_engine",
        ),
        (
            lambda e: e["run"]["facets"]["executionParameters"].update(parameters=3),
            "run.facets.executionParameters.parameters",
        ),
        (
            lambda e: e["run"]["facets"]["jobDependencies"]["upstream"][0].pop("job"),
            "run.facets.jobDependencies.upstream[0]",
        ),
        (lambda e: e["job"]["facets"]["jobType"].pop("_producer"), "job.facets.jobType"),
        (lambda e: e["job"]["facets"]["sourceCode"].pop("language"), "job.facets.sourceCode"),
        (lambda e: e["inputs"][0].pop("namespace"), "inputs[0]"),
        (
            lambda e: e["inputs"][0]["facets"]["lamin_artifact"].pop("hash_type"),
            "inputs[0].facets.lamin_artifact",
        ),
        (lambda e: e.update(inputs={}), "inputs"),
    ],
    ids=itertools.count(),
)
def test_invalid_event_is_reported_with_the_location(
    spoil: Callable[[Any], Any], location: str, full: Run, datasets: list[Dataset]
) -> None:
    event = copy.deepcopy(events.fail(full, AT, "no such luck", inputs=datasets))
    spoil(event)
    assert [problem.partition(": ")[0] for problem in problems(event)][:1] == [location], problems(
        event
    )


@pytest.mark.parametrize("event", [None, [], "START", 3, {}])
def test_value_that_is_not_an_event_is_reported_as_a_problem(event: Any) -> None:
    assert problems(event)


def test_unknown_facet_only_needs_the_fields_of_a_facet(minimal: Run) -> None:
    event = events.start(minimal, AT)
    event["run"]["facets"]["acme_cost"] = {
        "_producer": "urn:acme",
        "_schemaURL": "urn:acme:cost",
        "euros": 3,
    }
    assert problems(event) == []
    del event["run"]["facets"]["acme_cost"]["_producer"]
    assert problems(event) == ['run.facets.acme_cost: "_producer" is a required property']


def test_job_and_dataset_events_are_validated_by_their_own_schemas() -> None:
    head = {"eventTime": "2026-01-01T00:00:00Z", "producer": "urn:me", "schemaURL": schema.CORE}
    assert problems({**head, "job": {"namespace": "n", "name": "j"}}) == []
    assert problems({**head, "dataset": {"namespace": "n", "name": "d"}}) == []
    assert problems({**head, "dataset": {"namespace": "n"}})


def test_validation_opens_no_socket() -> None:
    script = (
        "import sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, _: name.startswith('socket.') and seen.append(name))\n"
        "from openlineage.lamin.validation.schema import problems\n"
        "assert problems({'run': {}})\n"
        "assert not seen, seen\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_missing_validation_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    schema._validator.cache_clear()
    with pytest.raises(MissingExtra, match=r"lamin-core\[openlineage\]"):
        problems({"run": {}})
