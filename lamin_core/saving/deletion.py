"""Trash, restore and erase artifacts, and replace their bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.ingest.datasets import content_for
from lamin_core.ingest.inputs import link
from lamin_core.models import Artifact, ArtifactSeries, Content, Run, RunArtifact, now
from lamin_core.models.deleted import is_remembered, remember
from lamin_core.models.note import remove_notes
from lamin_core.models.record_kinds import Trashable
from lamin_core.models.relations import is_named
from lamin_core.runtime import current
from lamin_core.saving.records import SavingInstance, row_of, show
from lamin_core.storage import blobs
from lamin_core.storage.locations import managed_key, spare_key


def trash(instance: SavingInstance, record: Artifact | Trashable) -> None:
    """Hide it from queries; of an artifact, the newest version that is left is the latest. Its bytes stay."""
    with instance.db.writing() as session:
        row = row_of(session, record)
        row.deleted_at = row.deleted_at or now()
        if isinstance(row, Artifact):
            settle_latest(session, row.series_id)
    show(record, row)


def trash_all(instance: SavingInstance, artifacts: Sequence[int]) -> None:
    """Hide these artifacts, by primary key, in one transaction."""
    with instance.db.writing() as session:
        for begin in range(0, len(artifacts), _AT_ONCE):
            chosen = Artifact.id.in_(artifacts[begin : begin + _AT_ONCE])
            session.execute(update(Artifact).where(chosen).values(deleted_at=now()))
            for series_id in session.scalars(select(Artifact.series_id).where(chosen)).all():
                settle_latest(session, series_id)


_AT_ONCE = 500


def restore(instance: SavingInstance, record: Artifact | Trashable) -> None:
    """Take it out of the trash."""
    with instance.db.writing() as session:
        row = row_of(session, record)
        row.deleted_at = None
        if isinstance(row, Artifact):
            settle_latest(session, row.series_id)
    show(record, row)


def erase(instance: SavingInstance, artifact: Artifact, *, storage: bool | None = None) -> None:
    """Remove the record, what ties it to runs and labels, the note on it, and its copy in the storage.

    `storage=True` removes a file that was registered in place as well, `False` keeps even the copy;
    bytes that another record needs stay. Raises `NotFound`, and `Conflict` while a collection holds
    it.
    """
    root, key = instance.contents.where(artifact)
    if storage:
        instance.contents.check_unchanged(artifact)
    try:
        with _removing() as gone, instance.db.writing() as session:
            row = row_of(session, artifact)
            series_id, content_id = row.series_id, row.content_id
            remember(session, Artifact, Artifact.id == row.id)
            remove_notes(session, Artifact, Artifact.id == row.id)
            session.execute(delete(Artifact).where(Artifact.id == row.id))
            settle_latest(session, series_id)
            _forget(session, content_id, series_id)
            if (artifact.is_copy if storage is None else storage) and not _is_needed(
                session, row.storage_id, key
            ):
                # Here, so that nobody finds the bytes in the moment before they are gone.
                gone += blobs.set_aside(root, key)
            if not artifact.is_copy and storage is not False:
                gone += _spares(instance, session, artifact, content_id)
    except IntegrityError as error:
        hint = "remove those first, or leave it in the trash"
        raise Conflict(f"{artifact!r} is needed by other records", hint) from error


def _spares(
    instance: SavingInstance, session: Session, artifact: Artifact, content_id: int | None
) -> Iterator[blobs.Aside]:
    """Set the second copies of these bytes aside, unless another record has them in place, too."""
    content = artifact.content_digest
    has_it = Artifact.content_id == content_id, Artifact.real_key.is_(None)
    if content is None or session.scalar(select(Artifact.id).where(*has_it).limit(1)):
        return
    key = spare_key(content, artifact.suffix)
    for root in instance.files.storages():
        if root.is_managed and blobs.holds(root.root, key, content):
            yield from blobs.set_aside(root.root, key)


@contextmanager
def _removing() -> Iterator[list[blobs.Aside]]:
    """Remove the bytes at the end, when no other process waits, or restore them after an error."""
    gone: list[blobs.Aside] = []
    try:
        yield gone
    except BaseException:
        for aside in gone:
            aside.put_back()
        raise
    for aside in gone:
        aside.remove()


def replace(
    instance: SavingInstance, artifact: Artifact, data: object, run: Run | bool | None = None
) -> None:
    """Put other bytes in the place of this version's, those of a path, or of an object in memory."""
    with instance.files.as_path(data, artifact.suffix) as path:
        _replace(instance, artifact, path, run)


def _replace(
    instance: SavingInstance,
    artifact: Artifact,
    path: str | os.PathLike[str],
    run: Run | bool | None,
) -> None:
    root, key = instance.contents.where(artifact)
    home = (
        root
        if any(storage.root == root and storage.is_managed for storage in instance.files.storages())
        else instance.storage
    )
    source = instance.files.prepare(path, storage=home)
    if source.suffix != artifact.suffix or source.target is None or source.seen is None:
        raise InvalidArgument(
            f"{os.fspath(path)!r} cannot replace a {artifact.suffix or 'file without suffix'}",
            hint="save it as an artifact of its own",
        )
    content, maker = source.seen.digest, current.current_run() if run is None else run
    copy = managed_key(content, source.suffix)
    blob_copy = blobs.Copy(Path(source.path), source.seen, source.target.root, copy)
    blobs.copy_in([blob_copy])
    with _removing() as gone, instance.db.writing() as session:
        row = row_of(session, artifact)
        blobs.copy_in([blob_copy])  # if it was there already, it may have been deleted meanwhile
        was_copy, storage_id, content_id = row.is_copy, row.storage_id, row.content_id
        row.content_id, row.real_key, row.storage_id = (
            content_for(session, content),
            copy,
            source.target.id,
        )
        session.execute(
            update(RunArtifact)
            .where(RunArtifact.artifact_id == row.id)
            .values(content_id=row.content_id)
        )
        if isinstance(maker, Run):
            row.run_id = maker.id
            link(session, maker.id, row, "output", "replaced")
        session.flush()
        _forget(session, content_id)
        if was_copy and not _is_needed(session, storage_id, key):
            gone += blobs.set_aside(root, key)
        if not was_copy:
            gone += _spares(instance, session, artifact, content_id)
    show(artifact, row)
    Artifact.content.forget(artifact)


def _forget(session: Session, content_id: int | None, series_id: int | None = None) -> None:
    """Remove the rows that only the deleted artifact needed: its content and the series of its versions."""
    session.execute(delete(Content).where(Content.id == content_id, ~is_named(Content)))
    # A series with a key is made again by the next save under that key, and would count from zero.
    is_counted = ArtifactSeries.key.is_not(None) & is_remembered(ArtifactSeries.stem)
    unused = ArtifactSeries.id == series_id, ~is_named(ArtifactSeries), ~is_counted
    session.execute(delete(ArtifactSeries).where(*unused))


def settle_latest(session: Session, series_id: int) -> None:
    """Mark the newest version that is not in the trash as the latest."""
    visible = select(Artifact.id).where(
        Artifact.series_id == series_id, Artifact.deleted_at.is_(None)
    )
    newest = session.scalar(
        visible.order_by(Artifact.created_at.desc(), Artifact.number.desc()).limit(1)
    )
    session.flush()
    for is_latest, those in (
        (False, Artifact.id != (newest or 0)),
        (True, Artifact.id == (newest or 0)),
    ):
        session.execute(
            update(Artifact)
            .where(Artifact.series_id == series_id, those, Artifact.is_latest != is_latest)
            .values(is_latest=is_latest)
            .execution_options(synchronize_session="fetch")
        )


def _is_needed(session: Session, storage_id: int, key: str) -> bool:
    """Whether an artifact has its bytes there."""
    here = or_(Artifact.real_key == key, (Artifact.key == key) & Artifact.real_key.is_(None))
    return (
        session.scalar(select(Artifact.id).where(Artifact.storage_id == storage_id, here).limit(1))
        is not None
    )
