"""Which file artifacts lie in which folder artifacts: written anew for the versions that changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_rows, parts, select_in
from lamin_core.models import Artifact, Containment, Content


class FolderMember(NamedTuple):
    """An artifact as far as folders are concerned."""

    id: int
    series_id: int
    storage_id: int
    key: str | None
    real_key: str | None
    created_at: datetime
    number: int
    n_files: int | None


_ROW = select(
    Artifact.id,
    Artifact.series_id,
    Artifact.storage_id,
    Artifact.key,
    Artifact.real_key,
    Artifact.created_at,
    Artifact.number,
    Content.n_files,
).outerjoin(Content, Artifact.content_id == Content.id)
_FOLDERS = _ROW.where(Content.n_files.is_not(None), Artifact.real_key.is_(None))


def relink(session: Session, artifacts: Collection[int], *, is_new: bool = False) -> None:
    """Say anew which folders these versions lie in, and which files lie in them; `fresh` where none was linked yet."""
    rows = [FolderMember(*row) for row in select_in(session, _ROW, Artifact.id, artifacts)]
    if not is_new:
        _unlink(session, [row.id for row in rows if _lies(row)])
    link(session, rows)


def link(session: Session, rows: Iterable[FolderMember]) -> None:
    """Say which folders these versions lie in, and which files lie in them, of versions that are not linked yet."""
    mine = [row for row in rows if _lies(row)]
    if not mine:
        return
    above = _folders_above(session, mine)
    own = [row for row in mine if row.n_files is not None]
    pairs = {pair for row in mine for pair in _inside(row, above)}
    for series_id in {row.series_id for row in own}:
        pairs |= _below(session, series_id)
    if pairs:
        existing = {
            (row.directory_id, row.artifact_id)
            for row in _containment_rows(session, {below for _, below in pairs})
        }
        ties = sorted(pairs - existing)
        insert_rows(
            session,
            Containment,
            [{"directory_id": above, "artifact_id": below} for above, below in ties],
        )


def _lies(row: FolderMember) -> bool:
    return row.key is not None and row.real_key is None  # a copy lies in no folder


def _containment_rows(session: Session, artifacts: Collection[int]) -> Iterable[Any]:
    return select_in(session, _TIES, Containment.artifact_id, artifacts)


_TIES = select(Containment.directory_id, Containment.artifact_id)


def _unlink(session: Session, artifacts: Sequence[int]) -> None:
    for part in parts(artifacts):
        is_of = or_(Containment.artifact_id.in_(part), Containment.directory_id.in_(part))
        session.connection().execute(delete(Containment).where(is_of))


def _folders_above(
    session: Session, rows: Iterable[FolderMember]
) -> dict[tuple[int, str], dict[int, list[FolderMember]]]:
    """The folder versions at each storage and key on the way to these rows, by their series."""
    folder_keys = {(row.storage_id, above) for row in rows for above in _ancestors(row.key or "")}
    folders: defaultdict[tuple[int, str], dict[int, list[FolderMember]]] = defaultdict(dict)
    for row in select_in(session, _FOLDERS, Artifact.key, {key for _, key in folder_keys}):
        folder = FolderMember(*row)
        if folder.key is not None and (folder.storage_id, folder.key) in folder_keys:
            folders[folder.storage_id, folder.key].setdefault(folder.series_id, []).append(folder)
    return folders


def _ancestors(key: str) -> list[str]:
    """The folders on the way to this key.

    >>> _ancestors("a/b/c.txt")
    ['a', 'a/b']
    """
    steps = key.split("/")
    return ["/".join(steps[:depth]) for depth in range(1, len(steps))]


def _inside(
    row: FolderMember, above: dict[tuple[int, str], dict[int, list[FolderMember]]]
) -> Iterable[tuple[int, int]]:
    """The version of each folder that was there when this version of the file was seen, else the first one after."""
    if not above:
        return
    for key in _ancestors(row.key or ""):
        for versions in above.get((row.storage_id, key), {}).values():
            ordered = sorted(versions, key=lambda folder: (folder.created_at, folder.number))
            before = [folder for folder in ordered if folder.created_at <= row.created_at]
            yield (before[-1] if before else ordered[0]).id, row.id


def _below(session: Session, series_id: int) -> set[tuple[int, int]]:
    """The files below a folder, each with the version of the folder that it belongs to; outdated ties are cut."""
    folders = [
        FolderMember(*row)
        for row in session.connection().execute(_ROW.where(Artifact.series_id == series_id))
    ]
    folders = [row for row in folders if row.n_files is not None]
    if not folders:
        return set()
    prefix = f"{folders[0].key}/"
    query = _ROW.where(
        Artifact.storage_id == folders[0].storage_id,
        Artifact.key >= prefix,
        Artifact.key < prefix[:-1] + chr(ord("/") + 1),
        Artifact.real_key.is_(None),
    )
    files = [FolderMember(*row) for row in session.connection().execute(query)]
    _cut(session, [folder.id for folder in folders])
    versions = {(folders[0].storage_id, str(folders[0].key)): {series_id: folders}}
    return {pair for file in files for pair in _inside(file, versions)}


def _cut(session: Session, folders: Sequence[int]) -> None:
    for part in parts(folders):
        session.connection().execute(delete(Containment).where(Containment.directory_id.in_(part)))
