"""Edges by use: what the current run reads and writes through the Python API."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.ingest import new_rows
from lamin_core.ingest.collection_use import MEMBER, note_use
from lamin_core.models import Artifact, ArtifactSeries, Run, RunArtifact, now
from lamin_core.runtime import current
from lamin_core.runtime.settings import settings

Reader = Run | bool | None
"""The reader of an artifact: a run, none (False), or the current run (None)."""


def note_input(database: Database, reader: Reader, artifact: Artifact) -> None:
    """The reader has read this version.

    Nothing to note when there is no run, when the run itself made it, or when the setting
    `track_run_inputs` says so and nobody says otherwise.
    """
    if reader is None and not settings.track_run_inputs:
        return
    run = current.current_run() if reader is None or reader is True else reader
    if not isinstance(run, Run) or artifact.id in run.__dict__.setdefault("_noted", set()):
        return
    collection = artifact.__dict__.get("_member_of")
    with database.writing() as session:
        link(session, run.id, artifact, "input", None if collection is None else MEMBER)
        if collection is not None:
            note_use(session, run, collection)
    run.__dict__["_noted"].add(artifact.id)


def link(
    session: Session, run_id: int, artifact: Artifact, direction: str, role: str | None
) -> None:
    """Write the edge between run and artifact, once; an output of a run is not its input."""
    directions = set(
        session.scalars(
            select(RunArtifact.direction).where(
                RunArtifact.run_id == run_id, RunArtifact.artifact_id == artifact.id
            )
        )
    )
    if direction in directions or (direction == "input" and "output" in directions):
        return
    at = now()
    add_edge(session, run_id, artifact, direction, at, role)
    series = session.get_one(ArtifactSeries, artifact.series_id)
    if series.last_observed_at is None or series.last_observed_at < at:
        series.last_observed_at = at


def add_edge(
    session: Session,
    run_id: int,
    artifact: Artifact,
    direction: str,
    at: datetime,
    role: str | None = None,
) -> None:
    """Write the edge between an existing run and artifact, without the mapper, because the row is not used again."""
    values = new_rows.edge(
        run_id,
        artifact.id,
        artifact.series_id,
        direction,
        content_id=artifact.content_id,
        observed_at=at,
        role=role,
        origin="api",
    )
    session.connection().execute(_INSERT_EDGE, values)


_INSERT_EDGE = insert(cast(Table, RunArtifact.__table__))
