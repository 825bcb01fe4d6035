"""Moved folders: a moved project is detected; a moved storage is reported with `lamin storage move`."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.errors import Conflict, InvalidArgument, LaminError, NotFound
from lamin_core.ingest.relocation import moved_path, remember_move
from lamin_core.models import InstanceRow, Storage
from lamin_core.storage.locations import checked_root, is_remote


def follow_project(database: Database) -> None:
    """Notice that the project was moved since its database was last opened.

    Its storages are relative to it anyway. What is noted lets events that name its files by their
    former paths mean the same files. Where the database may only be read, nothing is noted.
    """
    project = database.project
    if project is None or _last_folder(database) == project:
        return
    with suppress(LaminError), database.writing() as session:
        former = session.scalar(select(InstanceRow.folder))
        if former not in (None, project):
            remember_move(session, former, project)
        session.execute(update(InstanceRow).values(folder=project))


def _last_folder(database: Database) -> str | None:
    with database.reading() as session:
        return session.scalar(select(InstanceRow.folder))


@dataclass(frozen=True, slots=True)
class MovedStorage:
    """The root that a storage had, and the root that it has."""

    old: str
    new: str


def move_storage(database: Database, old: str, new: str) -> list[MovedStorage]:
    """Record that everything below the folder or URL `old` is now below `new`; the bytes are not moved here.

    Storages at or below `old` get their new roots, and keep their uids, keys and versions. Events that
    name files by their old paths mean the new ones.

    Raises:
        NotFound: Neither is a storage, or `new` is a folder that is not there.
        Conflict: There is another storage where one of them would be.
    """
    old, new = checked_root(old), checked_root(new)
    if old == new:
        raise InvalidArgument(f"not another folder: {new!r}", hint="lamin storage move OLD NEW")
    if not is_remote(new) and not os.path.isdir(new):
        raise NotFound(f"no folder at {new!r}", hint="move the files there first")
    with database.writing() as session:
        moved = _move_roots(session, old, new)
        remember_move(session, old, new)
    return moved


def _move_roots(session: Session, old: str, new: str) -> list[MovedStorage]:
    storages = list(session.scalars(select(Storage)))
    roots = {storage.root for storage in storages}
    moved = []
    for storage in storages:
        root = moved_path(storage.root, old, new)
        if root == storage.root:
            continue
        if root in roots:
            raise Conflict(
                f"{root!r} is another storage already",
                hint=f"`lamin list storage` lists both; {storage.root!r} stays as it is",
            )
        moved.append(MovedStorage(storage.root, root))
        session.execute(update(Storage).where(Storage.id == storage.id).values(root=root))
    if not moved and new not in roots:
        raise NotFound(f"no storage at or below {old!r}", hint="lamin list storage")
    return moved
