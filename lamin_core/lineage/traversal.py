"""Find the nodes upstream or downstream of others, by one recursive statement over primary keys.

A node is an integer here: an artifact its primary key, a run the negative of its own. A job that is
declared to read or write datasets, and of which no run has, counts as a run with the number of its
series above `DECLARED`: it has no row among the runs. The recursion
steps by index from each node to its neighbours, so it costs what it finds, however much else the
registry holds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain, zip_longest
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Executable,
    Row,
    Select,
    and_,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from lamin_core.models import (
    Artifact,
    Containment,
    JobDataset,
    Run,
    RunArtifact,
    RunDependency,
    Transform,
    TransformSeries,
)
from lamin_core.models.tables import UTC_DateTime

ROLLED_BACK = "rolled_back"
NODE_LIMIT = 50_000
DECLARED = 2**40
"""The first number of declared jobs: higher than the number of runs in any registry."""
_NEAR = 24
"""Steps that the recursion counts itself: it then sees a node once at each distance, instead of once."""

Way = Literal["up", "down"]
WAYS: tuple[Way, Way] = ("up", "down")


class Reached(NamedTuple):
    """The nodes in one direction, nearest first, including the starts; and whether a limit excluded nodes."""

    nodes: tuple[int, ...]
    more: bool


class Reach(NamedTuple):
    """The nodes in both directions; if steps were not counted, they are all nodes and have to be trimmed."""

    up: Reached
    down: Reached
    counted: bool

    @property
    def nodes(self) -> list[int]:
        """All nodes once, the nearest of both ways first."""
        both = chain.from_iterable(zip_longest(self.up.nodes, self.down.nodes))
        return [node for node in dict.fromkeys(both) if node is not None]


@dataclass(frozen=True, slots=True)
class AsOf:
    """The conditions that a row had been recorded by a time (the parameter `at`); empty for the present."""

    dated: bool

    def edge(self, edge: Any) -> list[ColumnElement[bool]]:
        """The run had begun, and had read or written it."""
        return [edge.observed_at <= _AT, *self.run(edge.run_id)] if self.dated else []

    def run(self, identity: Any) -> list[ColumnElement[bool]]:
        """Return the condition that the run had begun by then."""
        return (
            [select(_RUN.id).where(_RUN.id == identity, *self.begun(_RUN)).exists()]
            if self.dated
            else []
        )

    def artifact(self, identity: object) -> list[ColumnElement[bool]]:
        """Return the condition that the artifact existed by then."""
        query = select(_ARTIFACT.id).where(_ARTIFACT.id == identity, *self.created(_ARTIFACT))
        return [query.exists()] if self.dated else []

    def begun(self, run: Any) -> list[ColumnElement[bool]]:
        """The condition that the row itself had started."""
        return [func.coalesce(run.started_at, run.created_at) <= _AT] if self.dated else []

    def created(self, artifact: Any) -> list[ColumnElement[bool]]:
        """The condition that the row itself existed."""
        return [artifact.created_at <= _AT] if self.dated else []


_RUN, _ARTIFACT = aliased(Run), aliased(Artifact)
_AT: BindParameter[datetime] = bindparam("at", type_=UTC_DateTime())


def reach(
    session: Session,
    starts: Collection[int],
    *,
    up: int | None = None,
    down: int | None = None,
    as_of: datetime | None = None,
    limit: int = NODE_LIMIT,
) -> Reach:
    """The nodes at most so many steps above and below these; None is all the way; at most `limit` each way."""
    steps: dict[Way, int | None] = {"up": up, "down": down}
    counted = all(number is None or number <= _NEAR for number in steps.values())
    nearest = {direction: dict.fromkeys(starts, 0) for direction in WAYS}
    ways = tuple(
        (direction, counted and number is not None)
        for direction, number in steps.items()
        if number != 0
    )
    if ways:
        values = {
            "starts": ids(session, starts),
            "up": up,
            "down": down,
            "at": as_of,
            "limit": limit,
        }
        statement = _statement(dialect(session), ways, as_of is not None)
        for direction, node, depth in streamed(session, statement, values):
            if depth < nearest[direction].get(node, depth + 1):
                nearest[direction][node] = depth
    return Reach(_nearest(nearest["up"], limit), _nearest(nearest["down"], limit), counted)


def _nearest(depths: dict[int, int], limit: int) -> Reached:
    nodes = sorted(depths, key=depths.__getitem__)
    return Reached(tuple(nodes[:limit]), len(nodes) > limit)


def streamed(
    session: Session, statement: Executable, values: Mapping[str, object]
) -> Iterator[Row[Any]]:
    """The rows of this statement; thousands are fetched at once, which costs a third of one by one."""
    result = session.connection().execute(statement, values, execution_options={"yield_per": 5_000})
    return chain.from_iterable(result.partitions())


def dialect(session: Session) -> str:
    """`sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def ids(session: Session, values: Iterable[int]) -> str | list[int]:
    """The value of the parameter that `parameter_values` makes: one, however many numbers they are."""
    return json.dumps(list(values)) if dialect(session) == "sqlite" else list(values)


def parameter_values(dialect: str, name: str) -> Select[tuple[int]]:
    """The numbers of this parameter, as a statement with the column `value`."""
    if dialect == "sqlite":
        return select(
            func.json_each(bindparam(name)).table_valued(column("value", BigInteger)).c.value
        )
    return select(
        func.unnest(bindparam(name, type_=ARRAY(BigInteger))).column_valued("value").label("value")
    )


@cache
def _statement(
    dialect: str, ways: tuple[tuple[Way, bool], ...], dated: bool
) -> CompoundSelect[Any]:
    """Rows of way, node and depth; a statement for each form of the question, for making one takes longer than most
    answers."""
    recursions = [
        (direction, _recursion(dialect, direction, counted, AsOf(dated)).subquery())
        for direction, counted in ways
    ]
    return union_all(
        *(
            select(literal(direction).label("way"), rows.c.node, rows.c.depth)
            for direction, rows in recursions
        )
    )


def _recursion(dialect: str, direction: Way, counted: bool, then: AsOf) -> Select[Any]:
    """Rows of node and depth. Both databases go breadth first, so that a limit leaves the nearest."""
    first = parameter_values(dialect, "starts").subquery()
    depth = literal(0, BigInteger).label("depth")
    most = bindparam("limit", type_=BigInteger) + 1
    if not counted:
        # Without the depth, UNION drops every node seen before: cycles end, and ladders cost no
        # more than chains.
        reached = select(first.c.value.label("node")).cte(f"{direction}wards", recursive=True)
        reached = reached.union(*_neighbours(dialect, reached, direction, then))
        return select(reached.c.node, depth).limit(most)
    steps = bindparam(direction, type_=BigInteger)
    reached = select(first.c.value.label("node"), depth).cte(f"{direction}wards", recursive=True)
    further = _neighbours(dialect, reached, direction, then)
    reached = reached.union(
        *(arm.add_columns(reached.c.depth + 1).where(reached.c.depth < steps) for arm in further)
    )
    # The starts, which the caller has, would be half of the rows around a large workflow.
    rows = select(reached.c.node, reached.c.depth).where(reached.c.depth > 0)
    return rows.limit(most * (steps + 1))


def _neighbours(dialect: str, reached: Any, direction: Way, then: AsOf) -> list[Select[Any]]:
    """One step on from what was reached: an arm of the recursion for each kind of link.

    PostgreSQL lets a recursion name itself once only; there the arms are one lateral join.
    """
    arms = list(_arms(reached.c.node, direction, then))
    if dialect == "sqlite":
        return arms
    neighbours = union_all(*(arm.correlate(reached) for arm in arms)).lateral()
    return [select(neighbours.c.node).select_from(reached).join(neighbours, literal(True))]


def _arms(node: ColumnElement[int], direction: Way, then: AsOf) -> Iterator[Select[Any]]:
    for below, above, conditions in _links(then):
        source, target = (above, below) if direction == "down" else (below, above)
        # Said beside the comparison, so that the index of the one kind is not searched for nodes of
        # the other.
        kind = node < 0 if _is_run(source) else node > 0
        yield select(_signed(target).label("node")).where(
            kind, source == _signed(node, like=source), *conditions
        )
    yield from _declared_arms(node, direction, then)


def _declared_arms(node: ColumnElement[int], direction: Way, then: AsOf) -> Iterator[Select[Any]]:
    """Between the latest version of a dataset and a job that is declared to read or write it."""
    before, after = ("input", "output") if direction == "down" else ("output", "input")
    to_job, to_dataset = aliased(JobDataset), aliased(JobDataset)
    dataset, other = aliased(Artifact), aliased(Artifact)
    yield (
        select((-declared_run(to_job.job_id)).label("node"))
        .join_from(to_job, dataset, dataset.series_id == to_job.series_id)
        .where(node > 0, dataset.id == node, to_job.direction == before)
        .where(*is_declared(to_job, dataset, then))
    )
    yield (
        select(other.id.label("node"))
        .join_from(to_dataset, other, other.series_id == to_dataset.series_id)
        .where(node < -DECLARED, declared_run(to_dataset.job_id) == -node)
        .where(to_dataset.direction == after, *is_declared(to_dataset, other, then))
    )


def declared_run(job_id: Any) -> Any:
    """The number that a declared job has among the runs."""
    return literal(DECLARED, BigInteger) + job_id


def is_declared(declaration: Any, artifact: Any, then: AsOf) -> list[ColumnElement[bool]]:
    """This version is what the job is declared to read or write, and no run of the job has read or written any."""
    run, code, edge = aliased(Run), aliased(Transform), aliased(RunArtifact)
    ran = (
        select(edge.id)
        .join(run, edge.run_id == run.id)
        .join(code, run.transform_id == code.id)
        .where(code.series_id == declaration.job_id)
        # With `NOT EXISTS`, PostgreSQL would read all edges to find the jobs that have none.
        .limit(1)
        .scalar_subquery()
    )
    job = aliased(TransformSeries)
    by_then = select(job.id).where(job.id == declaration.job_id, job.declared_at <= _AT).exists()
    return [
        artifact.is_latest,
        ran.is_(None),
        *([by_then] if then.dated else []),
        *then.created(artifact),
    ]


def _signed(value: ColumnElement[int], like: object = None) -> ColumnElement[int]:
    """Between a primary key and a node: runs are negative."""
    return -value if _is_run(value if like is None else like) else value


def _is_run(value: Any) -> bool:
    return value.key in ("run_id", "source_id")


def _links(then: AsOf) -> Iterator[tuple[Any, Any, list[ColumnElement[bool]]]]:
    """The kinds of links, as the columns of what is below and what is above, and when they hold."""
    wrote, read, waited = aliased(RunArtifact), aliased(RunArtifact), aliased(RunDependency)
    yield (
        wrote.artifact_id,
        wrote.run_id,
        [wrote.direction == "output", is_kept(wrote), *then.edge(wrote)],
    )
    yield read.run_id, read.artifact_id, [read.direction == "input", *then.edge(read)]
    yield waited.run_id, waited.source_id, [*then.run(waited.run_id), *then.run(waited.source_id)]
    for below, above in (("artifact_id", "directory_id"), ("directory_id", "artifact_id")):
        containment = aliased(Containment)
        lower, upper = getattr(containment, below), getattr(containment, above)
        comes_from = comes_from_container(lower, upper, then)
        yield lower, upper, [comes_from, *then.artifact(lower), *then.artifact(upper)]


def comes_from_container(lower: Any, upper: Any, then: AsOf) -> ColumnElement[bool]:
    """Whether a folder and a file are linked: no run wrote the lower, and the upper existed when it was first seen.

    A file without a writer came with its folder. A folder without a writer consists of its files.
    What was there later is the origin of neither.
    """
    below, above = aliased(Artifact), aliased(Artifact)
    was_there = (
        select(below.id)
        .join(above, above.created_at <= below.created_at)
        .where(below.id == lower, above.id == upper)
    )
    return and_(~is_made(lower, then), was_there.exists())


def is_kept(edge: Any) -> ColumnElement[bool]:
    """The condition that the output was not removed by a rollback of the run."""
    return or_(edge.role.is_(None), edge.role != ROLLED_BACK)


def is_made(artifact_id: object, then: AsOf) -> ColumnElement[bool]:
    """The condition that a run wrote the artifact."""
    edge = aliased(RunArtifact)
    wrote = [
        edge.artifact_id == artifact_id,
        edge.direction == "output",
        is_kept(edge),
        *then.edge(edge),
    ]
    return select(edge.id).where(*wrote).exists()
