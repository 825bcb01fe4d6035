"""Setting up: make an instance, connect to one, save many records at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from lamin_core import context
from lamin_core.configuration import write_toml
from lamin_core.errors import Conflict, NotFound, ReadOnly
from lamin_core.instance import Instance, connect, disconnect, init
from lamin_core.location import CONNECTED, FOLDER, SETTINGS, is_url, nearest_marked, user_default
from lamin_core.saving import save_all

__all__ = ["attach", "connect", "detach", "disconnect", "init", "save"]


def save(records: Iterable[Any]) -> None:
    """Save many records; labels, features and users among them in one transaction."""
    save_all(cast(Instance, context.connection()), records)


def attach(where: str, project: Path | None = None) -> Path:
    """Let this folder and what is below work with the instance at `where`, a folder or the URL of a database.

    Without a folder, the instance becomes the user's default. Returns the file that says so from now on. Raises
    `Conflict` where the folder is an instance itself, and what `ln.connect` raises.
    """
    pointer = user_default() if project is None else project / FOLDER / CONNECTED
    if project is not None and (project / FOLDER / SETTINGS).exists():
        raise Conflict(
            f"{str(project)!r} is an instance itself", hint="connect another folder, or `lamin connect --user`"
        )
    instance = connect(where)
    if is_url(where):
        instance.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_toml(instance.folder / SETTINGS, {"db": where})
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.write_text(f"{instance.folder}\n", encoding="utf-8")  # no secret: who shares the folder reads it
    if project is not None:
        with contextlib.suppress(ReadOnly):  # reading needs no storage of its own
            instance.adopt_folder(project)
    return pointer


def detach(start: Path | None = None) -> Path:
    """Undo `attach`: for the nearest folder at or above `start`, or without one for the user's default.

    Returns the file that is gone. The instance itself, and what was saved in it, stay. Raises `NotFound`, and
    `Conflict` where the nearest `.lamin` is an instance itself.
    """
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
        raise NotFound(f"{str(start)!r} is connected to no instance", hint="lamin info --show-origin")
    if not (folder / FOLDER / CONNECTED).is_file():
        raise Conflict(
            f"{str(folder)!r} is an instance itself, not connected to one", hint=f"to lose it, remove {folder / FOLDER}"
        )
    return folder / FOLDER / CONNECTED
