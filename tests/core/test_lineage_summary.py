"""The groups that the database counts are those of the graph, for workflows of any shape."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, select, update
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.lineage.aggregate import BADLY, SHOWN_MEMBERS, Aggregate, aggregate
from lamin_core.lineage.graph import Graph, walk
from lamin_core.lineage.selection import restricted
from lamin_core.lineage.summary import Scope, Summary, neighbourhood, summary
from lamin_core.models import Artifact, Content, Run, Transform, TransformSeries
from tests.support.lineage_graphs import BEGIN, Planted, Shape, plant

pytest.importorskip("prometheus_client", reason="the extra server is not installed")
from lamin_core.server.web.lineage_page import _steps_below, _with_steps

NAMES = (None, "a/x.bam", "b/x1.bam", "b/x2.bam", "folder", "a.b/y", "z.tar.gz")
CODES = (("flow", "one"), ("flow:align", "one"), ("flow:count", "two"))
SIZES = (-1, 5)


@pytest.fixture
def database(database_url: str) -> Any:
    """A registry with some transforms, one of them in two versions with different keys, and contents."""
    database = Database(database_url)
    with database.writing() as session:
        for number, (key, _) in enumerate(CODES, 1001):
            stem = f"c{number:011d}"
            session.execute(insert(TransformSeries).values(id=number, stem=stem, namespace="x", key=key))  # fmt: skip
            values = {"series_id": number, "key": key, "namespace": "x", "origin": "event"}
            row = {**values, "id": number, "uid": f"{stem}0000", "number": 0, "is_latest": True}
            session.execute(insert(Transform).values(**row))
        again = {
            "id": 1100,
            "uid": f"{stem}0001",
            "number": 1,
            "is_latest": False,
            "key": "flow:sum",
        }
        session.execute(insert(Transform).values(**{**row, **again}))
        for number, size in enumerate(SIZES, 1):
            content = {"id": number, "hash": f"{number:064x}", "hash_type": "blake3", "size": size}
            session.execute(insert(Content).values(**content))
    yield database
    database.dispose()


TRANSFORMS = (1001, 1002, 1003, 1100)
RUNS, ARTIFACTS = 14, 8
run_numbers = st.integers(0, RUNS - 1)
artifact_numbers = st.integers(0, ARTIFACTS - 1)
roles = st.sampled_from((None, None, None, "published", "rolled_back"))
edges = st.lists(
    st.tuples(run_numbers, artifact_numbers, st.sampled_from(("input", "output")), roles),
    max_size=40, unique_by=lambda edge: edge[:3],
)  # fmt: skip
pairs = st.tuples(run_numbers, run_numbers).filter(lambda pair: pair[0] != pair[1])
holds = st.tuples(artifact_numbers, artifact_numbers).filter(lambda pair: pair[0] != pair[1])
parents = st.lists(st.sampled_from((None, 0, 0, 0, 1)), min_size=RUNS - 2, max_size=RUNS - 2)
jobs = st.tuples(
    st.sampled_from(TRANSFORMS),
    st.sampled_from(("one", "one", "two")),
    st.sampled_from(("completed", "completed", "failed", "lost", "running")),
    st.sampled_from((None, "s1", "s2")),
)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Runs of which most are parts of the first two, and the second perhaps of the first."""
    above = [None, draw(st.sampled_from((None, 0))), *draw(parents)]
    return Shape(
        ARTIFACTS,
        RUNS,
        draw(edges),
        draw(st.lists(pairs, max_size=5, unique=True)),
        draw(st.lists(holds, max_size=3, unique=True)),
        [(child, parent) for child, parent in enumerate(above) if parent is not None],
    )


@settings(
    max_examples=25,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    shape=shapes(),
    details=st.lists(jobs, min_size=RUNS, max_size=RUNS),
    names=st.lists(st.sampled_from(NAMES), min_size=ARTIFACTS, max_size=ARTIFACTS),
    seconds=st.none() | st.integers(0, RUNS),
    failed=st.booleans(),
    opened=st.lists(st.integers(-RUNS, ARTIFACTS - 1), max_size=2),
    most=st.sampled_from((3, 12, 150)),
)
def test_summary_of_any_workflow_has_the_groups_of_its_graph(
    database: Database,
    shape: Shape,
    details: list[tuple[int, str, str, str | None]],
    names: list[str | None],
    seconds: int | None,
    failed: bool,
    opened: list[int],
    most: int,
) -> None:
    first = plant(database, shape)
    with database.writing() as session:
        _detail(session, first, details, names)
    as_of = None if seconds is None else BEGIN + timedelta(seconds=seconds + 0.5)
    with database.reading() as session:
        tokens = _tokens(session, first, opened)
        statements: list[str] = []
        event.listen(
            database.engine, "before_cursor_execute", lambda *args: statements.append(args[2])
        )
        scope = Scope(as_of, failed, tuple(dict.fromkeys(tokens)), most)
        around = neighbourhood(session, first.run, as_of, failed=failed)
        starts, counted = summary(session, first.run, scope, around)
        assert len(statements) <= 5, statements
        nodes = _with_steps(session, first.run)
        graph = _graph(session, nodes, as_of, failed=failed)
    assert starts == {*nodes}
    if counted is None:
        assert len(nodes) < 4 or not [*graph.shown_links(starts)]
        return
    groups = aggregate(graph, nodes, expanded=tokens, most=most)
    _check(counted, graph, groups, starts)


def _detail(
    session: Session,
    first: Planted,
    details: list[tuple[int, str, str, str | None]],
    names: list[str | None],
) -> None:
    for number, (transform, engine, status, name) in enumerate(details):
        values = {"transform_id": transform, "engine": engine, "status": status, "name": name}
        if status == "running":
            values["finished_at"] = None
        else:
            values["finished_at"] = BEGIN + timedelta(seconds=2 * number, microseconds=123_456)
        session.execute(update(Run).where(Run.id == first.run + number).values(**values))
    for number, key in enumerate(names):
        values = {"key": key, "content_id": (None, 1, 2)[number % 3]}
        session.execute(update(Artifact).where(Artifact.id == first.artifact + number).values(**values))  # fmt: skip


def _tokens(session: Session, first: Planted, opened: list[int]) -> list[str]:
    """The uids of these nodes: runs by -1 and below."""
    tokens = []
    for number in opened:
        kind: type[Run] | type[Artifact] = Run if number < 0 else Artifact
        identity = first.run - number - 1 if number < 0 else first.artifact + number
        tokens.append(session.scalars(select(kind.uid).where(kind.id == identity)).one())
    return tokens


def _graph(
    session: Session, nodes: tuple[int, ...], as_of: datetime | None, *, failed: bool
) -> Graph:
    graph = walk(session, runs=[-node for node in nodes], up=1, down=1, as_of=as_of)
    if failed:
        return graph
    good = {-key for key, run in graph.runs.items() if run.status not in BADLY}
    return restricted(graph, {*graph.artifacts, *good})


def _check(counted: Summary, graph: Graph, groups: Aggregate, starts: frozenset[int]) -> None:
    assert list(counted.groups.groups) == list(groups.groups)
    for key, group in counted.groups.groups.items():
        seconds = groups.groups[key].compute_seconds
        assert group.compute_seconds == pytest.approx(seconds)
        assert replace(group, compute_seconds=seconds) == groups.groups[key]
        for node in group.members[:SHOWN_MEMBERS]:
            _check_facts(counted.graph, graph, node)
    assert list(counted.groups.links.items()) == list(groups.links.items())
    assert counted.groups.total == groups.total
    assert (counted.artifacts, counted.runs) == (len(graph.artifacts), len(graph.runs))
    runs = graph.runs.values()
    assert counted.since == min((run.started_at for run in runs if run.started_at), default=None)
    assert counted.until == max((run.finished_at for run in runs if run.finished_at), default=None)
    assert list(counted.below.items()) == list(_steps_below(graph, starts).items())
    assert counted.total_below == len(counted.below)
    for node in counted.below:
        _check_facts(counted.graph, graph, node)


def _check_facts(shown: Graph, graph: Graph, node: int) -> None:
    if node > 0:
        assert shown.artifacts[node] == graph.artifacts[node]
    else:
        assert shown.runs[-node] == graph.runs[-node]
