"""Measures the lineage view of a workflow of 10,000 jobs: 700 samples through 14 rules, 3 % of one rule failed.

`python benchmarks/workflow_view.py [DATABASE URL]`: prints JSON. `server` is the median of some requests in
milliseconds without the network, with the boxes, the SQL statements and the bytes; `chromium` is the time from opening
the page until it is drawn and answers to keys.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from pages import measured
from sqlalchemy import func, insert, select
from starlette.testclient import TestClient

from lamin_core.instance.instance import Instance
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Run,
    RunArtifact,
    Storage,
    Transform,
    TransformSeries,
    now,
)
from lamin_core.server.serve import configured, listen
from openlineage.lamin.http.app import application

SAMPLES, RULES = 700, 14
BEGIN = now() - timedelta(days=1)
WORKFLOW = 1
Row = dict[str, Any]
PATH = f"/run/{WORKFLOW:016d}/lineage"
VIEWS = {
    "aggregated": "",
    "one rule expanded": f"expand={2 + 5 * SAMPLES:016d}",
    "150 boxes": "expand=" + ",".join(f"{2 + rule * SAMPLES:016d}" for rule in (5, 6, 7)),
    "5000 boxes": "group=none&boxes=5000",
    "selection": "select=2%2Brule_9%20and%20kind:run",
    "as of": "as_of=23h",
}


def main() -> None:
    """Fill a new database, and open the view."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/registry.db"
        instance = Instance.create(Path(folder), "./data", url)
        fill(instance)
        app = application(instance.db, takes_events=False)
        figures: Row = {"load": os.getloadavg()[0], "server": {}}
        client = TestClient(app, base_url="http://localhost")
        for name, query in VIEWS.items():
            figures["server"][name] = measured_view(instance, client, f"{PATH}?{query}")
        if shutil.which("chromium"):
            with serving(app) as address:
                figures["chromium"] = opened(address) if len(sys.argv) < 3 else {}
        print(json.dumps(figures, indent=1))
        instance.db.dispose()


def measured_view(instance: Instance, client: TestClient, path: str) -> Row:
    """Milliseconds, statements, bytes and boxes of a view."""
    boxes = client.get(path).text.count("data-box=")
    return {**measured(instance, client, path, times=5), "boxes": boxes}


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(configured(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def opened(address: str, times: int = 3) -> Row:
    """Milliseconds until a view is drawn and takes keys, and those of a step along it, in Chromium."""
    from playwright.sync_api import sync_playwright

    figures: Row = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name in ("aggregated", "150 boxes", "5000 boxes"):
            spent, steps = [], []
            for _ in range(times):
                page = browser.new_page(base_url=address)
                begun = time.perf_counter()
                page.goto(f"{PATH}?{VIEWS[name]}")
                page.locator(".lineage-view[data-ready]").wait_for()
                page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
                spent.append(time.perf_counter() - begun)
                steps.append(page.evaluate(_STEP))
                page.close()
            figures[name] = {
                "first view ms": round(statistics.median(spent) * 1000),
                "zoom step ms": round(statistics.median(steps)),
            }
        browser.close()
    return figures


_STEP = """async () => {
  const view = document.querySelector(".lineage-view"), begun = performance.now();
  for (let n = 0; n < 10; n += 1) {
    view.dispatchEvent(new KeyboardEvent("keydown", { key: n % 2 ? "-" : "+", bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  }
  return (performance.now() - begun) / 10;
}"""


def fill(instance: Instance) -> None:
    """One workflow; each job of a rule reads what the job before it wrote for the sample, and the reference."""
    with instance.db.writing() as session:
        values = {"uid": "root", "root": "/", "type": "local", "is_managed": False}
        session.execute(insert(Storage), [values])
        root = session.scalar(select(func.max(Storage.id))) or 0
        for table, rows in _tables(root):
            session.execute(insert(table), rows)
    with instance.db.writing() as session:
        session.connection().exec_driver_sql("ANALYZE")


def _tables(root: int) -> Iterator[tuple[Any, list[Row]]]:
    codes = range(1, RULES + 2)
    named = {
        n: {"namespace": "snakemake", "key": "flow" if n == 1 else f"flow:rule_{n - 1}"}
        for n in codes
    }
    yield TransformSeries, [{"id": n, "stem": f"{n:012d}", **named[n]} for n in codes]
    yield Transform, [
        {"id": n, "uid": f"{n:012d}0000", "series_id": n, "number": 0, "is_latest": True, "origin": "event",
         "kind": "workflow" if n == 1 else "rule", "created_at": BEGIN, **named[n]}
        for n in codes
    ]  # fmt: skip
    jobs = [
        (2 + rule * SAMPLES + sample, rule, sample)
        for rule in range(RULES)
        for sample in range(SAMPLES)
    ]
    yield Run, [_run(WORKFLOW, 1, None, 0)]
    yield Run, [_run(n, rule + 2, WORKFLOW, sample) for n, rule, sample in jobs]
    files = {n: f"results/sample_{sample}/step_{rule}.bam" for n, rule, sample in jobs}
    files |= {1: "genome.fa"}
    yield (
        ArtifactSeries,
        [
            {"id": n, "stem": f"{n:016d}", "storage_id": root, "key": key}
            for n, key in files.items()
        ],
    )
    yield Artifact, [
        {"id": n, "uid": f"{n:016d}0000", "series_id": n, "number": 0, "is_latest": True, "storage_id": root,
         "key": key, "suffix": ".bam", "run_id": None if n == 1 else n, "created_at": BEGIN, "origin": "event"}
        for n, key in files.items()
    ]  # fmt: skip
    yield RunArtifact, [_edge(n, n, "output") for n, _, _ in jobs]
    yield (
        RunArtifact,
        [_edge(n, n - SAMPLES if rule else 1, "input") for n, rule, _ in jobs]
        + [_edge(n, 1, "input") for n, rule, _ in jobs if rule == 4],
    )


def _run(n: int, code: int, parent: int | None, sample: int) -> Row:
    at = BEGIN + timedelta(seconds=n)
    is_failed = code == 6 and sample % 33 == 0
    return {
        "id": n, "uid": f"{n:016d}", "external_id": f"00000000-0000-7000-8000-{n:012d}", "attempt": 1,
        "engine": "snakemake", "transform_id": code, "status": "failed" if is_failed else "completed",
        "cached": False, "started_at": at, "finished_at": at + timedelta(seconds=2 + sample % 7),
        "origin": "event", "created_at": at, "parent_id": parent,
        "name": None if parent is None else f"sample_{sample}",
    }  # fmt: skip


def _edge(run: int, artifact: int, direction: str) -> Row:
    at = BEGIN + timedelta(seconds=run)
    return {"run_id": run, "artifact_id": artifact, "series_id": artifact, "direction": direction,
            "observed_at": at}  # fmt: skip


if __name__ == "__main__":
    main()
