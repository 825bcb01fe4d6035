"""Events that wait in a spool for this instance are recorded before the first query of a process.

The events are not read here. The half of the package that knows them registers how, as an entry point.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol

from lamin_core.db.database import Database
from lamin_core.runtime import current
from lamin_core.runtime.paths import spool_folder, user_spool
from lamin_core.runtime.waiting_folders import has_segments

logger = logging.getLogger("lamin")
_DISTRIBUTION = "lamin-core"
_HOOKS = "lamin_core.before_reading"


class WaitingInstance(Protocol):
    """The parts of an instance that are needed to record waiting events."""

    folder: Path
    db: Database


def spools_of(folder: Path) -> list[Path]:
    """The folders in which events may wait for the instance in this `.lamin` folder: its own spool and the user's."""
    return list(dict.fromkeys([folder / "spool", spool_folder(), user_spool()]))


def bring_in(instance: WaitingInstance) -> bool:
    """Record the events that wait for this instance; return False if this has to be tried again later.

    Nothing happens inside a run, whose time is the user's, and nothing is raised: a question is answered
    with or without what waits.
    """
    if current.is_tracked():
        return False
    try:
        if any(has_segments(spool) for spool in spools_of(instance.folder)):
            for hook in _hooks():
                hook(instance)
    except Exception as error:
        logger.debug("what waits in the spool was not brought in: %s", error)
    return True


def _hooks() -> list[Callable[[WaitingInstance], None]]:
    try:
        entry_points = distribution(_DISTRIBUTION).entry_points
    except PackageNotFoundError:
        return []
    return [entry_point.load() for entry_point in entry_points.select(group=_HOOKS)]
