"""An instance: a database, the storages it knows, and everything that can be done with both.

A `.lamin/` folder marks it, as `.git/` marks a repository; two instances never share anything but what they point to.
"""

from __future__ import annotations

import getpass
import os
import tomllib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from lamin_core import context
from lamin_core.db import Database
from lamin_core.errors import Conflict, InstanceNotFound, InvalidArgument, LaminError, NotFound, Unavailable
from lamin_core.files import Files
from lamin_core.lineage.series import storage_for
from lamin_core.location import FOLDER, find_instance
from lamin_core.models import User
from lamin_core.querying.queryset import QuerySet, RelatedSet
from lamin_core.questions import Questions
from lamin_core.saving import delete, from_values, save
from lamin_core.storage import is_remote
from lamin_core.uids import random_uid

Record = TypeVar("Record")
_SETTINGS = "instance.toml"


class Instance:
    """The registry in one `.lamin` folder; `Instance.open` for one that is there, `Instance.create` for a new one."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.uid = settings["uid"]
        self.storage = settings["storage"]
        """Root of the managed storage: an absolute path or a URL."""
        self.db = Database(_database_url(folder, settings["db"]))

    @classmethod
    def open(cls, folder: Path, *, check: bool = True) -> Instance:
        """The instance in this `.lamin` folder. Raises `InstanceNotFound`, `SchemaMismatch` or `Unavailable`."""
        settings = folder / _SETTINGS
        try:
            read = tomllib.loads(settings.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InstanceNotFound(
                f"no instance in {str(folder.parent)!r}", hint="lamin init --storage ./data"
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise Conflict(f"{str(settings)!r} cannot be read: {error}", hint="restore it, or init anew") from error
        except OSError as error:
            raise Unavailable(f"{str(settings)!r} cannot be read: {error.strerror}") from error
        instance = cls(folder, read)
        try:
            if check:
                instance.db.check()
        except LaminError:
            instance.db.dispose()
            raise
        return instance

    @classmethod
    def create(cls, parent: Path, storage: str | os.PathLike[str], db: str | None = None) -> Instance:
        """Make an instance in `parent`; where one with the same storage and database is already, it is opened.

        `storage` is a folder (made if it is not there) or a URL; `db` an SQLAlchemy URL, by default a SQLite file
        inside `.lamin/`. Raises `Conflict` when another instance is there.
        """
        folder = parent.absolute() / FOLDER
        settings = {
            "uid": random_uid(12),
            "storage": _storage_root(os.fspath(storage), parent),
            "db": db or "sqlite:///lamin.db",
        }
        if (folder / _SETTINGS).exists():
            return _reopened(folder, settings)
        folder.mkdir(parents=True, exist_ok=True)
        instance = cls(folder, settings)
        instance.db.create()
        instance._register_storages()
        _write_settings(folder / _SETTINGS, settings)
        return instance

    def _register_storages(self) -> None:
        if not is_remote(self.storage):
            Path(self.storage).mkdir(parents=True, exist_ok=True)
        with self.db.writing() as session:
            storage_for(session, self.storage, is_managed=True)
            # The project's own folder: what engines write there is registered in place, with short keys.
            storage_for(session, str(self.folder.parent))

    @cached_property
    def user_id(self) -> int:
        """The primary key of who is at work here."""
        handle = _login_name()
        with self.db.writing() as session:
            found = session.scalar(select(User).where(User.handle == handle))
            if found is None:
                found = User(uid=random_uid(8), handle=handle)
                session.add(found)
                session.flush()
            return found.id

    @cached_property
    def files(self) -> Files:
        """The operations on an artifact's bytes."""
        return Files(self.db, self.storage, self.folder / "cache", self)

    @cached_property
    def lineage(self) -> Questions:
        """The questions about what made what."""
        return Questions(self.db)

    def query(self, registry: type[Record]) -> QuerySet[Record]:
        """A query set over all records of this registry."""
        return QuerySet(self.db, registry)

    def by_id(self, registry: type[Record], identity: int) -> Record:
        """The record with this primary key."""
        with self.db.reading() as session:
            found = session.get(registry, identity)
        if found is None:
            raise NotFound(f"no {registry.__name__} with id {identity}")
        return found

    def related(self, record: Any, relation: Any) -> RelatedSet:
        """The records that this relation ties to this one."""
        return RelatedSet(self.db, record, relation)

    def save(self, record: Record) -> Record:
        """Write the record, or find the one it is."""
        return save(self, record)

    def delete(self, record: Any) -> None:
        """Remove the record."""
        delete(self, record)

    def from_values(self, registry: type[Record], values: Iterable[str], *, create: bool) -> Any:
        """Records for these names."""
        return from_values(self, registry, values, create=create)


def connect(path: str | os.PathLike[str] | None = None) -> Instance:
    """Open the instance in this folder for this process.

    By default the one that `LAMIN_INSTANCE` names, else the nearest one in or above the working directory. Raises
    `InstanceNotFound`, `SchemaMismatch` or `Unavailable`.
    """
    folder = find_instance() if path is None else _folder_at(Path(path))
    if folder is None:
        raise InstanceNotFound(f"no instance in {str(Path.cwd())!r} or above", hint="lamin init --storage ./data")
    instance = Instance.open(folder)
    context.set_connection(instance)
    return instance


def init(storage: str | os.PathLike[str], *, db: str | None = None, path: str | os.PathLike[str] = ".") -> Instance:
    """Make an instance in this folder and connect to it; one that is there already is opened."""
    instance = Instance.create(Path(path), storage, db)
    context.set_connection(instance)
    return instance


def disconnect() -> None:
    """Forget the instance of this process; the next use looks for one again."""
    context.set_connection(None)


context.register_opener(connect)


def _folder_at(path: Path) -> Path:
    path = path.expanduser().absolute()
    return path if path.name == FOLDER else path / FOLDER


def _database_url(folder: Path, url: str) -> str:
    """Relative SQLite files are inside `.lamin/`, so that the folder can be moved."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return f"{prefix}{folder / url.removeprefix(prefix)}"
    return url


def _storage_root(storage: str, parent: Path) -> str:
    if not storage:
        raise InvalidArgument("an instance needs a storage", hint="lamin init --storage ./data")
    if is_remote(storage):
        return storage.rstrip("/")
    return os.path.abspath(parent.absolute() / Path(storage).expanduser())


def _reopened(folder: Path, wanted: dict[str, str]) -> Instance:
    instance = Instance.open(folder)
    if instance.storage != wanted["storage"] or instance.db.url != _database_url(folder, wanted["db"]):
        raise Conflict(
            f"{str(folder.parent)!r} has an instance already, with storage {instance.storage!r}",
            hint="work with that one, or init in another folder",
        )
    return instance


def _write_settings(path: Path, settings: dict[str, str]) -> None:
    quoted = "".join(f"{name} = {_toml_string(value)}\n" for name, value in settings.items())
    temporary = path.with_suffix(".part")
    temporary.touch(mode=0o600)  # a database URL may hold a password
    temporary.write_text(quoted, encoding="utf-8")
    temporary.rename(path)


def _toml_string(value: str) -> str:
    escaped = "".join(f"\\u{ord(c):04X}" if c < " " or c in '"\\\x7f' else c for c in value)
    return f'"{escaped}"'


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for this uid, as in many containers
        return str(os.getuid())
