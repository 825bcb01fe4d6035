"""The walk over the graph: what it finds, what it leaves out, and how many statements it takes, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from lamin_core.db.database import Database
from lamin_core.instance.lineage_service import LineageService
from lamin_core.lineage.graph import Graph, Node, between, walk, whole
from lamin_core.lineage.traversal import reach
from lamin_core.models import Artifact
from tests.support.lineage_graphs import BEGIN, Planted, Shape, plant, seen_at
from tests.support.statements import statements

Numbers = tuple[set[int], set[int]]
"""Artifacts and runs, by the numbers of a shape."""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty registry."""
    new_database = Database(database_url)
    new_database.create()
    yield new_database
    new_database.dispose()


def numbers(graph: Graph, first: Planted) -> Numbers:
    """The nodes of the graph, by the numbers of the shape."""
    return {a - first.artifact for a in graph.artifacts}, {r - first.run for r in graph.runs}


# -- known shapes
# ------------------------------------------------------------------------------------------------------


def chain(length: int) -> Shape:
    """A chain: each run reads what the previous run wrote."""
    written = [(n, n, "output", None) for n in range(length)]
    return Shape(length, length, [*written, *((n, n - 1, "input", None) for n in range(1, length))])


def ladder(rungs: int) -> Shape:
    """Diamonds, one on top of the other: as many paths as 2 to the power of the rungs."""
    edges: list[tuple[int, int, str, str | None]] = [(0, 0, "output", None)]
    for rung in range(rungs):
        top = 3 * rung
        for number in (top + 1, top + 2):
            edges += [(number, top, "input", None), (number, number, "output", None)]
        edges += [(top + 3, top + side, "input", None) for side in (1, 2)] + [
            (top + 3, top + 3, "output", None)
        ]
    return Shape(3 * rungs + 1, 3 * rungs + 1, edges)


def fan(width: int) -> Shape:
    """One file is read by many runs, and what they write by one."""
    written = [(n, n, "output", None) for n in range(width + 2)]
    out = [(n, 0, "input", None) for n in range(1, width + 1)]
    return Shape(
        width + 2,
        width + 2,
        [*written, *out, *((width + 1, n, "input", None) for n in range(1, width + 1))],
    )


def dense(size: int) -> Shape:
    """A dense graph: each run reads what all earlier runs wrote, so that a node has many distances."""
    written = [(n, n, "output", None) for n in range(size)]
    return Shape(
        size, size, [*written, *((n, a, "input", None) for n in range(size) for a in range(n))]
    )


@pytest.mark.parametrize(
    ("shape", "nodes"), [(chain(300), 600), (fan(298), 600), (ladder(100), 602), (dense(60), 120)]
)
def test_ancestry_of_any_depth_takes_four_statements(
    database: Database, shape: Shape, nodes: int
) -> None:
    first = plant(database, shape)
    last = first.artifact + shape.artifacts - 1
    for up, down in ((None, None), (None, 0), (5, None), (60, None), (10_000, 10_000)):
        with database.reading() as session, statements(database) as sent:
            graph = walk(session, artifacts=[last], up=up, down=down)
        assert len(sent) <= 4
        assert not graph.truncated
        if up in (None, 10_000):
            assert (len(graph.nodes), len(graph.edges)) == (nodes, len(shape.edges))
    with database.reading() as session, statements(database) as sent:
        graph = between(session, ("artifact", last), ("artifact", first.artifact))
    assert len(sent) <= 5
    assert len(graph.nodes) >= nodes - 1


@pytest.mark.parametrize(
    "shape", [chain(300), fan(298), ladder(100)], ids=["chain", "fan", "diamonds"]
)
def test_lineage_of_an_artifact_takes_at_most_five_statements(
    database: Database, shape: Shape
) -> None:
    first = plant(database, shape)
    with database.reading() as session:
        last = session.get_one(Artifact, first.artifact + shape.artifacts - 1)
    with statements(database) as sent:
        graph = LineageService(database).around(last)
    assert len(sent) <= 5
    assert len(graph.nodes) == shape.artifacts + shape.runs


def test_number_of_steps_limits_the_walk_exactly(database: Database) -> None:
    first = plant(database, chain(50))
    with database.reading() as session:
        for steps in (0, 1, 2, 7, 16, 17, 18, 40, 98):
            nodes = numbers(walk(session, artifacts=[first.artifact + 49], up=steps, down=0), first)
            assert len(nodes[0]) + len(nodes[1]) == steps + 1, steps


def test_file_updated_in_place_ends_the_walk(database: Database) -> None:
    # Run 0 reads and writes artifact 0; runs 1 and 2 read what the other wrote.
    shape = Shape(3, 3, [(0, 0, "input", None), (0, 0, "output", None), (1, 1, "input", None), (1, 2, "output", None),
                         (2, 2, "input", None), (2, 1, "output", None)])  # fmt: skip
    first = plant(database, shape)
    with database.reading() as session:
        for up, down in ((None, None), (9, 9), (1_000_000, None)):
            assert numbers(walk(session, artifacts=[first.artifact], up=up, down=down), first) == (
                {0},
                {0},
            )
            assert numbers(walk(session, runs=[first.run + 1], up=up, down=down), first) == (
                {1, 2},
                {1, 2},
            )
        cycle = between(session, ("artifact", first.artifact + 1), ("artifact", first.artifact + 2))
    assert numbers(cycle, first) == ({1, 2}, {1, 2})


def test_limit_returns_the_nearest_nodes_and_sets_truncated(database: Database) -> None:
    first = plant(database, chain(40))
    with database.reading() as session:
        cut = walk(session, artifacts=[first.artifact + 39], limit=5)
        assert cut.truncated
        assert numbers(cut, first) == ({39, 38, 37}, {39, 38})
        both = walk(session, artifacts=[first.artifact + 20], limit=5)
        assert both.truncated
        assert numbers(both, first) == ({20, 19, 21}, {20, 21})
        for steps in (4, 30):
            assert walk(session, artifacts=[first.artifact + 39], up=steps, limit=5).truncated == (
                steps > 4
            )
        assert not walk(session, artifacts=[first.artifact + 39], up=20, limit=30).truncated
        assert walk(session, artifacts=[first.artifact + 39], up=40, limit=30).truncated
        assert not walk(session, artifacts=[first.artifact + 39], limit=80).truncated
        ends: tuple[Node, Node] = ("artifact", first.artifact), ("artifact", first.artifact + 39)
        for limit in (1, 20, 80):  # a path is never cut apart
            path = between(session, *ends, limit=limit)
            assert (len(path.nodes), path.truncated) == (79, False)


def test_between_with_a_limit_below_the_distance_returns_a_whole_path(database: Database) -> None:
    """The last of a chain also read a hundred artifacts that lie nearer than the first of the chain."""
    edges = [*chain(10).edges, *((9, number, "input", None) for number in range(10, 110))]
    around_it = [(run, 110 + run, "output", None) for run in (0, 1)]
    detours = [(8, 110, "input", None), (9, 111, "input", None)]
    first = plant(database, Shape(112, 10, [*edges, *around_it, *detours]))
    ends: tuple[Node, Node] = ("artifact", first.artifact), ("artifact", first.artifact + 9)
    with database.reading() as session:
        for start, end in (ends, ends[::-1]):
            for limit in (1, 5, 17, 100):
                cut = between(session, start, end, limit=limit)
                assert {first.artifact, first.artifact + 9} <= set(cut.artifacts)
                assert len(cut.nodes) <= max(limit, 7)
                assert cut.truncated == (limit < 19)
        aside: Node = ("artifact", first.artifact + 50)
        assert between(session, ends[0], aside, limit=1) == Graph()


def test_parent_runs_are_included_but_not_followed(database: Database) -> None:
    # Run 0 is the workflow: it wrote artifact 9, which has nothing to do with artifact 1 of its
    # step.
    edges = [
        (2, 0, "input", None),
        (2, 1, "output", None),
        (0, 9, "output", None),
        (0, 1, "output", "published"),
    ]
    first = plant(database, Shape(10, 3, edges, parents=[(2, 1), (1, 0)]))
    with database.reading() as session:
        graph = walk(session, artifacts=[first.artifact], limit=3)
    assert numbers(graph, first) == ({0, 1}, {0, 1, 2})
    assert not graph.truncated
    assert len(graph.edges) == 3
    assert graph.makers == {first.artifact + 1: {first.run + 2}}


def test_rolled_back_output_is_not_part_of_the_lineage(database: Database) -> None:
    edges = [(0, 0, "output", "rolled_back"), (1, 0, "output", None), (0, 1, "input", None)]
    first = plant(database, Shape(2, 2, edges))
    with database.reading() as session:
        assert numbers(walk(session, artifacts=[first.artifact], down=0), first) == ({0}, {1})
        assert numbers(walk(session, runs=[first.run], up=0), first) == (set(), {0})


def test_between_unconnected_nodes_is_an_empty_graph(database: Database) -> None:
    first = plant(database, Shape(2, 1, [(0, 0, "output", None), (0, 1, "output", None)]))
    with database.reading() as session:
        ends: tuple[Node, Node] = ("artifact", first.artifact), ("artifact", first.artifact + 1)
        with statements(database) as sent:
            assert between(session, *ends).nodes == []
        assert len(sent) <= 5
        assert numbers(between(session, ends[0], ends[0]), first) == ({0}, set())


def test_whole_registry_graph_takes_three_statements(database: Database) -> None:
    first = plant(database, ladder(10))
    with database.reading() as session, statements(database) as sent:
        graph = whole(session)
    assert len(sent) == 3
    assert numbers(graph, first) == (set(range(31)), set(range(31)))


def test_graph_as_of_a_time_excludes_later_events(database: Database) -> None:
    first = plant(database, chain(10))
    at = BEGIN + timedelta(seconds=5, milliseconds=500)
    with database.reading() as session:
        graph = walk(session, artifacts=[first.artifact + 3], as_of=at)
        everything = whole(session, as_of=at)
        later = walk(session, artifacts=[first.artifact + 8], as_of=at)
    # Run 5 has begun and read, but has not ended: it has written nothing yet.
    assert (
        numbers(graph, first) == numbers(everything, first) == ({0, 1, 2, 3, 4}, {0, 1, 2, 3, 4, 5})
    )
    states = {
        run.id - first.run: (run.status, run.finished_at is None) for run in graph.runs.values()
    }
    assert states == {**dict.fromkeys(range(5), ("completed", False)), 5: ("running", True)}
    assert later.nodes == []


def test_graph_as_of_a_time_excludes_later_dependencies_between_runs(database: Database) -> None:
    first = plant(database, Shape(0, 3, waits=[(1, 2), (2, 0)]))
    with database.reading() as session:
        now = walk(session, runs=[first.run + 1])
        past = walk(
            session, runs=[first.run + 1], as_of=BEGIN + timedelta(seconds=1, milliseconds=500)
        )
    assert numbers(now, first) == (set(), {0, 1, 2})
    assert numbers(past, first) == (set(), {1})


def test_folder_containing_a_file_does_not_shorten_the_walk(database: Database) -> None:
    # Artifact 29 lies in artifact 0, which is 58 steps above it by the runs between.
    shape = chain(30)
    first = plant(database, Shape(30, 30, shape.edges, holds=[(0, 29)]))
    with database.reading() as session:
        for steps, count in ((10, 11), (20, 21)):
            assert (
                len(walk(session, artifacts=[first.artifact + 29], up=steps, down=0).nodes) == count
            )


def test_every_step_of_the_walk_uses_an_index(database: Database) -> None:
    # So that it costs what it finds, and not what else the registry holds.
    first = plant(database, chain(2_000))
    is_sqlite = database.engine.dialect.name == "sqlite"
    with database.writing() as session:
        session.execute(text("ANALYZE"))
    with database.reading() as session:
        sent = sql_of(database, lambda: reach(session, [first.artifact + 1_999], up=3, down=3))
        plan = session.connection().exec_driver_sql(
            f"EXPLAIN {'QUERY PLAN' if is_sqlite else ''} {sent[0]}", sent[1]
        )
        steps = _unlimited([str(row[3] if is_sqlite else row[0]) for row in plan])
    through = [
        step
        for step in steps
        if "run_artifact" in step and ("USING" in step or "using" in step or "on run" in step)
    ]
    assert len(through) >= 4
    assert [step for step in through if "SCAN" in step or "Seq Scan" in step] == []


def _unlimited(plan: list[str]) -> list[str]:
    """The steps of a plan of PostgreSQL, but for those below a `Limit`, which end at their first row."""
    steps, limit = [], None
    for line in plan:
        indent = len(line) - len(line.lstrip())
        if limit is not None and indent > limit:
            continue
        limit = indent if line.lstrip().startswith("->  Limit") else None
        steps.append(line)
    return steps


def sql_of(database: Database, ask: Callable[[], object]) -> tuple[str, Any]:
    """The first statement that is sent meanwhile, and its parameters, as the driver gets them."""
    with statements(database) as sent:
        ask()
    return next(query for query in sent if query.text.startswith("WITH"))


# -- any shape
# ---------------------------------------------------------------------------------------------------------


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Small graphs of every kind, cycles and folders and all."""
    artifacts, runs = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    artifact, run = st.integers(0, artifacts - 1), st.integers(0, runs - 1)
    role = st.sampled_from([None, None, None, "rolled_back", "published"])
    edges = draw(st.lists(st.tuples(run, artifact, st.sampled_from(["input", "output"]), role), max_size=16,
                          unique_by=lambda edge: edge[:3]))  # fmt: skip
    waits = draw(st.lists(st.tuples(run, run), max_size=3, unique=True))
    holds = draw(st.lists(st.tuples(artifact, artifact), max_size=3, unique=True))
    parents = draw(st.lists(st.tuples(run, run), max_size=3, unique_by=lambda pair: pair[0]))
    return Shape(
        artifacts, runs, edges, waits, holds, [pair for pair in parents if pair[0] > pair[1]]
    )


def links(shape: Shape, at: datetime | None) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    """The nodes below, and the nodes above."""
    edges = [e for e in shape.edges if at is None or seen_at(e) <= at]
    outputs = {
        a for _, a, direction, role in edges if direction == "output" and role != "rolled_back"
    }
    pairs = {(("run", r), ("artifact", a)) for r, a, direction, _ in edges if direction == "input"}
    pairs |= {
        (("artifact", a), ("run", r))
        for r, a, direction, role in edges
        if direction == "output" and role != "rolled_back"
    }
    begun = [
        wait for wait in shape.waits if at is None or max(wait) <= (at - BEGIN).total_seconds()
    ]
    pairs |= {(("run", r), ("run", s)) for r, s in begun}
    existing = {a for a in range(shape.artifacts) if at is None or _first_seen(shape, a) <= at}
    holds = [(folder, file) for folder, file in shape.holds if {folder, file} <= existing]
    # Nothing comes from what was there later.
    seen = {artifact: _first_seen(shape, artifact) for pair in holds for artifact in pair}
    pairs |= {
        (("artifact", file), ("artifact", folder))
        for folder, file in holds
        if file not in outputs and seen[folder] <= seen[file]
    }
    return pairs | {
        (("artifact", folder), ("artifact", file))
        for folder, file in holds
        if folder not in outputs and seen[file] <= seen[folder]
    }


def _first_seen(shape: Shape, artifact: int) -> datetime:
    return min((seen_at(edge) for edge in shape.edges if edge[1] == artifact), default=BEGIN)


def walked(
    shape: Shape, start: tuple[str, int], steps: int | None, at: datetime | None, *, down: bool
) -> set[tuple[str, int]]:
    """The plain walk: again and again over all links until nothing is new."""
    reached = {start}
    for _ in range(1_000 if steps is None else steps):
        pairs = [(upper, lower) if down else (lower, upper) for lower, upper in links(shape, at)]
        near = {target for source, target in pairs if source in reached}
        if near <= reached:
            break
        reached |= near
    return reached


def split(nodes: set[tuple[str, int]], shape: Shape) -> Numbers:
    """Split the nodes by kind, with the runs above."""
    runs = {number for kind, number in nodes if kind == "run"}
    parents = dict(shape.parents)
    for run in list(runs):
        while run in parents:
            run = parents[run]
            runs.add(run)
    return {number for kind, number in nodes if kind == "artifact"}, runs


steps = st.sampled_from([None, 0, 1, 2, 3, 5, 16, 17, 30])
EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    derandomize=True,
)


@EXAMPLES
@given(shape=shapes(), up=steps, down=steps, data=st.data())
def test_walk_of_any_graph_equals_a_plain_walk(
    database: Database, shape: Shape, up: int | None, down: int | None, data: st.DataObject
) -> None:
    first = plant(database, shape)
    is_run = data.draw(st.booleans())
    number = data.draw(st.integers(0, (shape.runs if is_run else shape.artifacts) - 1))
    start = ("run" if is_run else "artifact", number)
    expected = walked(shape, start, up, None, down=False) | walked(
        shape, start, down, None, down=True
    )
    with database.reading() as session:
        starts = (
            {"runs": [first.run + number]} if is_run else {"artifacts": [first.artifact + number]}
        )
        graph = walk(session, **starts, up=up, down=down)  # type: ignore[arg-type]
    assert numbers(graph, first) == split(expected, shape)
    artifacts, runs = numbers(graph, first)
    inside = [(r, a, d, role) for r, a, d, role in shape.edges if r in runs and a in artifacts]
    assert sorted(map(str, inside)) == sorted(
        str((r - first.run, a - first.artifact, d, role)) for r, a, d, role in graph.edges
    )


@EXAMPLES
@given(shape=shapes(), data=st.data())
def test_walk_as_of_a_time_equals_a_plain_walk_of_earlier_events(
    database: Database, shape: Shape, data: st.DataObject
) -> None:
    first = plant(database, shape)
    at = BEGIN + timedelta(seconds=data.draw(st.integers(0, 7)), milliseconds=500)
    start = data.draw(st.integers(0, shape.artifacts - 1))
    expected: set[tuple[str, int]] = set()
    if _first_seen(shape, start) <= at:
        expected = walked(shape, ("artifact", start), None, at, down=False)
        expected |= walked(shape, ("artifact", start), None, at, down=True)
    with database.reading() as session:
        graph = walk(session, artifacts=[first.artifact + start], as_of=at)
    assert numbers(graph, first) == split(expected, shape)


@EXAMPLES
@given(shape=shapes(), data=st.data())
def test_between_any_two_nodes_equals_a_plain_walk(
    database: Database, shape: Shape, data: st.DataObject
) -> None:
    first = plant(database, shape)
    source, target = (
        ("artifact", data.draw(st.integers(0, shape.artifacts - 1))) for _ in range(2)
    )
    above, below = (
        walked(shape, target, None, None, down=False),
        walked(shape, source, None, None, down=True),
    )
    if source not in above:
        above, below = (
            walked(shape, source, None, None, down=False),
            walked(shape, target, None, None, down=True),
        )
    with database.reading() as session:
        graph = between(
            session,
            ("artifact", first.artifact + source[1]),
            ("artifact", first.artifact + target[1]),
        )
    assert numbers(graph, first) == split(above & below, shape)
