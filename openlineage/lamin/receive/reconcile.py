"""Asking engines about runs without a recorded end; their answers become events."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

from sqlalchemy import select

from lamin_core.db.database import Database
from lamin_core.enums import RunStatus
from lamin_core.errors import LaminError
from lamin_core.models import Run, Transform
from lamin_core.runtime.parent_context import RunReference
from openlineage.lamin.adapter.open_runs import OpenRun, Reconciler
from openlineage.lamin.emit import events
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse

logger = logging.getLogger("lamin")
_HOOKS = "openlineage.lamin.reconcilers"
_OPEN = (RunStatus.SCHEDULED, RunStatus.RUNNING, RunStatus.LOST)


def reconcile(database: Database) -> None:
    """Ask each engine that can be asked about its open runs, and record the ends that it knows.

    An engine that does not answer is one warning.
    """
    for entry_point in entry_points(group=_HOOKS):
        runs = open_runs(database, entry_point.name)
        if runs:
            ends = _ask(entry_point, runs)
            ingest(database, map(parse, ends))


def _ask(entry_point: EntryPoint, runs: Sequence[OpenRun]) -> list[events.Event]:
    try:
        ends_of: Reconciler = entry_point.load()
        ends = list(ends_of(runs))
    except LaminError as error:
        logger.warning("%s cannot be queried: %s", entry_point.name, error)
        return []
    except ImportError:
        logger.warning("%s cannot be queried: it is not installed here", entry_point.name)
        return []
    return [events.end(end.run, end.how, end.at, end.message) for end in ends]


def open_runs(database: Database, engine: str) -> list[OpenRun]:
    """The runs of this engine that may still be under way, and those that were found lost."""
    query = (
        select(Run.external_id, Transform.namespace, Transform.key, Run.attempt, Run.details)
        .join(Transform, Run.transform_id == Transform.id)
        .where(Run.engine == engine, Run.status.in_(_OPEN), Run.external_id.is_not(None))
    )
    with database.reading() as session:
        return [
            OpenRun(RunReference(*row[:3]), row.attempt, row.details or {})
            for row in session.execute(query)
        ]
