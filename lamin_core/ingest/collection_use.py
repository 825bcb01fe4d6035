"""The run that selected the members of a collection, and the runs that used them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_missing_rows, parts
from lamin_core.ingest import new_rows
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Collection,
    Run,
    RunArtifact,
    RunDependency,
    now,
)

MEMBER = "member"
"""Role of an input that was chosen for a collection, or read as a member of one."""
COLLECTION = "collection"
"""Role of a dependency: the run read members of a collection that the other run chose."""


def note_choice(session: Session, run: Run, members: Sequence[Artifact]) -> None:
    """The run has chosen these artifacts for a collection: all that it did not write itself are its inputs."""
    written = session.scalars(
        select(RunArtifact.artifact_id).where(
            RunArtifact.run_id == run.id, RunArtifact.direction == "output"
        )
    ).all()
    chosen = {artifact.id: artifact for artifact in members if artifact.id not in set(written)}
    at = now()
    rows = [
        new_rows.edge(
            run.id,
            artifact.id,
            artifact.series_id,
            "input",
            content_id=artifact.content_id,
            observed_at=at,
            role=MEMBER,
            origin="api",
        )
        for artifact in chosen.values()
    ]
    if rows:
        insert_missing_rows(session, RunArtifact.__table__, rows)
    unseen = or_(ArtifactSeries.last_observed_at.is_(None), ArtifactSeries.last_observed_at < at)
    for part in parts({artifact.series_id for artifact in chosen.values()}):
        observed = update(ArtifactSeries).where(ArtifactSeries.id.in_(part), unseen)
        session.execute(observed.values(last_observed_at=at))


def note_use(session: Session, run: Run, collection: Collection) -> None:
    """The run has read a member of the collection: it depends on the run that chose the members."""
    if collection.run_id is None or collection.run_id == run.id:
        return
    row: dict[str, object] = {
        "run_id": run.id,
        "source_id": collection.run_id,
        "role": COLLECTION,
    }
    insert_missing_rows(session, RunDependency.__table__, [row])
