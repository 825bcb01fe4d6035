"""Paths on this machine: the instance in use, the spool, user files.

Which instance that is, in this order: the one that `LAMIN_INSTANCE` names (`lamin --instance` sets
it), the nearest `.lamin/` at or above the working directory, as git finds a repository, and the
user's default. A `.lamin/` either is an instance, or says in one line (`.lamin/connected`) where
the instance is that this folder works with. The second is found, not named by the user, so
`lamin_core.runtime.trust` decides whether it is used. This is the only walk in Python.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lamin_core.errors import LaminError, NotFound, Unavailable, UntrustedInstance
from lamin_core.runtime import trust

FOLDER = ".lamin"
SETTINGS = trust.SETTINGS
CONNECTED = trust.CONNECTED
VARIABLE = "LAMIN_INSTANCE"


@dataclass(frozen=True, slots=True)
class Located:
    """The `.lamin` folder of an instance, and the variable or file that names it.

    `database` is the URL that the instance names, as it was read when the instance was trusted;
    None where the user named the instance, which is read when it is opened.
    """

    folder: Path
    origin: str
    database: str | None = None


def locate_instance(start: Path | None = None) -> Located | None:
    """The instance that is used at `start`, by default the working directory; None if there is none.

    Raises `UntrustedInstance` for one that was found and may not be used, `Unavailable` where it
    may not be read.

    >>> import tempfile; root = Path(tempfile.mkdtemp()).resolve()
    >>> (root / ".lamin").mkdir(); _ = (root / ".lamin" / "instance.toml").write_text("")
    >>> (root / "a" / "b").mkdir(parents=True)
    >>> locate_instance(root / "a" / "b").folder == root / ".lamin"
    True
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Located(instance_folder(named), VARIABLE)
    marked = nearest_marked(start)
    if marked is not None:
        return _trusted(marked / FOLDER)
    default = user_default()
    return Located(_read_pointer(default), str(default)) if os.path.isfile(default) else None


def instance_of(folder: Path) -> Path | None:
    """The `.lamin` folder of the instance that this folder is in, is connected to, or that is the user's default.

    Whatever `LAMIN_INSTANCE` says, and whether or not it may be used: to compare with one that is.
    """
    with suppress(OSError):
        marked = nearest_marked(folder)
        if marked is not None:
            return _followed(marked / FOLDER).folder
        if user_default().is_file():
            return _read_pointer(user_default())
    return None


def find_instance(start: Path | None = None) -> Path | None:
    """The `.lamin` folder of the instance that is at work at `start`. Raises what `locate_instance` does."""
    located = locate_instance(start)
    return None if located is None else located.folder


def find_trusted_instance(start: Path | None = None) -> Path | None:
    """Find the instance like `find_instance`, but return None where it may not be used, so that no job is disturbed."""
    try:
        return find_instance(start)
    except LaminError:
        return None


def instance_for_children() -> str | None:
    """The value of `LAMIN_INSTANCE` for processes that may start in another folder; None without an instance."""
    named = os.environ.get(VARIABLE, "")
    folder = find_trusted_instance()
    return named if is_url(named) else None if folder is None else str(folder)


def instance_folder(where: str | os.PathLike[str]) -> Path:
    """The `.lamin` folder for what a user typed: itself, the folder around it, a connected folder, or a database URL.

    >>> {str(instance_folder(named)) for named in ("/projects/airway", "/projects/airway/.lamin")}
    {'/projects/airway/.lamin'}
    """
    if is_url(where):
        return database_folder(os.fspath(where))
    path = Path(os.path.abspath(Path(where).expanduser()))
    return _followed(path if path.name == FOLDER else path / FOLDER).folder


def is_url(where: str | os.PathLike[str]) -> bool:
    """Whether this names a database rather than a folder."""
    return "://" in os.fspath(where)


def database_folder(url: str) -> Path:
    """The folder of this user for an instance without a project folder: cache, spool, settings."""
    name = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    return _base("XDG_DATA_HOME", "~/.local/share") / "databases" / name / FOLDER


def nearest_marked(start: Path | None = None) -> Path | None:
    """The nearest folder at or above `start` that has an instance, or is connected to one."""
    here = Path(start or _working_directory()).absolute()
    return next((folder for folder in (here, *here.parents) if _is_marked(folder / FOLDER)), None)


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise NotFound("the working directory is gone", hint="cd to one that exists") from None


def _is_marked(folder: Path) -> bool:
    # Other programs have folders of this name, too: LaminDB one in the home of its users.
    return _is_file(folder / SETTINGS) or _is_file(folder / CONNECTED)


def _is_file(path: Path) -> bool:
    """Whether this file exists; True if this user may not look, so that opening it raises the error."""
    try:
        return path.is_file()
    except PermissionError:
        return True


def _trusted(folder: Path) -> Located:
    """The instance in a folder that was found, or that this folder is connected to, if it may be used."""
    states = [
        _state(path)
        for path in (folder, folder / CONNECTED, folder / SETTINGS, allowed_instances())
    ]
    return _examined(folder, tuple(states), allowed_instances(), os.geteuid())


def _state(path: Path) -> tuple[int, ...] | None:
    """Differs after every change of this file or folder that matters here; settings are asked for often."""
    try:
        status = path.stat()
    except OSError:
        return None
    owner = (status.st_uid, status.st_mode)
    return (status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, *owner)


@lru_cache(maxsize=64)
def _examined(
    folder: Path, _states: tuple[tuple[int, ...] | None, ...], allowed: Path, _user: int
) -> Located:
    marker = _trusted_marker(folder, allowed)
    if marker.name == SETTINGS:
        return Located(folder, str(folder), marker.named)
    target = Path(marker.named)
    if not _is_marked(target):  # for whoever opens it to say so
        return Located(target, str(marker.path))
    return Located(target, str(marker.path), _trusted_marker(target, allowed).named)


def _trusted_marker(folder: Path, allowed: Path) -> trust.Marker:
    try:
        marker = trust.read_marker(folder)
    except Unavailable as error:
        raise UntrustedInstance(error.message, error.hint, folder) from error
    if not trust.is_allowed(marker, allowed):
        trust.require_trust(marker, _is_own_database(folder))
        with suppress(OSError):  # of one from before there were records, the first
            _record(marker)
    return marker


def _is_own_database(folder: Path) -> bool:
    """Whether `lamin connect URL` made this folder: only this user writes below it."""
    return folder.parent.parent == _base("XDG_DATA_HOME", "~/.local/share") / "databases"


def require_trusted_instance(folder: Path) -> None:
    """Raise `UntrustedInstance` where the instance in this `.lamin` folder may only be used when it is named."""
    _trusted(folder)


def allow_instance(folder: Path) -> None:
    """Let the instance, or the connection, in this `.lamin` folder be used when it is found. Raises `OSError`."""
    marker = trust.read_marker(folder)
    if not trust.is_allowed(marker, allowed_instances()):
        _record(marker)


def _record(marker: trust.Marker) -> None:
    """Note it on the user's list, unless it may be used anyway."""
    if trust.objection(marker, _is_own_database(marker.folder)) is not None:
        trust.allow(marker, allowed_instances())


def forget_instance(start: Path) -> bool:
    """Remove the nearest instance at or above `start` from the user's list of permissions; whether it was listed."""
    marked = nearest_marked(start)
    if marked is None:
        return False
    marker = trust.read_marker(marked / FOLDER)
    if trust.is_own(marker):
        return False
    return trust.forget(marker.folder, allowed_instances())


def allowed_instances() -> Path:
    """The user's list of instances that may be used when they are found, though they are not only the user's own."""
    return user_config() / "allowed"


def _followed(folder: Path) -> Located:
    pointer = folder / CONNECTED
    if os.path.isfile(
        pointer
    ):  # False also where this user may not look: whoever opens the instance says so
        return Located(_read_pointer(pointer), str(pointer))
    return Located(folder, str(folder))


def _read_pointer(pointer: Path) -> Path:
    return Path(pointer.read_text(encoding="utf-8").rstrip("\n"))


def user_default() -> Path:
    """The file that names the instance of this user wherever no folder says another."""
    return user_config() / CONNECTED


def user_config() -> Path:
    """The settings file of this user."""
    return _base("XDG_CONFIG_HOME", "~/.config")


def spool_folder() -> Path:
    """The folder of events that wait while no registry can be reached.

    `LAMIN_SPOOL`, else the instance's own folder, else, also where that may only be read, the
    user's state folder.
    """
    named = os.environ.get("LAMIN_SPOOL")
    if named:
        return Path(named).expanduser().absolute()
    instance = find_trusted_instance()
    if instance is None or not os.path.isdir(instance):
        return user_spool()
    spool = instance / "spool"
    may_write = os.access(spool if spool.exists() else instance, os.W_OK)
    return spool if may_write else user_spool()


def user_spool() -> Path:
    """The folder of this user's events without an instance, or for one that may not be used or written to yet."""
    return _base("XDG_STATE_HOME", "~/.local/state") / "spool"


def user_cache() -> Path:
    """The folder of this user's caches, which can be removed at any time."""
    return _base("XDG_CACHE_HOME", "~/.cache")


def _base(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path(default).expanduser()) / "lamin"
