"""No order of arrival leaves a trace: whatever was told, however mixed and repeated, the registry is the same."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamin_core.db.database import Database
from lamin_core.ingest.state_digest import lines
from lamin_core.instance.instance import Instance
from openlineage.lamin.receive.ingest import (
    append_to_log,
    ingest,
    project_backlog,
    project_whole_backlog,
)
from openlineage.lamin.receive.parse import parse

Event = dict[str, Any]
_RUNS = [f"00000000-0000-7000-8000-{n:012d}" for n in range(1, 6)]
_UNHEARD = "scheduled__1"
"""A run that others name and no event describes: of several jobs."""
_JOBS = ["extract", "load", "report"]
_DATASETS = [
    ("file", "/d/a.csv"),
    ("file", "/d/folder"),
    ("file", "/d/folder/b.csv"),
    ("postgres://db", "x.y.z"),
]
_seconds = st.integers(0, 8)


@st.composite
def _facets(draw: st.DrawFn, choices: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(choices)), max_size=2, unique=True))
    return {name: draw(choices[name]) for name in names}


_deleted = st.just({"_deleted": True})
_tags = st.lists(st.sampled_from(["pii", "gold"]), max_size=2).map(
    lambda keys: {"tags": [{"key": key, "value": "yes"} for key in keys]}
)
_documentation = st.sampled_from("ab").map(lambda text: {"description": text})
_ownership = st.sampled_from("xy").map(lambda name: {"owners": [{"name": name}]})
_job_facets = _facets(
    {
        "sourceCode": st.sampled_from("pq").map(
            lambda code: {"language": "python", "sourceCode": code}
        ),
        "sourceCodeLocation": st.sampled_from("12").map(
            lambda v: {"type": "git", "url": f"https://x/{v}", "version": v}
        ),
        "documentation": _documentation | _deleted,
        "tags": _tags | _deleted,
        "ownership": _ownership,
        "jobType": st.sampled_from(["BATCH", "STREAMING"]).map(
            lambda p: {"processingType": p, "jobType": "JOB"}
        ),
    }
)
_content = st.integers(1, 3).map(lambda n: {"hash": f"h{n}", "hash_type": "blake3", "size": n})
_folder = st.integers(1, 2).map(
    lambda n: {"hash": f"f{n}", "hash_type": "blake3-d", "size": n, "n_files": 1}
)
_dataset_facets = {
    "version": st.sampled_from(["v1", "v2"]).map(lambda v: {"datasetVersion": v}),
    "documentation": _documentation | _deleted,
    "tags": _tags,
    "ownership": _ownership,
    "schema": st.sampled_from(["int", "str"]).map(
        lambda t: {"fields": [{"name": "id", "type": t}]}
    ),
    "symlinks": st.sampled_from(["/d/a.csv", "/d/link.csv"]).map(
        lambda name: {"identifiers": [{"namespace": "file", "name": name, "type": "TABLE"}]}
    ),
    "outputStatistics": st.integers(1, 2).map(lambda n: {"rowCount": n}),
}


@st.composite
def _dataset(draw: st.DrawFn) -> Event:
    namespace, name = draw(st.sampled_from(_DATASETS))
    artifact_facet = _folder if name == "/d/folder" else _content
    facets = draw(_facets({**_dataset_facets, "lamin_artifact": artifact_facet}))
    return {"namespace": namespace, "name": name, "facets": facets}


@st.composite
def _link(draw: st.DrawFn) -> Event:
    return {
        "run": {"runId": draw(st.sampled_from([*_RUNS, _UNHEARD]))},
        "job": {"namespace": "test", "name": draw(st.sampled_from(_JOBS))},
    }


@st.composite
def _run_facets(draw: st.DrawFn) -> dict[str, Any]:
    return draw(
        _facets(
            {
                "parent": _link(),
                "parentRun": _link(),
                "jobDependencies": st.lists(_link(), max_size=2).map(
                    lambda links: {"upstream": links}
                ),
                "tags": _tags,
                "errorMessage": st.sampled_from("mn").map(lambda text: {"message": text}),
            }
        )
    )


@st.composite
def _event(draw: st.DrawFn) -> Event:
    event: Event = {"eventTime": f"2026-01-01T00:00:{draw(_seconds):02d}Z", "producer": "urn:test"}
    kind = draw(st.sampled_from(["run"] * 6 + ["job", "dataset"]))
    if kind == "dataset":
        return {**event, "dataset": draw(_dataset())}
    name = draw(st.sampled_from(_JOBS))
    job = {"namespace": "test", "name": name, "facets": draw(_job_facets)}
    sides = {side: draw(st.lists(_dataset(), max_size=2)) for side in ("inputs", "outputs")}
    if kind == "job":
        return {**event, "job": job, **sides}
    types = ["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER", None]
    run = {"runId": draw(st.sampled_from(_RUNS)), "facets": draw(_run_facets())}
    return {**event, "eventType": draw(st.sampled_from(types)), "run": run, "job": job, **sides}


def _state_lines(empty: Path, batches: Sequence[Sequence[Event]]) -> list[str]:
    """The state of a registry after these events; `empty` is the database of a registry without events."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{shutil.copy(empty, folder)}")
        for batch in batches:
            receipt = ingest(database, map(parse, batch))
            assert receipt.quarantined == [], receipt.quarantined
        with database.reading() as session:
            state = list(lines(session))
        database.dispose()
    return state


def _mixed(events: Sequence[Event], seed: int) -> list[list[Event]]:
    order = random.Random(seed)
    remaining = [*events, *order.choices(events, k=len(events) // 2)]
    order.shuffle(remaining)
    batches = []
    while remaining:
        size = order.randint(1, 5)
        batches.append(remaining[:size])
        remaining = remaining[size:]
    return batches


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a registry that has heard nothing."""
    folder = tmp_path_factory.mktemp("empty")
    Instance.create(folder, "./data").db.dispose()
    return folder / ".lamin" / "lamin.db"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_event(), min_size=2, max_size=14), st.integers(0, 1000))
def test_order_and_repetition_of_events_do_not_change_the_registry(
    empty: Path, events: list[Event], seed: int
) -> None:
    ordered = sorted(events, key=lambda event: event["eventTime"])
    assert _state_lines(empty, _mixed(events, seed)) == _state_lines(
        empty, [[event] for event in ordered]
    )


def _state_lines_by_two_processes(
    empty: Path, batches: Sequence[Sequence[Event]], seed: int
) -> list[str]:
    """The state of a registry after two processes received these events and settled some of them later."""
    choices = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{shutil.copy(empty, folder)}"
        both = [Database(url), Database(url)]  # what they remember of runs, each has for itself
        for batch in batches:
            receipt = choices.choice([ingest, append_to_log])(
                choices.choice(both), [parse(event) for event in batch]
            )
            assert receipt.quarantined == [], receipt.quarantined
            if choices.random() < 0.3:
                project_backlog(choices.choice(both), choices.randint(1, 3))
        project_whole_backlog(both[0])
        with both[0].reading() as session:
            state = list(lines(session))
        for database in both:
            database.dispose()
    return state


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_event(), min_size=2, max_size=14), st.integers(0, 1000))
def test_ingest_by_two_processes_with_late_projection_does_not_change_the_registry(
    empty: Path, events: list[Event], seed: int
) -> None:
    ordered = sorted(events, key=lambda event: event["eventTime"])
    assert _state_lines_by_two_processes(empty, _mixed(events, seed), seed) == _state_lines(
        empty, [[event] for event in ordered]
    )
