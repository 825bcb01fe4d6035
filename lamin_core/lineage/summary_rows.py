"""The nodes next to a workflow in bundles: the database counts what plays the same part, in one statement.

A bundle holds runs of one step in one state, or artifacts that the same steps wrote and read, so that a workflow of
10,000 jobs is some dozens of rows. `lamin_core.lineage.aggregate` defines what a step is, and how links are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Float,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
    union,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from lamin_core.lineage.aggregate import BADLY
from lamin_core.lineage.graph import PUBLISHED
from lamin_core.lineage.rows import origin_flag
from lamin_core.lineage.traversal import AsOf, dialect, ids, is_kept, parameter_values, streamed
from lamin_core.models import (
    Artifact,
    Containment,
    Content,
    Run,
    RunArtifact,
    RunDependency,
    Transform,
)
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.models.tables import UTC_DateTime

RUN, ARTIFACT, WAIT, HOLD, PARTS, TOTAL = range(6)
"""The kinds of bundles: runs, artifacts, runs that wait for others, folders of artifacts; all parts, all runs."""
READ, WROTE, PUBLISHED_PART, PUBLISHED_ELSEWHERE = "iwqp"
"""How a run is linked to an artifact; the last two are of runs that hand on what others wrote."""
_BETWEEN = "\x1f"
_AT = bindparam("at", type_=UTC_DateTime())
_START = bindparam("start", type_=BigInteger)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Nodes that play the same part.

    Args:
        kind: of what.
        code: of runs, their step, or the primary key of a run that is by itself; of artifacts, the links of each:
            how, and the code of the run.
        parent: of runs, that of each; of a folder its primary key.
        series: of runs, that of their transform; of a file in a folder its primary key.
        engine: of runs; of artifacts what `kind_of_file` gives; of waiting runs the code of the source.
        state: of runs; of a folder whether it comes from the file.
        count: how many they are.
        nodes: their primary keys.
        started_at: when the first run began.
        finished_at: when the last run ended.
        ended: how many runs have ended.
        seconds: the sum of the durations of runs.
        timed: how many runs have one; of artifacts how many have a key.
        size: the sum of the bytes of artifacts.
        first_key: the first key of a transform or an artifact, in the order of the database.
        last_key: the last one; of a file whether it comes from its folder.
    """

    kind: int
    code: str | None
    parent: int | None
    series: int | None
    engine: str | None
    state: str | None
    count: int
    nodes: tuple[int, ...]
    started_at: datetime | None
    finished_at: datetime | None
    ended: int
    seconds: float | None
    timed: int
    size: int | None
    first_key: str | None
    last_key: str | None

    def links(self) -> Counter[tuple[str, str]]:
        """The links of artifacts: the kind, the run or step, and the number."""
        entries = filter(None, (self.code or "").split(_BETWEEN))
        return Counter((entry[0], entry[1:]) for entry in entries)


def bundles(
    session: Session,
    run: int,
    *,
    as_of: datetime | None,
    failed: bool,
    single_runs: Collection[int] = (),
    single_artifacts: Collection[int] = (),
) -> list[Bundle]:
    """The bundles of a run with all its parts, what these read and wrote, and the runs above: one statement.

    Args:
        session: reads them.
        run: the primary key of the run; it is by itself, as is every run that is not a part of it.
        as_of: as it was known then.
        failed: whether runs that ended badly are among them.
        single_runs: parts that are by themselves.
        single_artifacts: artifacts that are by themselves.
    """
    values = {
        "start": run,
        "at": as_of,
        "single_runs": ids(session, single_runs),
        "single_artifacts": ids(session, single_artifacts),
    }
    statement = _statement(dialect(session), as_of is not None, failed)
    rows = streamed(session, statement, values)
    mappings = [dict(row._mapping) for row in rows]
    return [Bundle(**{**row, "nodes": _numbers(row["nodes"])}) for row in mappings]


def _numbers(text: str | None) -> tuple[int, ...]:
    return () if text is None else tuple(map(int, text.split(",")))


@cache
def _statement(dialect: str, dated: bool, failed: bool) -> CompoundSelect[Any]:
    then = AsOf(dated)
    parts = _parts()
    runs = _runs(dialect, parts, then, failed)
    edges = _edges(runs, then)
    waits = _waits(runs)
    files = _files(edges)
    holds = _holds(files, then)
    return union_all(
        _run_arm(dialect, runs, edges, waits),
        _artifact_arm(dialect, files, holds),
        _arm(WAIT, code=waits.c.code, engine=waits.c.source_code, count=func.count()).group_by(
            waits.c.code, waits.c.source_code
        ),
        _arm(HOLD, parent=holds.c.folder, series=holds.c.file, state=holds.c.folder_origin,
             last_key=holds.c.file_origin),
        _arm(PARTS, count=func.count(), nodes=_together(parts.c.id)),
        _arm(
            TOTAL, count=func.count(), started_at=func.min(runs.c.started_at), finished_at=func.max(runs.c.finished_at)
        ).where(runs.c.visible == 1),
    )  # fmt: skip


def _arm(kind: int, **columns: Any) -> Select[Any]:
    """The columns of a bundle; NULL or 0 for those that are not listed."""
    empty: dict[str, ColumnElement[Any]] = {
        **dict.fromkeys(("code", "engine", "state", "nodes", "first_key", "last_key"), cast(null(), Text)),
        **dict.fromkeys(("parent", "series", "size"), cast(null(), BigInteger)),
        **dict.fromkeys(("started_at", "finished_at"), cast(null(), UTC_DateTime)),
        **dict.fromkeys(("count", "ended", "timed"), literal(0)),
        "seconds": cast(null(), Float),
    }  # fmt: skip
    names = [column.name for column in fields(Bundle)][1:]
    chosen: list[Any] = [literal(kind).label("kind")]
    chosen += [columns.get(name, empty[name]).label(name) for name in names]
    return select(*chosen)


def _parts() -> CTE:
    parts = select(_START.label("id")).cte("parts", recursive=True)
    return parts.union(select(Run.id).join(parts, Run.parent_id == parts.c.id))


def _above(parts: CTE, then: AsOf) -> CTE:
    """The runs that a part waits for, or that wait for a part, and all runs that these and the run are a part of."""
    inner = select(parts.c.id)
    neighbours = [select(_START.label("id"))]
    for near, far in (("run_id", "source_id"), ("source_id", "run_id")):
        wait = aliased(RunDependency)
        dated = [*then.run(wait.run_id), *then.run(wait.source_id)]
        neighbours.append(select(getattr(wait, far)).where(getattr(wait, near).in_(inner), *dated))
    first = union_all(*neighbours).subquery()
    above = select(first.c.id).cte("above", recursive=True)
    return above.union(
        select(Run.parent_id).join(above, Run.id == above.c.id).where(Run.parent_id.is_not(None))
    )


def _runs(dialect: str, parts: CTE, then: AsOf, failed: bool) -> CTE:
    """All runs of the neighbourhood, each with the code of its step."""
    above = _above(parts, then)
    around = union_all(
        select(parts.c.id, literal(1).label("is_part")),
        select(above.c.id, literal(0)).where(above.c.id.not_in(select(parts.c.id))),
    ).subquery()
    is_step = and_(
        around.c.is_part == 1,
        Run.id != _START,
        Run.id.not_in(parameter_values(dialect, "single_runs")),
    )
    step = cast(Run.parent_id, Text) + ":" + cast(Transform.series_id, Text) + ":" + Run.engine
    status, finished_at = _state(then)
    visible: Any = literal(1) if failed else case((status.in_(BADLY), 0), else_=1)
    return (
        select(
            Run.id, Run.parent_id, Run.engine, Transform.series_id, Transform.key, Run.started_at, around.c.is_part,
            case((is_step, step), else_=cast(Run.id, Text)).label("code"), status.label("status"),
            finished_at.label("finished_at"), visible.label("visible"), case((is_step, 1), else_=0).label("is_step"),
        )
        .join(around, around.c.id == Run.id)
        .join(Transform, Run.transform_id == Transform.id)
        .where(*then.begun(Run))
        .cte("around")
    )  # fmt: skip


def _state(then: AsOf) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The status and the end of a run, as of then."""
    if not then.dated:
        return cast(Run.status, Text), type_coerce(Run.finished_at, UTC_DateTime())
    ran_on = Run.finished_at > _AT
    status = case((ran_on, "running"), else_=cast(Run.status, Text))
    return status, type_coerce(case((ran_on, null()), else_=Run.finished_at), UTC_DateTime())


# Below, `IN` beside a join has SQLite search an index for the runs instead of reading the whole table, and `+ 0` keeps
# it from joining all visible runs with each other.


def _edges(runs: CTE, then: AsOf) -> CTE:
    """The links between these runs and artifacts; without an entry where the run is hidden."""
    edge = aliased(RunArtifact)
    how = case(
        (edge.direction == "input", READ),
        (and_(edge.role == PUBLISHED, runs.c.is_part == 1), PUBLISHED_PART),
        (edge.role == PUBLISHED, PUBLISHED_ELSEWHERE),
        else_=WROTE,
    )
    rows = (
        select(
            runs.c.id.label("run_id"), edge.artifact_id, runs.c.is_part,
            case((runs.c.visible == 1, how + runs.c.code)).label("entry"),
        )
        .join_from(runs, edge, edge.run_id == runs.c.id + 0)
        .where(or_(edge.direction == "input", is_kept(edge)))
    )  # fmt: skip
    if then.dated:
        created = [edge.observed_at <= _AT, *then.created(Artifact)]
        rows = rows.join(Artifact, Artifact.id == edge.artifact_id).where(*created)
    return rows.cte("edges")


def _waits(runs: CTE) -> CTE:
    run, source = runs.alias("waiting"), runs.alias("awaited")
    return (
        select(RunDependency.run_id, RunDependency.source_id, run.c.code, source.c.code.label("source_code"))
        .join(run, run.c.id == RunDependency.run_id)
        .join(source, source.c.id == RunDependency.source_id)
        .where(RunDependency.run_id.in_(select(runs.c.id)), run.c.visible + 0 == 1, source.c.visible + 0 == 1)
        .cte("waits")
    )  # fmt: skip


def _files(edges: CTE) -> CTE:
    """What the parts read or wrote, with the links of each to all runs of the neighbourhood."""
    return (
        select(edges.c.artifact_id, func.aggregate_strings(edges.c.entry, _BETWEEN).label("code"))
        .group_by(edges.c.artifact_id)
        .having(func.max(edges.c.is_part) == 1)
        .cte("files")
    )


def _holds(files: CTE, then: AsOf) -> CTE:
    folder, file = Containment.directory_id, Containment.artifact_id
    return (
        select(
            folder.label("folder"), file.label("file"),
            cast(origin_flag(folder, file, then), Text).label("folder_origin"),
            cast(origin_flag(file, folder, then), Text).label("file_origin"),
        )
        .where(file.in_(select(files.c.artifact_id)), (folder + 0).in_(select(files.c.artifact_id)))
        .cte("holds")
    )  # fmt: skip


def _run_arm(dialect: str, runs: CTE, edges: CTE, waits: CTE) -> Select[Any]:
    linked = union(select(edges.c.run_id), select(waits.c.run_id), select(waits.c.source_id))
    seconds = _seconds(dialect, runs.c.started_at, runs.c.finished_at)
    columns = runs.c.code, runs.c.parent_id, runs.c.series_id, runs.c.engine, runs.c.status
    arm = _arm(
        RUN, code=columns[0], parent=columns[1], series=columns[2], engine=cast(columns[3], Text), state=columns[4],
        count=func.count(), nodes=_together(runs.c.id), started_at=func.min(runs.c.started_at),
        finished_at=func.max(runs.c.finished_at), ended=func.count(runs.c.finished_at), seconds=func.sum(seconds),
        timed=func.count(seconds), first_key=func.min(runs.c.key), last_key=func.max(runs.c.key),
    )  # fmt: skip
    is_drawn = or_(runs.c.is_step == 0, runs.c.id.in_(linked))
    return arm.where(runs.c.visible == 1, is_drawn).group_by(*columns)


def _artifact_arm(dialect: str, files: CTE, holds: CTE) -> Select[Any]:
    alone = union_all(
        select(holds.c.folder), select(holds.c.file), parameter_values(dialect, "single_artifacts")
    )
    rows = (
        select(
            files.c.code, _kind_of_file(dialect).label("suffix"),
            case((Artifact.id.in_(alone), Artifact.id), else_=0).label("single"),
            Artifact.id, Artifact.key, case((Content.size != UNKNOWN_SIZE, Content.size)).label("size"),
        )
        .join_from(files, Artifact, Artifact.id == files.c.artifact_id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .subquery()
    )  # fmt: skip
    return _arm(
        ARTIFACT, code=rows.c.code, engine=rows.c.suffix, count=func.count(), nodes=_together(rows.c.id),
        size=cast(func.sum(rows.c.size), BigInteger), first_key=func.min(rows.c.key), last_key=func.max(rows.c.key),
        timed=func.count(rows.c.key),
    ).group_by(rows.c.code, rows.c.suffix, rows.c.single)  # fmt: skip


def _together(identity: ColumnElement[Any]) -> ColumnElement[str]:
    return func.aggregate_strings(cast(identity, Text), ",")


def _seconds(dialect: str, begin: Any, end: Any) -> ColumnElement[Any]:
    """Seconds between two times, with microseconds; on SQLite times are text with six digits of these."""
    if dialect == "postgresql":
        return cast(func.extract("epoch", end - begin), Float)
    whole, parts = (
        [cast(text, Integer) for text in texts]
        for texts in zip(
            *((func.strftime("%s", at), func.substr(at, 21, 6)) for at in (end, begin)), strict=True
        )
    )
    return whole[0] - whole[1] + (parts[0] - parts[1]) / 1e6


def _kind_of_file(dialect: str) -> ColumnElement[Any]:
    """What `kind_of_file` gives for the key, which SQLite calls itself."""
    if dialect == "sqlite":
        return func.lamin_kind_of_file(Artifact.key, type_=Text())
    name = func.regexp_replace(func.coalesce(Artifact.key, ""), "^.*/", "")
    ending = func.regexp_replace(name, r"^[^.]*\.?", "")
    return func.regexp_replace(ending, "[0-9]+", "", "g", type_=Text())
