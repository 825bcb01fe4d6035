"""Where things are on this machine: the instance above the working directory, and the spool for events."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = ".lamin"


def find_instance(start: Path | None = None) -> Path | None:
    """The `.lamin` folder that `LAMIN_INSTANCE` names, else the nearest one at or above `start`.

    >>> import tempfile; root = Path(tempfile.mkdtemp()).resolve()
    >>> (root / ".lamin").mkdir(); (root / "a" / "b").mkdir(parents=True)
    >>> find_instance(root / "a" / "b") == root / ".lamin"
    True
    """
    named = os.environ.get("LAMIN_INSTANCE")
    if named:
        folder = Path(named).expanduser().absolute()
        return folder if folder.name == FOLDER else folder / FOLDER
    here = Path(start or Path.cwd()).absolute()
    return next((folder / FOLDER for folder in (here, *here.parents) if (folder / FOLDER).is_dir()), None)


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
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(state) / "lamin" / "spool"
