"""Measures the web pages over a registry of 20,000 runs and 100,000 artifacts.

`python benchmarks/pages.py [DATABASE URL]`: prints JSON, for each page the milliseconds of a request without the
network (`ms`: the median of some; `first ms`: the first page of a server that has just started, in a process of its
own; `commit ms`: the median after commits by somebody else), each with the CPU time of this process, the SQL
statements, and the bytes as sent and by gzip.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, func, insert, select, update
from starlette.testclient import TestClient

from lamin_core.db.database import Database
from lamin_core.enums import RunStatus
from lamin_core.instance.instance import Instance
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    ArtifactULabel,
    Content,
    Run,
    RunArtifact,
    Storage,
    Transform,
    TransformSeries,
    ULabel,
    now,
)
from lamin_core.models.dtypes import registry_called
from lamin_core.server.web.site import warm
from openlineage.lamin.http.app import application

RUNS, OUTPUTS, STEPS, CODES = 20_000, 5, 1_000, 500
"""Runs, artifacts of each, runs of each workflow, and transforms."""
Row = dict[str, Any]
BEGIN = now() - timedelta(days=3)
PAGES = [
    "/",
    "/search?q=sample_7777",
    "/search?q=smaple_7777",
    "/search?q=bam",
    "/artifacts",
    "/artifacts?key=results/sample_19&suffix=.bam",
    "/artifacts?label=raw",
    "/runs",
    "/runs?level=all&status=failed",
    "/runs?level=all&key=rule_4",
    "/transforms",
    "/labels",
    "/storages",
    "/instance",
    f"/artifact/{50_000:016d}0000",
    f"/artifact/{50_000:016d}0000/lineage",
    f"/run/{1:016d}",
    f"/run/{1:016d}/lineage",
    f"/run/{7_777:016d}",
    f"/run/{7_777:016d}/lineage?up=20&down=20",
    f"/transform/{7:012d}0000",
    f"/diff/{7_777:016d}/{8_777:016d}",
]


GENES = ("KRT", "ZNF", "SLC", "RPL", "TP")
WORDS = ("epithelial", "memory", "mitochondrial", "progenitor")
TERM_SEARCHES = [
    "/search?q=KRT1235",
    "/search?q=ENSG00000012345",
    "/search?q=memory cell",
    "/search?q=mitochondrail",
    "/search?q=sample_7777",
    "/search?q=smaple_7777",
]
"""Searches beside many terms of ontologies: by the beginning, by an identifier, by words, with a typo."""


def main() -> None:
    """Fill a fresh database, and look at the pages."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/registry.db"
        instance = Instance.create(Path(folder), "./data", url)
        fill(instance)
        figures = {path: first_visit(instance.db.url, path) for path in PAGES}
        client = TestClient(
            application(instance.db, takes_events=False), base_url="http://localhost"
        )
        for path in [*PAGES, "/static/style.css", "/static/script.js"]:
            figures[path] = measured(instance, client, path) | figures.get(path, {})
        fill_terms(instance)
        for query in TERM_SEARCHES:
            figures[f"{query} with terms"] = measured(instance, client, query)
        print(json.dumps({"load": os.getloadavg()[0], **figures}, indent=1))
        instance.db.dispose()


def fill_terms(instance: Instance) -> None:
    """Beside the rest, 40,000 genes and 50,000 cell types with long descriptions, as an import of ontologies leaves."""
    at = now()
    genes = [
        {"id": n, "uid": f"g{n:013d}", "symbol": f"{GENES[n % 5]}{n}", "ensembl_gene_id": f"ENSG{n:011d}",
         "synonyms": f"{GENES[n % 3]}A{n}|{GENES[n % 4]}B{n}", "description": f"{WORDS[n % 4]} protein",
         "created_at": at}
        for n in range(1, 40_001)
    ]  # fmt: skip
    cells = [
        {"id": n, "uid": f"c{n:013d}", "name": f"{WORDS[n % 4]} cell {n}", "ontology_id": f"CL:{n:07d}",
         "synonyms": f"{WORDS[n % 3]} {n}", "description": " ".join(WORDS * 6), "created_at": at}
        for n in range(1, 50_001)
    ]  # fmt: skip
    with instance.db.writing() as session:
        session.execute(insert(registry_called("bionty.Gene")), genes)
        session.execute(insert(registry_called("bionty.CellType")), cells)
    with instance.db.writing() as session:
        session.connection().exec_driver_sql("ANALYZE")


def first_visit(url: str, path: str) -> Row:
    """Milliseconds of the first page of a server, once it has prepared itself."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            database = Database(url)
            client = TestClient(
                application(database, takes_events=False), base_url="http://localhost"
            )
            warm(database)
            figures = _spent("first", lambda: client.get(path), 1)
            os.write(writing, json.dumps(figures).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        figures = json.loads(pipe.read())
    os.waitpid(process, 0)
    return figures


def _spent(
    name: str, step: Callable[[], object], times: int, before: Callable[[], object] = lambda: None
) -> Row:
    """The medians of wall and CPU time, in milliseconds."""
    walls, spent = [], []
    for _ in range(times):
        before()
        begun = time.perf_counter(), time.process_time()
        step()
        walls.append(time.perf_counter() - begun[0])
        spent.append(time.process_time() - begun[1])
    title = f"{name} " if name else ""
    return {
        f"{title}ms": round(statistics.median(walls) * 1000, 1),
        f"{title}cpu ms": round(statistics.median(spent) * 1000, 1),
    }


def measured(instance: Instance, client: TestClient, path: str, times: int = 7) -> Row:
    """Milliseconds, statements and bytes of a page."""
    statements: list[str] = []
    response = client.get(path)
    assert response.status_code == 200, response.text

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "api_key" not in statement:
            statements.append(statement)

    committer = Database(instance.db.url)
    event.listen(instance.db.engine, "before_cursor_execute", note)
    after_commits = _spent("commit", lambda: client.get(path), times, lambda: _commit(committer))
    event.remove(instance.db.engine, "before_cursor_execute", note)
    committer.dispose()
    return {
        **_spent("", lambda: client.get(path), times),
        **after_commits,
        "statements": round(len(statements) / times, 1),
        "bytes": len(response.content),
        "gzip": len(gzip.compress(response.content)),
    }


def _commit(database: Database) -> None:
    """What an engine does all the time: a run changes."""
    with database.writing() as session:
        session.execute(update(Run).where(Run.id == 2).values(attempt=Run.attempt + 1))


def fill(instance: Instance) -> None:
    """Workflows of a thousand steps: each step reads what the one before wrote, and writes five files."""
    with instance.db.writing() as session:
        values = {"uid": "root", "root": "/", "type": "local", "is_managed": False}
        session.execute(insert(Storage), [values])
        root = session.scalar(select(func.max(Storage.id)))
        for table, rows in _tables(root or 0):
            session.execute(insert(table), rows)
    with instance.db.writing() as session:
        session.connection().exec_driver_sql("ANALYZE")


def _tables(root: int) -> Iterator[tuple[Any, list[Row]]]:
    code = range(1, CODES + 1)
    engines = ("snakemake", "nextflow", "prefect", "python")
    named = {n: {"namespace": engines[n % 4], "key": f"workflow:rule_{n}"} for n in code}
    yield TransformSeries, [{"id": n, "stem": f"{n:012d}", **named[n]} for n in code]
    yield Transform, [
        {"id": n, "uid": f"{n:012d}0000", "series_id": n, "number": 0, "is_latest": True, "origin": "event",
         "kind": "rule", "source_code": "x = 1\n" * 50, "created_at": BEGIN, **named[n]}
        for n in code
    ]  # fmt: skip
    yield Run, [_run(n) for n in range(1, RUNS + 1)]
    number = range(1, RUNS * OUTPUTS + 1)
    keys = {n: f"results/sample_{n}/{n % 97}.{('bam', 'csv', 'png')[n % 3]}" for n in number}
    yield (
        ArtifactSeries,
        [{"id": n, "stem": f"{n:016d}", "storage_id": root, "key": keys[n]} for n in number],
    )
    yield (
        Content,
        [{"id": n, "hash": f"{n:064x}", "hash_type": "blake3", "size": n} for n in number],
    )
    yield Artifact, [
        {"id": n, "uid": f"{n:016d}0000", "series_id": n, "number": 0, "is_latest": True, "storage_id": root,
         "key": keys[n], "suffix": f".{keys[n].rpartition('.')[2]}", "run_id": (n - 1) // OUTPUTS + 1,
         "content_id": n, "created_at": BEGIN + timedelta(seconds=n / OUTPUTS), "origin": "event"}
        for n in number
    ]  # fmt: skip
    yield RunArtifact, [_edge((n - 1) // OUTPUTS + 1, n, "output") for n in number]
    inputs = [_edge((n - 1) // OUTPUTS + 2, n, "input") for n in number if n % OUTPUTS == 1]
    yield RunArtifact, [edge for edge in inputs if edge["run_id"] <= RUNS]
    yield (
        ULabel,
        [
            {"id": n, "uid": f"{n:08d}", "name": "raw" if n == 1 else f"label {n}"}
            for n in range(1, 1001)
        ],
    )
    yield ArtifactULabel, [{"artifact_id": n, "ulabel_id": n % 1000 + 1} for n in number]


def _run(n: int) -> Row:
    at = BEGIN + timedelta(seconds=n)
    is_workflow = n % STEPS == 1
    status = RunStatus.FAILED if n % 50 == 0 else RunStatus.COMPLETED
    return {
        "id": n, "uid": f"{n:016d}", "external_id": f"00000000-0000-7000-8000-{n:012d}", "attempt": 1,
        "engine": ("snakemake", "nextflow", "prefect", "python")[n % 4], "transform_id": n % CODES + 1,
        "status": status.value, "cached": False, "started_at": at, "finished_at": at + timedelta(seconds=2),
        "origin": "event", "created_at": at, "details": {"facets": {"x": "y" * 500}},
        "parent_id": None if is_workflow else (n - 1) // STEPS * STEPS + 1,
    }  # fmt: skip


def _edge(run: int, artifact: int, direction: str) -> Row:
    at = BEGIN + timedelta(seconds=run)
    return {"run_id": run, "artifact_id": artifact, "series_id": artifact, "direction": direction,
            "observed_at": at}  # fmt: skip


if __name__ == "__main__":
    main()
