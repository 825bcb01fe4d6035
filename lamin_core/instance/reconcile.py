"""Runs without a recorded end: their process no longer exists, or the engine knows how they ended.

How an engine is asked is not known here. The half of the package that knows events registers it, as an
entry point.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, distribution

from sqlalchemy import select

from lamin_core.db.database import Database
from lamin_core.db.statements import select_in
from lamin_core.enums import RunStatus
from lamin_core.instance.instance import Instance
from lamin_core.models import Run

_DISTRIBUTION = "lamin-core"
_HOOKS = "lamin_core.reconcilers"
_UNDER_WAY = (RunStatus.SCHEDULED, RunStatus.RUNNING)


def reconcile(instance: Instance, stale_before: datetime | None = None) -> list[int]:
    """Close the runs that have ended without telling so; returns the primary keys of those whose status changed.

    A run of this machine whose process is gone is `lost`. Then the engines are asked: what they say
    of the end of a run holds. With `stale_before`, what began before that and is under way for all
    that is known is `lost`, too.

    Args:
        instance: Whose runs are looked at.
        stale_before: The time from which on runs may be under way; without it they may be for ever.
    """
    before = _open_runs(instance)
    instance.runs.find_lost()
    for ask_engines in _hooks():
        ask_engines(instance.db)
    if stale_before is not None:
        instance.runs.give_up(stale_before)
    with instance.db.reading() as session:
        after = select_in(session, select(Run.id, Run.status), Run.id, before)
        return [row.id for row in after if row.status != before[row.id]]


def _hooks() -> list[Callable[[Database], object]]:
    try:
        entry_points = distribution(_DISTRIBUTION).entry_points
    except PackageNotFoundError:
        return []
    return [entry_point.load() for entry_point in entry_points.select(group=_HOOKS)]


def _open_runs(instance: Instance) -> dict[int, str]:
    """The status of each run that may still change, by primary key."""
    query = select(Run.id, Run.status).where(Run.status.in_((*_UNDER_WAY, RunStatus.LOST)))
    with instance.db.reading() as session:
        return {row.id: row.status for row in session.execute(query)}
