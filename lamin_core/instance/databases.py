"""The database of an instance: finding and opening it, without the other parts of an instance."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from lamin_core.db.database import Database
from lamin_core.errors import NO_INSTANCE, Conflict, InstanceNotFound, LaminError
from lamin_core.instance.moves import follow_project
from lamin_core.modules.installed import open_modules
from lamin_core.runtime.paths import (
    SETTINGS,
    VARIABLE,
    Located,
    database_folder,
    instance_folder,
    is_url,
)
from lamin_core.runtime.settings import read_toml
from lamin_core.runtime.trust import require_readable


class InstanceDatabase(NamedTuple):
    """A `.lamin` folder, and the URL of its database in the settings of the folder."""

    folder: Path
    url: str

    def connect(self) -> Database:
        """The database, checked. Raises `SchemaMismatch` or `Unavailable`."""
        return checked(Database(database_url(self.folder, self.url)))


def find_database(where: str | os.PathLike[str] | Located) -> InstanceDatabase:
    """The database of the instance in this folder, or at this URL. Raises `InstanceNotFound` or `Conflict`."""
    if isinstance(where, Located):
        folder = where.folder
        return InstanceDatabase(folder, where.database or database_in(folder))
    if is_url(where):
        return InstanceDatabase(database_folder(os.fspath(where)), os.fspath(where))
    folder = instance_folder(where)
    return InstanceDatabase(folder, database_in(folder))


def database_in(folder: Path) -> str:
    """The URL of the database of the instance in this `.lamin` folder. Raises `InstanceNotFound` or `Conflict`."""
    url = _named_database(folder)
    if url is None:
        require_readable(folder / SETTINGS)
        url = read_toml(folder / SETTINGS).get("db")
    if url is None:
        raise InstanceNotFound(f"no instance in {str(folder.parent)!r}", hint=NO_INSTANCE)
    if not isinstance(url, str):
        raise Conflict(
            f"{str(folder / SETTINGS)!r} names no database",
            hint='it says: db = "sqlite:///lamin.db"',
        )
    return url


def _named_database(folder: Path) -> str | None:
    """The URL in `LAMIN_INSTANCE`, if this is its folder, which need not exist."""
    named = os.environ.get(VARIABLE, "")
    return named if is_url(named) and database_folder(named) == folder else None


def database_url(folder: Path, url: str) -> str:
    """The absolute URL: a relative SQLite file is in `.lamin/`, so that the folder can be moved."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return f"{prefix}{folder / url.removeprefix(prefix)}"
    return url


def checked(database: Database) -> Database:
    """Return the database after checking the tables of this version and of its modules; closed if they do not match.

    Raises `SchemaMismatch` or `Unavailable`.
    """
    try:
        database.check()
        open_modules(database.modules)
        follow_project(database)
    except LaminError:
        database.dispose()
        raise
    return database
