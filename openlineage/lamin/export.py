"""The registry as OpenLineage events: those that came, as they came, and for runs tracked by Python the same words."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from lamin_core.lineage.graph import ArtifactNode, walk
from lamin_core.lineage.view import path_of
from lamin_core.models import Event as Row
from lamin_core.models import Run as RunRow
from lamin_core.models import Transform
from lamin_core.types import RunStatus
from openlineage.lamin import events
from openlineage.lamin.events import Dataset, Event, Job, Run, RunReference
from openlineage.lamin.naming import dataset_name


def export(session: Session) -> Iterator[str]:
    """Every event, a line of JSON each."""
    for body in session.scalars(select(Row.body).where(Row.kind != "quarantined").order_by(Row.id)):
        yield body if "\n" not in body else json.dumps(json.loads(body), separators=(",", ":"))
    told = select(Row.run_id).where(Row.run_id.is_not(None))
    own = select(RunRow).where(RunRow.origin == "api", RunRow.external_id.not_in(told)).order_by(RunRow.id)
    for row in session.scalars(own):
        for event in of_run(session, row):
            yield json.dumps(event, separators=(",", ":"))


def of_run(session: Session, row: RunRow) -> list[Event]:
    """The events of a run that Python tracks: its start, and its end when it has ended."""
    run = _described(session, row)
    inputs, outputs = _datasets(session, row)
    told = [events.start(run, row.started_at or row.created_at, inputs)]
    if row.finished_at is None:
        return [*told, events.running(run, row.started_at or row.created_at, (), outputs)] if outputs else told
    if row.status == RunStatus.COMPLETED:
        return [*told, events.complete(run, row.finished_at, (), outputs)]
    if row.status == RunStatus.FAILED:
        return [*told, events.fail(run, row.finished_at, row.error or "failed", outputs=outputs)]
    return [*told, events.abort(run, row.finished_at, row.error or row.status, outputs=outputs)]


def _described(session: Session, row: RunRow) -> Run:
    code = session.get_one(Transform, row.transform_id)
    job = Job(
        code.namespace,
        code.key,
        code.kind or "function",
        source=code.source_code,
        language=code.language,
        description=code.description,
        location=code.reference,
    )
    return Run(
        row.external_id,
        job,
        row.engine,
        row.engine_version or "",
        name=row.name,
        params=row.params or {},
        attempt=row.attempt,
        cached=row.cached,
        parent=_parent(session, row),
    )


def _parent(session: Session, row: RunRow) -> RunReference | None:
    if row.parent_id is None:
        return None
    parent = aliased(RunRow)
    found = session.execute(
        select(parent.external_id, Transform.namespace, Transform.key)
        .join(Transform, parent.transform_id == Transform.id)
        .where(parent.id == row.parent_id)
    ).one()
    return RunReference(*found)


def _datasets(session: Session, row: RunRow) -> tuple[list[Dataset], list[Dataset]]:
    graph = walk(session, runs=[row.id], up=1, down=1)
    sides: dict[str, list[Dataset]] = {"input": [], "output": []}
    for run, artifact, direction, role in graph.edges:
        if run == row.id:
            sides[direction].append(_dataset(graph.artifacts[artifact], role))
    return sides["input"], sides["output"]


def _dataset(node: ArtifactNode, role: str | None) -> Dataset:
    return Dataset(
        *dataset_name(path_of(node)),
        hash=node.hash,
        hash_type=node.hash_type,
        size=node.size,
        n_files=node.n_files,
        role=role,
    )
