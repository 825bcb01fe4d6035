"""Which file artifacts are in which folder artifacts, computed again for the series that changed.

A version of a file lies in every version of a folder from its own time to its replacement. A file
that no run is known to have written began with the folder that was there when it was first seen:
whoever made the folder made the file. A later version of it, which no run wrote either, began with
the last folder that a run has written since the version before; else with its own time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, or_, select
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
    run_id: int | None = None
    """The run that wrote it, if one is known."""

    @property
    def position(self) -> tuple[datetime, int]:
        """The sort key of the version in its series."""
        return self.created_at, self.number


_ROW = select(
    Artifact.id,
    Artifact.series_id,
    Artifact.storage_id,
    Artifact.key,
    Artifact.real_key,
    Artifact.created_at,
    Artifact.number,
    Content.n_files,
    Artifact.run_id,
).outerjoin(Content, Artifact.content_id == Content.id)
_FOLDERS = _ROW.where(Content.n_files.is_not(None), Artifact.real_key.is_(None))


def relink(session: Session, artifacts: Collection[int], *, is_new: bool = False) -> None:
    """Rewrite the links of these versions to folders and to files in them; `is_new` if there are no links yet."""
    rows = [FolderMember(*row) for row in select_in(session, _ROW, Artifact.id, artifacts)]
    if not is_new:
        _unlink(session, [row.id for row in rows if _lies(row)])
    link(session, rows)


def link(session: Session, rows: Iterable[FolderMember]) -> None:
    """Link these versions with the folders that contain them and the files in them, and other versions of the same."""
    mine = [row for row in rows if _lies(row)]
    if not mine:
        return
    above = _folders_above(session, mine)
    below = {row.series_id: [row] for row in mine if row.n_files is not None}
    if not above and not below:
        return
    files = _versions_of(session, [row for row in mine if _folders_of(row, above)])
    ties: set[tuple[int, int]] = set()
    folder_ids: set[int] = set()
    for versions in files.values():
        for folders in _folders_of(versions[0], above):
            folder_ids |= {folder.id for folder in folders}
            ties.update(_ties(folders, versions))
    for series_id in below:
        folders, members = _below(session, series_id)
        folder_ids |= {folder.id for folder in folders}
        for series, versions in members.items():
            files[series] = versions
            ties.update(_ties(folders, versions))
    _write(session, ties, folder_ids, [file.id for group in files.values() for file in group])


def _ties(
    folders: Sequence[FolderMember], files: Sequence[FolderMember]
) -> Iterable[tuple[int, int]]:
    """The pairs of a version of a folder and a version of a file in it.

    >>> from datetime import UTC; t = lambda n: datetime(2026, 1, n, tzinfo=UTC)
    >>> file = lambda key, at, run: FolderMember(key, 1, 1, "d/f", None, t(at), key, None, run)
    >>> folder = lambda key, at: FolderMember(key, 2, 1, "d", None, t(at), key, 1)
    >>> sorted(_ties([folder(8, 2), folder(9, 6)], [file(1, 1, 5), file(2, 5, 5)]))
    [(8, 1), (9, 2)]
    """
    folders = sorted(folders, key=lambda folder: folder.position)
    times = [folder.created_at for folder in folders]
    written = [folder.created_at for folder in folders if folder.run_id is not None]
    files = sorted(files, key=lambda file: file.position)
    beginnings = [_beginning(files[0], None, times)]
    for previous, file in pairwise(files):
        beginnings.append(_beginning(file, previous, written))
    for folder in folders:
        number = bisect_right(beginnings, folder.created_at)
        if number:
            yield folder.id, files[number - 1].id


def _beginning(
    file: FolderMember, previous: FolderMember | None, folder_times: Sequence[datetime]
) -> datetime:
    """Since when this version lay in the folder: where no run wrote it, as the last of these folders was there."""
    number = bisect_right(folder_times, file.created_at)
    if file.run_id is not None or not number:
        return file.created_at
    at = folder_times[number - 1]
    return file.created_at if previous is not None and at <= previous.created_at else at


def _lies(row: FolderMember) -> bool:
    return row.key is not None and row.real_key is None  # a copy lies in no folder


def _containment_rows(session: Session, artifacts: Collection[int]) -> Iterable[Any]:
    return select_in(session, _CONTAINMENT, Containment.artifact_id, artifacts)


_CONTAINMENT = select(Containment.directory_id, Containment.artifact_id)


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


def _folders_of(
    row: FolderMember, above: Mapping[tuple[int, str], Mapping[int, Sequence[FolderMember]]]
) -> list[Sequence[FolderMember]]:
    """The versions of each folder that contains this path."""
    series: list[Sequence[FolderMember]] = []
    for key in _ancestors(row.key or ""):
        series += above.get((row.storage_id, key), {}).values()
    return series


def _versions_of(session: Session, rows: Collection[FolderMember]) -> dict[int, list[FolderMember]]:
    """All versions of the series of these files, which may not have been written yet themselves."""
    by_id = {row.id: row for row in rows}
    series_ids = {row.series_id for row in rows}
    for stored in select_in(session, _ROW, Artifact.series_id, series_ids):
        by_id[stored.id] = FolderMember(*stored)
    return _grouped(row for row in by_id.values() if _lies(row))


def _grouped(rows: Iterable[FolderMember]) -> dict[int, list[FolderMember]]:
    grouped: defaultdict[int, list[FolderMember]] = defaultdict(list)
    for row in rows:
        grouped[row.series_id].append(row)
    return dict(grouped)


def _below(
    session: Session, series_id: int
) -> tuple[list[FolderMember], dict[int, list[FolderMember]]]:
    """The versions of a folder, and those of every file below it by their series."""
    of_series = _ROW.where(Artifact.series_id == series_id)
    rows = [FolderMember(*row) for row in session.connection().execute(of_series)]
    folders = [row for row in rows if row.n_files is not None and _lies(row)]
    if not folders:
        return [], {}
    prefix = f"{folders[0].key}/"
    query = _ROW.where(
        Artifact.storage_id == folders[0].storage_id,
        Artifact.key >= prefix,
        Artifact.key < prefix[:-1] + chr(ord("/") + 1),
        Artifact.real_key.is_(None),
    )
    return folders, _grouped(FolderMember(*row) for row in session.connection().execute(query))


def _write(
    session: Session,
    ties: Collection[tuple[int, int]],
    folder_ids: Collection[int],
    file_ids: Collection[int],
) -> None:
    """Have these ties, and no other, between these folders and these files."""
    existing = {
        (row.directory_id, row.artifact_id)
        for row in _containment_rows(session, file_ids)
        if row.directory_id in folder_ids
    }
    for directory_id, artifact_id in sorted(existing - set(ties)):
        session.connection().execute(_CUT, {"directory": directory_id, "artifact": artifact_id})
    new = sorted(set(ties) - existing)
    insert_rows(
        session,
        Containment,
        [{"directory_id": above, "artifact_id": below} for above, below in new],
    )


_CUT = delete(Containment).where(
    Containment.directory_id == bindparam("directory"),
    Containment.artifact_id == bindparam("artifact"),
)
