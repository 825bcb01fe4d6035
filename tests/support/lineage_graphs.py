"""Graphs of any shape, written straight into the tables, so that a test of the walk need not play thousands of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, func, insert, select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.ingest.datasets import storage_for
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Base,
    Containment,
    Run,
    RunArtifact,
    RunDependency,
    Transform,
    TransformSeries,
)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = "/planted"


@dataclass(frozen=True)
class Shape:
    """Artifacts and runs by number from 0, and what ties them.

    Run `n` begins `n` seconds after the first and lasts one; an edge is seen when its run begins (a
    read) or ends (a write), an artifact is there from its first edge on.
    """

    artifacts: int
    runs: int
    edges: Sequence[tuple[int, int, str, str | None]] = ()
    """Run, artifact, direction, role."""
    waits: Sequence[tuple[int, int]] = ()
    holds: Sequence[tuple[int, int]] = ()
    parents: Sequence[tuple[int, int]] = ()
    """Child, parent."""


@dataclass(frozen=True)
class Planted:
    """The primary keys at which a shape begins in the tables."""

    artifact: int
    run: int


def seen_at(edge: tuple[int, int, str, str | None]) -> datetime:
    """The time at which this edge is seen."""
    return BEGIN + timedelta(seconds=edge[0] + (edge[2] == "output"))


def plant(database: Database, shape: Shape) -> Planted:
    """Write it beside what is there already."""
    with database.writing() as session:
        first = Planted(_next(session, Artifact), _next(session, Run))
        root = storage_for(session, ROOT).id
        transform = _transform(session)
        seen_times = dict.fromkeys(range(shape.artifacts), BEGIN)
        for edge in sorted(shape.edges, key=seen_at, reverse=True):
            seen_times[edge[1]] = seen_at(edge)
        numbers = range(first.artifact, first.artifact + shape.artifacts)
        _fill(session, ArtifactSeries, ({"id": a, "stem": f"a{a:015d}", "storage_id": root, "key": f"{a}.txt",
                                         "last_observed_at": None} for a in numbers))  # fmt: skip
        _fill(session, Artifact, ({"id": a, "uid": f"a{a:015d}0000", "series_id": a, "number": 0, "is_latest": True,
                                   "storage_id": root, "key": f"{a}.txt", "suffix": ".txt", "origin": "event",
                                   "created_at": seen_times[a - first.artifact]} for a in numbers))  # fmt: skip
        parents = dict(shape.parents)
        _fill(
            session, Run, (_run(first, number, transform, parents) for number in range(shape.runs))
        )
        _fill(session, RunArtifact, ({"run_id": first.run + edge[0], "artifact_id": first.artifact + edge[1],
                                      "series_id": first.artifact + edge[1], "direction": edge[2], "role": edge[3],
                                      "observed_at": seen_at(edge)} for edge in shape.edges))  # fmt: skip
        _fill(session, RunDependency, ({"run_id": first.run + run, "source_id": first.run + source, "role": "order"}
                                       for run, source in shape.waits))  # fmt: skip
        _fill(session, Containment, ({"directory_id": first.artifact + folder, "artifact_id": first.artifact + artifact}
                                     for folder, artifact in shape.holds))  # fmt: skip
    return first


def _run(first: Planted, number: int, transform: int, parents: dict[int, int]) -> dict[str, Any]:
    begin = BEGIN + timedelta(seconds=number)
    identity = first.run + number
    return {
        "id": identity,
        "uid": f"r{identity:015d}",
        "external_id": f"run-{identity}",
        "transform_id": transform,
        "engine": "planted",
        "status": "completed",
        "cached": False,
        "attempt": 1,
        "origin": "event",
        "started_at": begin,
        "finished_at": begin + timedelta(seconds=1),
        "created_at": begin,
        "params": {"number": number},
        "parent_id": first.run + parents[number] if number in parents else None,
    }


def _transform(session: Session) -> int:
    existing = session.scalar(select(Transform.id).where(Transform.key == "step"))
    if existing is not None:
        return existing
    series = {"stem": "t" * 12, "namespace": "planted", "key": "step"}
    series_id = session.execute(
        insert(TransformSeries).values(**series).returning(TransformSeries.id)
    ).scalar_one()
    values = {
        "uid": "t" * 16,
        "series_id": series_id,
        "number": 0,
        "is_latest": True,
        "key": "step",
        "origin": "event",
    }
    row = insert(Transform).values(**values, namespace="planted", kind="pipeline", created_at=BEGIN)
    return session.execute(row.returning(Transform.id)).scalar_one()


def _next(session: Session, model: type[Base]) -> int:
    return 1 + (session.scalar(select(func.max(model.__table__.c.id))) or 0)


def _fill(session: Session, model: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    values = list(rows)
    if values:
        session.connection().execute(insert(cast(Table, model.__table__)), values)
