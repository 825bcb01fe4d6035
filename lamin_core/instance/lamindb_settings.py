"""The attributes of LaminDB on `ln.settings` and `ln.setup.settings`: instance, user, storage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lamin_core.errors import NotHere
from lamin_core.instance.instance import Instance, login_name
from lamin_core.instance.modules import instance_name
from lamin_core.modules.installed import BUILT_IN
from lamin_core.runtime import current
from lamin_core.runtime import settings as configuration
from lamin_core.runtime.redaction import redact_text
from lamin_core.storage.locations import is_remote, root_type


class StorageRoot(str):
    """The root of a storage: a text, with the parts that LaminDB has of it.

    >>> root = StorageRoot("s3://bucket/data")
    >>> root == "s3://bucket/data", root.type, root.root_as_str
    (True, 's3', 's3://bucket/data')
    """

    __slots__ = ()

    @property
    def root(self) -> Path | str:
        """A `pathlib.Path`, or the URL as text."""
        return str(self) if is_remote(self) else Path(self)

    @property
    def root_as_str(self) -> str:
        """The same as text."""
        return str(self)

    @property
    def type(self) -> str:
        """`local`, or the scheme of the URL."""
        return root_type(self)

    @property
    def type_is_cloud(self) -> bool:
        """Whether it is a URL."""
        return is_remote(self)


def _not_here(owner: str, name: str, names: str) -> AttributeError:
    """Return the error for a setting that there is not."""
    if name.startswith("_"):
        return AttributeError(name)
    return NotHere(f"{owner} has no {name!r} here", hint=f"there are: {names}")


class UserHandle(str):
    """The current user: a text, with the attributes that LaminDB has for a user.

    >>> UserHandle("alice").handle
    'alice'
    """

    __slots__ = ()

    @property
    def handle(self) -> str:
        """The same as text."""
        return str(self)

    @property
    def name(self) -> str | None:
        """The setting `user_name`."""
        value = configuration.settings.user_name
        return None if value is None else str(value)

    def __getattr__(self, name: str) -> Any:
        """Say what to use instead of what LaminDB's hub knows. Raises `NotHere`."""
        raise _not_here("ln.settings.user", name, "handle, name; ln.User.get(handle=...)")


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """The instance at work: it has no account on a server, so its owner is the user of this machine."""

    owner: str
    name: str
    uid: str
    db: str
    """The URL of the database, without its password."""
    dialect: str
    storage: StorageRoot
    modules: frozenset[str]

    @property
    def slug(self) -> str:
        """Owner and name."""
        return f"{self.owner}/{self.name}"

    @property
    def is_remote(self) -> bool:
        """Whether database or storage are reached over a network."""
        return self.dialect != "sqlite" or self.storage.type_is_cloud

    @property
    def is_on_hub(self) -> bool:
        """False: there is no hub."""
        return False

    def __getattr__(self, name: str) -> Any:
        """Say what to use instead of what LaminDB's hub knows. Raises `NotHere`."""
        names = "db, dialect, is_remote, modules, name, owner, slug, storage, uid"
        raise _not_here("ln.settings.instance", name, names)


@dataclass(slots=True)
class Creation:
    """`ln.settings.creation`: switches of LaminDB for what it prints or compares on creating; none is needed here."""

    artifact_silence_missing_run_warning: bool = False
    artifact_skip_size_hash: bool = False
    search_names: bool = False


@dataclass(slots=True)
class Annotation:
    """`ln.settings.annotation`: how many labels LaminDB makes at most of one column."""

    n_max_records: int = 1000


def user_handle() -> UserHandle:
    """The current user; sends no query."""
    return UserHandle(configuration.settings.look_up("user").value or login_name())


def instance_facts() -> InstanceFacts:
    """The instance at work. Raises `InstanceNotFound`."""
    instance = cast(Instance, current.current_instance())
    return InstanceFacts(
        owner=user_handle().handle,
        name=instance_name(instance.folder),
        uid=instance.uid,
        db=redact_text(instance.db.url),
        dialect=instance.db.url.partition(":")[0].partition("+")[0],
        storage=StorageRoot(instance.storage),
        modules=frozenset({*BUILT_IN, *instance.db.modules}),
    )


class SetupSettings:
    """`ln.setup.settings`.

    >>> SetupSettings().user.handle == user_handle().handle
    True
    """

    @property
    def instance(self) -> InstanceFacts:
        """The instance at work. Raises `InstanceNotFound`."""
        return instance_facts()

    @property
    def user(self) -> UserHandle:
        """The current user."""
        return user_handle()

    @property
    def storage(self) -> StorageRoot:
        """The storage that copies go into."""
        return storage_root()

    @property
    def cache_dir(self) -> Path:
        """The folder of the cache for downloaded files."""
        instance = cast(Instance, current.current_instance())
        return Path(configuration.settings.cache_dir or instance.folder / "cache")

    def __getattr__(self, name: str) -> Any:
        raise _not_here("ln.setup.settings", name, "instance, user, storage, cache_dir")


def storage_root() -> StorageRoot:
    """The storage that copies go into. Raises `InstanceNotFound`."""
    return StorageRoot(configuration.settings.storage)


def _own_storage() -> str:
    return cast(Instance, current.current_instance()).storage


settings = SetupSettings()
creation, annotation = Creation(), Annotation()
configuration.VIEWS["storage"] = lambda value: StorageRoot(value or _own_storage())
configuration.VIEWS["user"] = lambda value: UserHandle(value or login_name())
configuration.PARTS.update(
    {
        "annotation": lambda: annotation,
        "creation": lambda: creation,
        "instance": instance_facts,
        "instance_uid": lambda: instance_facts().uid,
    }
)
