"""Inputs and outputs that no code declares: the files that a run opens, recorded when it ends."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import func, select

from lamin_core.enums import RunStatus
from lamin_core.errors import LaminError
from lamin_core.ingest.inputs import link
from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, ArtifactSeries, Run, RunArtifact, blank
from lamin_core.models.arguments import (
    ArtifactArguments,
    Source,
    arguments_of,
    keep_arguments,
)
from lamin_core.runtime import current
from lamin_core.runtime.settings import settings
from lamin_core.saving.artifacts import save_artifacts
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import Location, Root, is_remote, locate, suffix_of
from lamin_core.tracking.termination import Outcome
from lamin_core.watching import libraries, opening
from lamin_core.watching.accesses import FileState
from lamin_core.watching.recorder import InputFile, RunFiles, digest_in_hex
from lamin_core.watching.scope import Scope

logger = logging.getLogger("lamin")
Item = TypeVar("Item")


def watch_run(where: Instance, run: Run) -> None:
    """Note the files that this run opens in this process from now on, unless the setting `watch_files` is off."""
    if not settings.watch_files:
        return
    run.__dict__["_files"] = RunFiles(scope_of(where), log_of(run.uid))
    opening.watch(_files_here, digest_in_hex)
    libraries.wrap()


def _files_here() -> RunFiles | None:
    run = current.innermost_run()
    files: RunFiles | None = None if run is None else run.__dict__.get("_files")
    return files


def scope_of(where: Instance) -> Scope:
    """The local storages of the instance, of which the project's folder is one."""
    return Scope(storage.root for storage in local_storages(where))


def local_storages(where: Instance) -> list[Root]:
    """Storages in folders, without the whole file system."""
    return [
        root for root in where.files.storages() if root.root != "/" and not is_remote(root.root)
    ]


def log_of(uid: str) -> str:
    """The folder in which other processes record the files that they open for the run with this uid."""
    return os.path.join(tempfile.gettempdir(), f"lamin-{uid}.files")


def note_watched(where: Instance, run: Run, how: Outcome) -> None:
    """Note what the run has opened; a run that failed has written nothing, and one that was ended has no time.

    Whatever is wrong with that is a warning: the user's run is what counts.
    """
    files: RunFiles | None = run.__dict__.pop("_files", None)
    if files is None or how.status == RunStatus.ABORTED:
        return
    outputs = files.outputs if how.status == RunStatus.COMPLETED else list
    try:
        with opening.unwatched():
            files.collect()
            note_files(where, run, files.inputs(), outputs())
    except Exception as error:
        logger.warning("lineage is incomplete: %s", getattr(error, "message", error))
    if files.is_full:
        logger.warning(
            "lineage is incomplete: the run %s opened more than %s files", run.uid, len(files.files)
        )


def note_files(
    where: Instance, run: Run, inputs: Iterable[InputFile], outputs: Iterable[str]
) -> None:
    """Save these files in place, as inputs and outputs of the run."""
    read = _prepared(lambda file: _read_artifact(where, file), inputs)
    save_artifacts(where, [artifact for artifact in read if not artifact.id])
    written = _prepared(lambda path: _artifact(path, run), outputs)
    with where.db.writing() as session:
        for artifact in read:
            link(session, run.id, artifact, "input", None)
    save_artifacts(where, written)


def _prepared(prepare: Callable[[Item], Artifact | None], items: Iterable[Item]) -> list[Artifact]:
    """The artifacts of these files; of one that cannot be read, a warning."""
    artifacts = []
    for item in items:
        try:
            artifact = prepare(item)
        except LaminError as error:
            logger.warning("lineage is incomplete: %s", error.message)
            continue
        if artifact is not None:
            artifacts.append(artifact)
    return artifacts


def _artifact(path: str, run: Run | bool) -> Artifact:
    """The current file, written by this run; its times may be copied from another file."""
    artifact = Artifact(path, run=run)
    arguments = arguments_of(artifact, ArtifactArguments)
    assert arguments.source is not None
    arguments.source = replace(arguments.source, seen=None)
    return artifact


def _read_artifact(where: Instance, file: InputFile) -> Artifact | None:
    if file.before is None:
        return Artifact(file.path, run=False)
    if file.content is not None:
        return past_artifact(where, file.path, file.content)
    return _last_version(where, file.path, file.before)


def past_artifact(where: Instance, path: str, content: Digest) -> Artifact:
    """The version with these bytes, which the file held before it was written over; not yet saved."""
    location = _location(where, path)
    artifact = blank(Artifact, key=location.key)
    source = Source(path, suffix_of(path), location, content)
    keep_arguments(artifact, ArtifactArguments(source=source, run=False))
    return artifact


def _location(where: Instance, path: str) -> Location:
    return locate(path, local_storages(where))


def _last_version(where: Instance, path: str, before: FileState) -> Artifact | None:
    """The latest version of this file, if the file had not been changed since it was last seen; else None."""
    location = _location(where, path)
    if location.root is None:
        return None
    latest = (
        select(Artifact, ArtifactSeries.last_observed_at)
        .join(ArtifactSeries, ArtifactSeries.id == Artifact.series_id)
        .where(
            Artifact.storage_id == location.root.id,
            Artifact.key == location.key,
            Artifact.is_latest,
        )
    )
    changed = datetime.fromtimestamp(before.changed / 1e9, UTC)
    with where.db.reading() as session:
        artifact: Artifact
        for artifact, observed_at in session.execute(latest):
            if artifact.size == before.size and observed_at is not None and changed <= observed_at:
                return artifact
    return None


def tell_noted(where: Instance, run: Run, *, advice: str = "") -> None:
    """Say on standard error in one line what the run has read and written: on a terminal, or where the setting
    `verbosity` asks for it, so never in the log of a job."""
    try:
        is_shown = settings.verbosity in ("debug", "info") or sys.stderr.isatty()
        if is_shown:
            sys.stderr.write(f"{_summary(where, run)}{advice}\n")
    except Exception as error:
        logger.debug("what was noted cannot be shown: %s", error)


def _summary(where: Instance, run: Run) -> str:
    edges = select(RunArtifact.direction, func.count(RunArtifact.artifact_id.distinct()))
    query = edges.where(RunArtifact.run_id == run.id).group_by(RunArtifact.direction)
    with where.db.reading() as session:
        counts = {row[0]: row[1] for row in session.execute(query)}
    inputs, outputs = (
        _counted(counts.get(direction, 0), direction) for direction in ("input", "output")
    )
    return f"noted: {inputs}, {outputs} of run {run.uid} (lamin lineage --run {run.uid})"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
