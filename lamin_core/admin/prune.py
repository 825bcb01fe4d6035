"""Artifacts whose bytes no longer exist and that nothing needs, such as the outputs of `temp()`.

They go into the trash: queries show them no longer, the lineage of what was made from them stays.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from lamin_core.admin.recorded_files import RecordedFile, recorded_files
from lamin_core.enums import RunStatus
from lamin_core.errors import Conflict
from lamin_core.instance.instance import Instance
from lamin_core.models import (
    Artifact,
    ArtifactFeatureValue,
    ArtifactProject,
    ArtifactReference,
    ArtifactULabel,
    CollectionArtifact,
    Run,
    RunArtifact,
)
from lamin_core.saving.deletion import trash_all

_NEEDED_BY = (
    ArtifactFeatureValue,
    ArtifactProject,
    ArtifactReference,
    ArtifactULabel,
    CollectionArtifact,
)


def vanished(instance: Instance) -> list[RecordedFile]:
    """The artifacts that were registered where they lay, are not there any longer, and that nothing needs.

    A label, a value of a feature, a project, a reference, a description and a collection need an
    artifact, and so does a run that has not ended. Nothing has vanished from a storage that is not
    there itself, such as one that is not mounted.
    """
    with instance.db.reading() as session:
        files = recorded_files(session, removed=True)
        needed = _needed(session)
    return [file for file in files if file.id not in needed and _is_gone(file)]


def prune(instance: Instance, files: Sequence[RecordedFile]) -> None:
    """Move these artifacts into the trash, in one transaction."""
    trash_all(instance, [file.id for file in files])


def _needed(session: Session) -> set[int]:
    is_read = exists().where(
        RunArtifact.artifact_id == Artifact.id,
        RunArtifact.run_id == Run.id,
        Run.status.in_((RunStatus.RUNNING, RunStatus.SCHEDULED)),
    )
    named = [exists().where(table.artifact_id == Artifact.id) for table in _NEEDED_BY]
    described = Artifact.description.is_not(None) & (Artifact.description != "")
    query = select(Artifact.id).where(Artifact.is_latest, or_(described, is_read, *named))
    return set(session.scalars(query))


def _is_gone(file: RecordedFile) -> bool:
    try:
        path = file.path
    except Conflict:  # `lamin fsck` reports it
        return False
    if os.path.lexists(path):
        return False
    home = os.path.dirname(path) if file.root == "/" else file.root
    return file.was_removed or os.path.isdir(home)
