"""Create an instance, connect to one, save many records at once."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from lamin_core.errors import (
    Conflict,
    InvalidArgument,
    NotFound,
    NotHere,
    ReadOnly,
    Unavailable,
    UntrustedInstance,
)
from lamin_core.instance.instance import Instance, connect, disconnect, init, remember
from lamin_core.instance.lamindb_settings import settings
from lamin_core.models.lamindb_names import check_options
from lamin_core.runtime import current
from lamin_core.runtime.paths import (
    CONNECTED,
    FOLDER,
    SETTINGS,
    VARIABLE,
    allow_instance,
    allowed_instances,
    forget_instance,
    is_url,
    nearest_marked,
    require_trusted_instance,
    user_default,
)
from lamin_core.runtime.settings import write_toml
from lamin_core.runtime.sharing import make_instance_folder
from lamin_core.saving import save_all

__all__ = ["attach", "connect", "detach", "disconnect", "init", "save", "settings"]


_NOT_HERE = {
    "login": "nobody logs in; ln.settings.user = 'handle', or: lamin settings set user HANDLE --user",
    "logout": "nobody logs in; lamin settings unset user --user",
    "close": "ln.disconnect()",
    "delete": "remove the folder .lamin and the storage",
    "migrate": "lamin migrate",
    "register": "there is no hub to register at",
}


def __getattr__(name: str) -> object:
    """Say what to use instead of a name of LaminDB. Raises `NotHere` or `AttributeError`."""
    if name in _NOT_HERE:
        raise NotHere(f"ln.setup has no {name!r}", hint=_NOT_HERE[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)


def save(records: Iterable[Any], **options: object) -> None:
    """Save many records in a few SQL statements, either all of them or none.

    Args:
        records: Records of any registries, new or changed.
        options: Arguments of LaminDB, which are ignored or refused.

    Raises:
        InvalidArgument: An item is not a record, or a field has a value that cannot be stored.
        Conflict: A record contradicts one in the registry.
    """
    check_options("save", options)
    save_all(cast(Instance, current.current_instance()), records)


def attach(where: str, project: Path | None = None) -> Path:
    """Connect a folder, and the folders below it, to an instance.

    Args:
        where: The folder of the instance, or the URL of its database.
        project: The folder to connect. Without it, the instance becomes the default of the user.

    Returns:
        The file that stores the connection.

    Raises:
        Conflict: The folder is an instance itself.
        InstanceNotFound: There is no such instance.
        Unavailable: The database cannot be reached.
    """
    pointer = user_default() if project is None else project / FOLDER / CONNECTED
    if project is not None and os.path.exists(project / FOLDER / SETTINGS):
        raise Conflict(
            f"{str(project)!r} is an instance itself",
            hint=f"connect another folder, or all of your others: lamin connect {shlex.quote(where)} --user",
        )
    _check_absolute(where)
    try:
        instance = connect(where)
    except Unavailable as error:
        if is_url(where) and "restore" in (error.hint or ""):
            error.hint = "name an instance: its folder, or the URL of its database"
        raise
    if is_url(where):
        make_instance_folder(instance.folder)
        write_toml(instance.folder / SETTINGS, {"db": where})
    _write_pointer(pointer, instance.folder)
    if project is not None:
        remember(pointer.parent)
    remember(instance.folder)
    if project is not None:
        with contextlib.suppress(ReadOnly):  # reading needs no storage of its own
            instance.adopt_folder(project)
    return pointer


def _check_absolute(where: str) -> None:
    """Raise `InvalidArgument` for the URL of a SQLite file with a relative path."""
    scheme, _, path = where.partition(":///")
    if scheme.startswith("sqlite") and path and not path.startswith("/"):
        raise InvalidArgument(
            f"a relative path in the URL of a database: {where!r}",
            hint=f"lamin connect {shlex.quote(f'{scheme}:///{os.path.abspath(path)}')}",
        )


def _write_pointer(pointer: Path, folder: Path) -> None:
    """Write the file readable for everybody, since it contains no secret, and writable for the user only."""
    pointer.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    descriptor = os.open(pointer, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{folder}\n")


def allow(where: str, project: Path) -> Path | None:
    """Allow the use of the instance that is found from this folder, if it is the one at `where`.

    Returns its `.lamin` folder, or None if it needs no permission. Raises what `ln.connect` raises.
    """
    marked = nearest_marked(project)
    if marked is None or is_url(where) or not _is_same(where, marked / FOLDER):
        return None
    folder = marked / FOLDER
    try:
        require_trusted_instance(folder)
    except UntrustedInstance:
        instance = connect(folder)
        for allowed in (folder, instance.folder):
            _allow(allowed)
        return folder
    return None


def _is_same(where: str, folder: Path) -> bool:
    path = Path(os.path.abspath(Path(where).expanduser()))
    return (path if path.name == FOLDER else path / FOLDER) == folder


def _allow(folder: Path) -> None:
    try:
        allow_instance(folder)
    except OSError as error:
        raise Unavailable(
            f"{str(allowed_instances())!r} cannot be written: {error.strerror}",
            hint=f"export {VARIABLE}={folder}",
        ) from error


def detach(start: Path | None = None) -> Path:
    """Remove a connection that `attach` made; the instance and its records stay.

    Args:
        start: The connection of this folder or the nearest folder above it is removed. If an instance
            of somebody else was allowed there, the permission is removed. Without it, the default of
            the user is removed.

    Returns:
        The removed file, or the list of permissions of the user.

    Raises:
        NotFound: There is no connection.
        Conflict: The nearest `.lamin` is an instance itself.
    """
    if start is not None and forget_instance(start):
        disconnect()
        return allowed_instances()
    pointer = user_default() if start is None else _pointer_above(start)
    if not pointer.is_file():
        raise NotFound("no default instance is set", hint="lamin info --show-origin")
    pointer.unlink()
    with contextlib.suppress(OSError):  # something else is in it
        pointer.parent.rmdir()
    disconnect()
    return pointer


def _pointer_above(start: Path) -> Path:
    folder = nearest_marked(start)
    if folder is None:
        raise NotFound(
            f"{str(start)!r} is not connected to an instance", hint="lamin info --show-origin"
        )
    if not (folder / FOLDER / CONNECTED).is_file():
        raise Conflict(
            f"{str(folder)!r} is an instance itself, not connected to one",
            hint="nothing to disconnect; `lamin info --show-origin` says which instance is used here",
        )
    return folder / FOLDER / CONNECTED
