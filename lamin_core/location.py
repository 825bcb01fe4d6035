"""Where things are on this machine: the instance that is at work here, and the spool for events.

Which instance that is, in this order: the one that `LAMIN_INSTANCE` names (`lamin --instance` sets it), the nearest
`.lamin/` at or above the working directory, as git finds a repository, and the user's default. A `.lamin/` either is
an instance, or says in one line (`.lamin/connected`) where the instance is that this folder works with.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from lamin_core.errors import NotFound

FOLDER = ".lamin"
SETTINGS = "instance.toml"
CONNECTED = "connected"
VARIABLE = "LAMIN_INSTANCE"


@dataclass(frozen=True, slots=True)
class Located:
    """The `.lamin` folder of an instance, and who said so: a variable, or a file."""

    folder: Path
    origin: str


def locate_instance(start: Path | None = None) -> Located | None:
    """The instance that is at work at `start`, by default the working directory; None where there is none.

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
        return _followed(marked / FOLDER)
    default = user_default()
    return Located(_read_pointer(default), str(default)) if default.is_file() else None


def find_instance(start: Path | None = None) -> Path | None:
    """The `.lamin` folder of the instance that is at work at `start`, see `locate_instance`."""
    located = locate_instance(start)
    return None if located is None else located.folder


def instance_for_children() -> str | None:
    """What `LAMIN_INSTANCE` says to processes that may start in another folder; None where there is no instance."""
    named = os.environ.get(VARIABLE, "")
    folder = find_instance()
    return named if is_url(named) else None if folder is None else str(folder)


def instance_folder(where: str | os.PathLike[str]) -> Path:
    """The `.lamin` folder that a user means: it, the folder that holds it, one that is connected, or a database URL.

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
    """What this user keeps about an instance that is known by its database alone: cache, spool, settings."""
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
        raise NotFound("the working directory is gone", hint="cd to one that is there") from None


def _is_marked(folder: Path) -> bool:
    # Other programs have folders of this name, too: LaminDB one in the home of its users.
    return (folder / SETTINGS).is_file() or (folder / CONNECTED).is_file()


def _followed(folder: Path) -> Located:
    pointer = folder / CONNECTED
    return Located(_read_pointer(pointer), str(pointer)) if pointer.is_file() else Located(folder, str(folder))


def _read_pointer(pointer: Path) -> Path:
    return Path(pointer.read_text(encoding="utf-8").rstrip("\n"))


def user_default() -> Path:
    """The file that names the instance of this user wherever no folder says another."""
    return user_config() / CONNECTED


def user_config() -> Path:
    """Where this user's own settings are."""
    return _base("XDG_CONFIG_HOME", "~/.config")


def spool_folder() -> Path:
    """Where events wait while no registry can be reached.

    `LAMIN_SPOOL`, else the instance's own folder, else the user's state folder.
    """
    named = os.environ.get("LAMIN_SPOOL")
    if named:
        return Path(named).expanduser().absolute()
    instance = find_instance()
    if instance is not None and instance.is_dir():
        return instance / "spool"
    return _base("XDG_STATE_HOME", "~/.local/state") / "spool"


def _base(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path(default).expanduser()) / "lamin"
