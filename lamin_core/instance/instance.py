"""An instance: a database, its storages, and the operations that need both.

A `.lamin/` folder marks it, as `.git/` marks a repository; two instances never share anything but
what they point to. The folder says where the database is, and the database which instance it is and
where copies go: whoever knows the URL of a database has the instance.
"""

from __future__ import annotations

import getpass
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, select
from sqlalchemy.orm import Session

from lamin_core import saving
from lamin_core.curation import collections
from lamin_core.curation.objects import curator_of
from lamin_core.db.database import Database
from lamin_core.errors import (
    NO_INSTANCE,
    Conflict,
    InstanceNotFound,
    InvalidArgument,
    LaminError,
    NotFound,
)
from lamin_core.ingest.datasets import storage_for
from lamin_core.instance.databases import (
    checked,
    database_in,
    database_url,
    find_database,
)
from lamin_core.instance.lineage_service import LineageService
from lamin_core.instance.modules import (
    check_instance_name,
    check_modules,
    instance_name,
    rename_instance,
)
from lamin_core.instance.run_service import RunService
from lamin_core.instance.waiting import bring_in
from lamin_core.models import Artifact, Collection, Feature, InstanceRow, Schema, Storage, User
from lamin_core.models.base import Registry
from lamin_core.models.relations import relations_of
from lamin_core.modules.installed import open_modules
from lamin_core.query.describe import description
from lamin_core.query.queryset import SQLQuerySet
from lamin_core.query.relation_manager import SQLRelatedSet, all_reached, ordered_members, slots
from lamin_core.runtime import child_environment, current, sharing
from lamin_core.runtime.paths import (
    CONNECTED,
    FOLDER,
    SETTINGS,
    Located,
    allow_instance,
    database_folder,
    instance_folder,
    locate_instance,
    require_trusted_instance,
)
from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.settings import (
    ANSWERS,
    apply_verbosity,
    secret_settings,
    settings,
    write_toml,
)
from lamin_core.runtime.sharing import Sharing
from lamin_core.runtime.trust import permission_denied, require_own_folder, require_readable
from lamin_core.saving import from_values
from lamin_core.saving.annotations import FeatureValues, LabelSet
from lamin_core.saving.contents import Contents
from lamin_core.saving.files import Files
from lamin_core.saving.from_values import Records
from lamin_core.storage.digest_cache import DigestCache
from lamin_core.storage.locations import checked_root, is_remote
from lamin_core.uids import random_uid

logger = logging.getLogger("lamin")
Record = TypeVar("Record")
_FACTS = select(InstanceRow.uid, Storage.root).join(Storage, Storage.id == InstanceRow.storage_id)


class Instance:
    """The registry in one `.lamin` folder; `Instance.open` for one that is there, `Instance.create` for a new one."""

    def __init__(self, folder: Path, db: str) -> None:
        self.folder = folder
        self.db = Database(database_url(folder, db))
        self._is_up_to_date = False

    @classmethod
    def open(cls, folder: Path, *, check: bool = True) -> Instance:
        """The instance in this `.lamin` folder. Raises `InstanceNotFound`, `SchemaMismatch` or `Unavailable`."""
        url = database_in(folder)
        return cls(folder, url)._checked() if check else cls(folder, url)

    @classmethod
    def located(cls, located: Located, *, check: bool = True) -> Instance:
        """The instance that was located; of one that was found, the database that was read when it was trusted."""
        if not located.database:
            return cls.open(located.folder, check=check)
        instance = cls(located.folder, located.database)
        return instance._checked() if check else instance

    @classmethod
    def at(cls, url: str) -> Instance:
        """The instance whose database is at this URL. Raises `SchemaMismatch` or `Unavailable`."""
        return cls(database_folder(url), url)._checked()

    def _checked(self) -> Instance:
        checked(self.db)
        return self

    @classmethod
    def create(
        cls,
        parent: Path,
        storage: str | os.PathLike[str],
        db: str | None = None,
        modules: Sequence[str] = (),
    ) -> Instance:
        """Create an instance; an existing one with the same storage and database is opened.

        Args:
            parent: The folder in which `.lamin/` is made.
            storage: A folder, which is made if it does not exist, or a URL.
            db: An SQLAlchemy URL; by default a SQLite file inside `.lamin/`.
            modules: Installed registry modules, whose tables are made, too.

        Raises:
            Conflict: The folder has another instance already, or a migration of a module fails;
                then nothing is made.
            NotFound: A module has no migrations.
        """
        folder = parent.absolute() / FOLDER
        root, url = _storage_root(os.fspath(storage), parent), db or "sqlite:///lamin.db"
        require_readable(folder / SETTINGS)
        require_readable(folder / CONNECTED)
        require_no_connection(folder)
        if (folder / SETTINGS).exists():
            return _reopened(folder, root, url, modules)
        instance = cls(folder, url)
        is_new = not folder.exists()
        sharing.make_instance_folder(folder)
        require_own_folder(folder)
        sharing.narrow(folder)
        sharing.create_file(folder / ".gitignore", sharing.file_mode(folder))
        (folder / ".gitignore").write_text(
            "# A registry, and perhaps a password: nothing for a repository.\n*\n"
        )
        try:
            instance.db.create(_deployment(modules))
            instance._settle(root)
            open_modules(instance.db.modules)
        except LaminError:
            instance.db.dispose()
            if is_new:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        write_toml(folder / SETTINGS, {"db": url})
        remember(folder)
        return instance

    def _settle(self, root: str) -> None:
        """Let the database say which instance it is, and know the storage and the project's own folder."""
        with self.db.writing() as session:
            row = session.execute(_FACTS).first()
            if row is None:
                storage = storage_for(session, root, is_managed=True)
                session.add(
                    InstanceRow(uid=random_uid(12), storage_id=storage.id, folder=self.db.project)
                )
            elif row.root != root:
                shown = redact_text(self.db.url)
                raise Conflict(
                    f"{shown} already is a registry, with storage {row.root!r}",
                    hint=f"lamin connect {shown}",
                )
            # What engines write here is registered in place, with short keys.
            storage_for(session, str(self.folder.parent))
        if not is_remote(root):
            Path(root).mkdir(parents=True, exist_ok=True)

    def add_modules(self, modules: Sequence[str]) -> None:
        """Make the tables of these registry modules, or bring them to the newest schema, all or none."""
        make = _deployment(modules)
        if make is not None:
            with self.db.writing() as session:
                make(session.connection())
            self.db.check()
            open_modules(self.db.modules)

    def share(self, choice: Sharing) -> None:
        """Let the group of the project folder use the instance, or this user alone.

        A SQLite database, settings without a password, the cache and the spool get modes for it,
        and the local folder of the storage. Raises `Unavailable` where something belongs to
        somebody else.
        """
        try:
            sharing.share(self.folder, choice, secret=secret_settings(self.folder / SETTINGS))
            if not is_remote(self.storage) and choice is not Sharing.PRIVATE:
                sharing.share_storage(Path(self.storage), choice)
        except PermissionError as error:
            raise permission_denied(Path(os.fsdecode(error.filename))) from error

    def adopt_folder(self, project: Path) -> None:
        """Know this folder as a storage, so that files in it have short keys."""
        with self.db.writing() as session:
            storage_for(session, str(project))

    @cached_property
    def _facts(self) -> Row[tuple[str, str]]:
        with self.db.reading() as session:
            row = session.execute(_FACTS).first()
        if row is None:
            raise Conflict(
                f"{redact_text(self.db.url)} does not say which instance it is",
                hint="lamin init --storage WHERE --db URL",
            )
        return row

    @property
    def uid(self) -> str:
        """12 characters, the same for everybody who works with this database."""
        uid: str = self._facts.uid
        return uid

    @cached_property
    def storage(self) -> str:
        """Root of the managed storage: an absolute path or a URL."""
        root: str = self._facts.root
        return root

    @cached_property
    def user_id(self) -> int:
        """The primary key of who is at work here: the setting `user`, or the login name."""
        with self.db.writing() as session:
            return current_user(session)

    @cached_property
    def files(self) -> Files:
        """The sources of new artifacts."""
        return Files(self.db, self.storage, self._digests)

    @cached_property
    def contents(self) -> Contents:
        """The bytes of saved artifacts."""
        storages = self.files.storages
        return Contents(self.db, self._cache, self, self._digests, storages)

    @cached_property
    def _digests(self) -> DigestCache:
        return DigestCache(self._cache / "digests.db", shown=True)

    @cached_property
    def _cache(self) -> Path:
        return Path(settings.cache_dir or self.folder / "cache")

    @cached_property
    def lineage(self) -> LineageService:
        """The questions about what made what."""
        self._bring_in()
        return LineageService(self.db, lambda path: self.files.digest_of(path))

    def _bring_in(self) -> None:
        """Once before the first question, bring in what waits."""
        if not self._is_up_to_date:
            self._is_up_to_date = True  # what is brought in asks nothing
            self._is_up_to_date = bring_in(self)

    @cached_property
    def runs(self) -> RunService:
        """The start and the end of runs."""
        return RunService(self.db, self._bring_in)

    save = saving.save
    delete = saving.delete
    trash = saving.trash
    restore = saving.restore
    erase = saving.erase
    replace = saving.replace
    from_values = from_values.from_values

    def together(self, records: Iterable[Any]) -> Records:
        """Return these records as a list that `save()` writes at once."""
        return Records(self, records)

    members = collections
    """Operations on all members of a collection: cache, load, open, map."""

    def ordered_members(self, collection: Collection) -> SQLQuerySet[Artifact]:
        """The artifacts of a collection in the order in which they were passed."""
        return ordered_members(self.db, collection, Collection.artifacts)

    def ordered_features(self, schema: Schema) -> SQLQuerySet[Feature]:
        """The features of a schema in the order in which they were passed."""
        return ordered_members(self.db, schema, Schema.features)

    def artifact_of(
        self,
        kind: type[Artifact],
        data: object,
        schema: Schema | None,
        *,
        key: str | None,
        description: str | None,
        **arguments: object,
    ) -> Artifact:
        """An artifact of an object in memory, to be saved; with a schema it is validated now."""
        curator = None
        if schema is not None:
            curator = curator_of(data, schema)
            curator.validate()
            data = curator.dataset
        artifact = self.files.from_object(kind, data, key=key, description=description, **arguments)
        if curator is not None:
            curator.annotate_on_save(artifact)
        return artifact

    def query(
        self, registry: type[Record], query: Select[Any] | None = None
    ) -> SQLQuerySet[Record]:
        """A query set over all records of this registry, or over those of this SQL query."""
        self._bring_in()
        return SQLQuerySet(self.db, registry, query)

    def by_id(self, registry: type[Record], identity: int) -> Record:
        """The record with this primary key."""
        with self.db.reading() as session:
            record = session.get(registry, identity)
        if record is None:
            raise NotFound(f"no {registry.__name__} with id {identity}")
        return record

    def related(self, record: Any, relation: Any) -> SQLRelatedSet[Any]:
        """The records that this relation ties to this one."""
        return SQLRelatedSet(self.db, record, relation)

    def describe(self, record: object) -> None:
        """Print what is known about this record."""
        print(description(self.db, record))  # noqa: T201 - this is what it is for

    def reached(self, record: Any, relation: str) -> SQLQuerySet[Any]:
        """The records on all paths from this one over a relation to records of its own kind."""
        return all_reached(self.db, record, relations_of(type(record))[relation])

    def slots(self, schema: Any) -> dict[str, Any]:
        """The schema of each slot of a composite one."""
        return slots(self.db, schema)

    def features(self, record: Registry) -> FeatureValues:
        """The values that this record has for features."""
        return FeatureValues(self.db, record)

    def labels(self, record: Registry) -> LabelSet:
        """The labels that this record has, also as values of features."""
        return LabelSet(self.db, record)


def connect(
    where: str | os.PathLike[str] | None = None, *, instance: str | os.PathLike[str] | None = None
) -> Instance:
    """Open an instance for this process.

    Args:
        where: A folder, or the URL of a database. By default the instance that `LAMIN_INSTANCE`
            names, else the nearest one in the working directory or above it, else the default
            instance of the user.
        instance: Another name of `where`, for scripts written for LaminDB.

    Returns:
        The instance, which is now the current one.

    Raises:
        InstanceNotFound: There is no such instance.
        SchemaMismatch: Another version created its tables; `lamin migrate` upgrades older ones.
        UntrustedInstance: The instance was only found, and this user has not allowed it.
        Unavailable: The database cannot be reached.
    """
    target = instance if where is None else where
    connected = at_work() if target is None else opened(target)
    apply_verbosity(settings.verbosity)
    _change_to(connected)
    return connected


def opened(where: str | os.PathLike[str] | Located) -> Instance:
    """The instance in this folder, or of the database at this URL, without connecting this process to it."""
    return Instance(*find_database(where))._checked()


def at_work(*, check: bool = True) -> Instance:
    """The instance that is at work here, not connected; without `check`, also where its database is of no use."""
    located = locate_instance()
    if located is None:
        raise InstanceNotFound(f"no instance in {str(Path.cwd())!r} or above", hint=NO_INSTANCE)
    return Instance.located(located, check=check)


def init(
    storage: str | os.PathLike[str],
    *,
    db: str | None = None,
    path: str | os.PathLike[str] = ".",
    name: str | None = None,
    modules: str | Iterable[str] | None = None,
) -> Instance:
    """Create an instance and connect to it. An existing instance with the same storage and database is opened.

    Args:
        storage: The root of the storage for copies: a URL, or a folder, which is created if it does
            not exist.
        db: An SQLAlchemy URL of SQLite or PostgreSQL; by default a SQLite file in `.lamin/`.
        path: The folder in which `.lamin/` is created.
        name: The name of the instance; by default the name of the folder.
        modules: Names of installed registry modules, such as `"wetlab"`; `bionty` is always there.

    Returns:
        The instance, which is now the current one.

    Raises:
        Conflict: The folder has an instance with another storage or database.
        InvalidArgument: The name or a module is not valid.
        NotFound: A module has no migrations.
        Unavailable: The database or the storage cannot be reached.
    """
    chosen = check_modules(modules)
    new_name = check_instance_name(name)
    instance = Instance.create(Path(path), storage, db, chosen)
    if new_name is not None and new_name != instance_name(instance.folder):
        rename_instance(instance.folder, new_name)
    _change_to(instance)
    return instance


def require_no_connection(folder: Path) -> None:
    """Raise `Conflict` where this `.lamin` folder says that another instance is at work: one made here would not be.

    Raises `Unavailable` where this user may not look into the folder.
    """
    require_readable(folder / CONNECTED)
    if (folder / CONNECTED).is_file():
        connected_folder = instance_folder(folder)
        raise Conflict(
            f"{str(folder.parent)!r} is connected to the instance {str(connected_folder)!r}",
            hint="work with that one, or `lamin disconnect` and then `lamin init`",
        )


def remember(folder: Path) -> None:
    """Note that this user chose the instance in this `.lamin` folder, so that it is used wherever it is found."""
    try:
        allow_instance(folder)
    except OSError as error:  # a home that cannot be written to, as in a container
        logger.debug("%s is not noted as allowed: %s", folder, error)


def disconnect() -> None:
    """Forget the current instance and close its idle connections; the next use looks for an instance again."""
    _change_to(None)


def _change_to(instance: Instance | None) -> None:
    before = current.set_current_instance(instance)
    if isinstance(before, Instance) and before is not instance:
        before.db.dispose()  # whoever still holds it gets new connections


ANSWERS["storage"] = lambda: current.current_instance().storage
current.register_engine(child_environment.inherited_parent, outermost=True)


def _storage_root(storage: str, parent: Path) -> str:
    if not storage:
        raise InvalidArgument("an instance needs a storage", hint=NO_INSTANCE)
    return checked_root(storage, parent.absolute())


def _deployment(modules: Sequence[str]) -> Callable[[Connection], None] | None:
    """A function that creates the tables of these modules; None without modules."""
    if not modules:
        return None
    from lamin_core.modules.deployment import check_migrations, deploy  # imports Alembic

    check_migrations(modules)
    return lambda connection: deploy(connection, modules)


def _reopened(folder: Path, root: str, url: str, modules: Sequence[str]) -> Instance:
    require_trusted_instance(folder)
    instance = Instance.open(folder)
    if instance.storage != root or instance.db.url != database_url(folder, url):
        raise Conflict(
            f"{str(folder.parent)!r} already has an instance, with storage {instance.storage!r}",
            hint="work with that one, or init in another folder",
        )
    instance.add_modules(modules)
    return instance


def login_name() -> str:
    """The name of this user on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for this uid, as in many containers
        return str(os.getuid())


def current_user(session: Session) -> int:
    """The primary key of the user that is set, or of the login name; written if it is new."""
    handle, name = settings.look_up("user").value or login_name(), settings.user_name
    user = session.scalar(select(User).where(User.handle == handle))
    if user is None:
        user = User(uid=random_uid(8), handle=handle)
        session.add(user)
    user.name = name or user.name
    session.flush()
    return user.id
