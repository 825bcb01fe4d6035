"""Measures the read API over a registry of 10,000 jobs, 100,000 runs, 100,000 datasets and 200,000 events.

`python benchmarks/reading.py [DATABASE URL]`: prints JSON, medians of some requests for each
question, in milliseconds, without the network.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from starlette.testclient import TestClient

from lamin_core.enums import RunStatus
from lamin_core.instance.instance import Instance
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Event,
    Run,
    RunArtifact,
    Storage,
    Transform,
    TransformSeries,
)
from openlineage.lamin.http.app import application

JOBS, RUNS = 10_000, 100_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def main() -> None:
    """Fill a fresh database, and ask."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/registry.db"
        instance = Instance.create(Path(folder), "./data", url)
        fill(instance)
        client = TestClient(application(instance.db), base_url="http://localhost")
        figures = {path: median(lambda: client.get(f"/api/v1{path}")) for path in QUESTIONS}  # noqa: B023 - at once
        print(json.dumps({path: round(taken, 1) for path, taken in figures.items()}, indent=2))
        instance.db.dispose()


def _run(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


QUESTIONS = [
    "/namespaces",
    "/jobs",
    "/jobs?offset=9900",
    "/namespaces/engine%207/jobs",
    "/namespaces/engine%207/jobs/job%207",
    "/namespaces/engine%207/jobs/job%207/runs",
    "/runs",
    "/runs?limit=1000",
    "/runs?offset=90000",
    "/runs?status=failed",
    "/runs?engine=engine%207",
    "/runs?engine=nobody",
    "/runs?namespace=engine%207",
    "/runs?namespace=engine%207&job=job%207",
    "/runs?after=2026-01-02T00:00:00Z&before=2026-01-02T01:00:00Z",
    f"/runs/{_run(77_777)}",
    "/datasets",
    "/datasets?offset=90000",
    "/namespaces/file/datasets",
    "/namespaces/file/datasets/%2Fdata%2F77777",
    "/namespaces/file/datasets/%2Fdata%2F77777/versions",
    "/events/lineage",
    "/events/lineage?limit=1000",
    "/events/lineage?offset=190000",
    f"/lineage?nodeId=run:{_run(77_777)}",
    "/lineage?nodeId=job:engine%207:job%207",
    "/lineage?nodeId=dataset:file:/data/77777",
    f"/runlineage/upstream?runId={_run(77_777)}",
]


def median(act: Callable[[], Any], times: int = 7) -> float:
    """Milliseconds."""
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        assert act().status_code == 200
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent) * 1000


def fill(instance: Instance) -> None:
    """Workflows of ten: each run reads what the one before wrote, and writes a dataset of its own."""
    with instance.db.writing() as session:
        session.execute(
            insert(Storage), [{"uid": "root", "root": "/", "type": "local", "is_managed": False}]
        )
        root = session.scalar(select(func.max(Storage.id)))
        for table, rows in _tables(root or 0):
            session.execute(insert(table), rows)


def _tables(root: int) -> Iterator[tuple[Any, list[Row]]]:
    code = range(1, JOBS + 1)
    named = [{"namespace": f"engine {job % 10}", "key": f"job {job}"} for job in code]
    yield (
        TransformSeries,
        [{"id": job, "stem": f"{job:012d}", **name} for job, name in zip(code, named, strict=True)],
    )
    yield Transform, [
        {"id": job, "uid": f"{job:012d}0000", "series_id": job, "number": 0, "is_latest": True, "origin": "event",
         "kind": "rule", "source_code": "x = 1\n" * 50, "created_at": BEGIN, **name}
        for job, name in zip(code, named, strict=True)
    ]  # fmt: skip
    number = range(1, RUNS + 1)
    yield Run, [_run_row(run) for run in number]
    yield (
        ArtifactSeries,
        [{"id": n, "stem": f"{n:016d}", "storage_id": root, "key": f"data/{n}"} for n in number],
    )
    yield Artifact, [
        {"id": n, "uid": f"{n:016d}0000", "series_id": n, "number": 0, "is_latest": True, "storage_id": root,
         "key": f"data/{n}", "suffix": "", "run_id": n, "created_at": BEGIN + timedelta(seconds=n), "origin": "event"}
        for n in number
    ]  # fmt: skip
    facets = {"schema": {"fields": [{"name": f"column {n}", "type": "int"} for n in range(10)]}}
    yield RunArtifact, [_edge(n, n, "output", facets) for n in number]
    yield RunArtifact, [_edge(n, n - 1, "input", None) for n in number if n % 10 != 1]
    body = json.dumps({"eventTime": "2026-01-01T00:00:00Z", "filler": "x" * 2000})
    yield Event, [
        {"hash": f"{n:064d}", "kind": "run", "run_id": _run(n // 2 + 1), "event_type": "START",
         "event_time": BEGIN + timedelta(seconds=n / 2), "received_at": BEGIN, "body": body}
        for n in range(2 * RUNS)
    ]  # fmt: skip


def _run_row(run: int) -> Row:
    at = BEGIN + timedelta(seconds=run)
    status = RunStatus.FAILED if run % 50 == 0 else RunStatus.COMPLETED
    return {
        "id": run, "uid": f"{run:016d}", "external_id": _run(run), "engine": f"engine {run % 10}", "attempt": 1,
        "transform_id": (run - 1) % JOBS + 1, "status": status.value, "cached": False, "started_at": at,
        "finished_at": at, "origin": "event", "created_at": at, "details": {"facets": {"x": "y" * 500}},
    }  # fmt: skip


def _edge(run: int, artifact: int, direction: str, facets: Row | None) -> Row:
    at = BEGIN + timedelta(seconds=run)
    return {"run_id": run, "artifact_id": artifact, "series_id": artifact, "direction": direction,
            "observed_at": at, "facets": facets}  # fmt: skip


if __name__ == "__main__":
    main()
