"""How an artifact is saved: bytes first, then the row, in one short transaction."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from lamin_core import context
from lamin_core.errors import InvalidArgument
from lamin_core.files import Source
from lamin_core.lineage import series as versions
from lamin_core.lineage.usage import add_edge, link
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Run,
    now,
)
from lamin_core.models.artifact import UNSET
from lamin_core.saving.place import Place, adopt
from lamin_core.storage import copy_in, is_remote, managed_key
from lamin_core.uids import random_uid


def save_artifact(place: Place, artifact: Artifact) -> Artifact:
    """Write the artifact, or find the version that has these bytes."""
    source: Source = artifact.__dict__["_source"]
    run = _run_of(artifact)
    _check_described(artifact, run)
    if source.copies:
        assert source.content is not None
        artifact.real_key = managed_key(source.content, source.suffix)
        copy_in(Path(source.path), place.storage, artifact.real_key, source.content)
    user = place.user_id
    with place.db.writing() as session, session.no_autoflush:
        series = _series_of(session, place, artifact, source)
        content_id = None if source.content is None else versions.content_for(session, source.content)
        head = versions.head_of(session, series)
        if head is not None and head.content_id == content_id and content_id is not None:
            if run is not None and _wrote(run, source):
                link(session, run.id, head, "output", "recreated" if head.run_id not in (None, run.id) else None)
            head.description = artifact.description or head.description
            saved = head
        else:
            saved = _new_artifact(session, series, artifact, head, content_id, source, run, user)
    saved.__dict__.update(_source=source)
    artifact.__dict__.pop("_temporary", _nothing)()
    return saved if saved is artifact else adopt(artifact, saved)


def _wrote(run: Run, source: Source) -> bool:
    """Whether the run may have made these bytes: a file in place that is older than the run is only named by it."""
    if source.copies or run.started_at is None or is_remote(source.path):
        return True
    return os.stat(source.path).st_mtime >= run.started_at.timestamp()


def _nothing() -> None:
    """No temporary file to remove."""


def _new_artifact(
    session: Session,
    series: ArtifactSeries,
    artifact: Artifact,
    head: Artifact | None,
    content_id: int | None,
    source: Source,
    run: Run | None,
    user: int,
) -> Artifact:
    artifact.origin, artifact.suffix, artifact.created_by_id = "api", source.suffix, user
    at = _after(series.last_observed_at)
    run_id = None if run is None else run.id
    versions.new_version(session, series, head, at, content_id, run_id=run_id, artifact=artifact)
    if run_id is not None:
        add_edge(session, run_id, artifact, "output", at)
    series.last_observed_at = at
    return artifact


def _run_of(artifact: Artifact) -> Run | None:
    asked = artifact.__dict__.get("_asked_run", UNSET)
    if asked is False:
        return None
    run: Run | None = context.current_run() if asked is UNSET or asked is None else asked
    return run


def _check_described(artifact: Artifact, run: Run | None) -> None:
    source: Source = artifact.__dict__["_source"]
    if source.copies and artifact.key is None and artifact.description is None and run is None:
        raise InvalidArgument(
            "an artifact needs a key, a description or a run to be found by", hint='Artifact(path, key="raw/a.csv")'
        )


def _series_of(session: Session, place: Place, artifact: Artifact, source: Source) -> ArtifactSeries:
    revises: Artifact | None = artifact.__dict__.get("_revises")
    if revises is not None:
        return session.get_one(ArtifactSeries, revises.series_id)
    if not source.copies:
        return versions.series_at(session, source.path, versions.roots(session))
    root = place.files.managed()
    if artifact.key is not None:
        return versions.series_for(session, root, artifact.key)
    series = ArtifactSeries(stem=random_uid(16), storage_id=root.id, key=None)
    session.add(series)
    session.flush()
    return series


def _after(last: datetime | None) -> datetime:
    """Now, but not before what was observed already, should the clocks differ."""
    at = now()
    return at if last is None or last < at else last + timedelta(microseconds=1)
