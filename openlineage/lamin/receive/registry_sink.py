"""Straight into a registry, without a server between: the sink of our adapters on one machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from lamin_core.db.database import Database
from lamin_core.db.statements import select_in
from lamin_core.instance.databases import find_database
from lamin_core.instance.lost_runs import find_lost
from lamin_core.models import Run
from lamin_core.runtime.paths import Located
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.sinks import Sink
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.waiting import take_waiting

logger = logging.getLogger("lamin")
_ENDED = select(Run.external_id).where(Run.finished_at.is_not(None))


def _take_waiting(database: Database, folder: Path) -> None:
    """First what ran before there was this instance, or while it was in another folder."""
    try:
        take_waiting(database, folder)
    except Exception as error:  # it goes on waiting
        logger.debug("what waits in the spool was not brought in: %s", error)


def _close_lost(database: Database) -> None:
    """Close the runs of this machine whose process was killed, as `ln.track()` does: one query if there are none."""
    try:
        find_lost(database)
    except Exception as error:  # they stay open until somebody asks
        logger.debug("runs whose process is gone were not looked for: %s", error)


class RegistrySink(Sink):
    """Take events into the instance in this folder, or of the database at this URL; each call is one transaction.

    What waits for the instance in the spool comes in first; runs whose process on this machine is gone
    become `lost`. Raises `InstanceNotFound`, `SchemaMismatch` or `Unavailable`.
    """

    def __init__(self, where: str | Path | Located) -> None:
        location = find_database(where)
        self.database = location.connect()
        _take_waiting(self.database, location.folder)
        _close_lost(self.database)

    def emit(self, *events: Event | bytes) -> None:
        """Take them; returns after the commit."""
        ingest(self.database, map(parse, events))

    def ended_runs(self, run_ids: Sequence[str]) -> set[str]:
        """The runs of these that have ended; one statement."""
        with self.database.reading() as session:
            ended = select_in(session, _ENDED, Run.external_id, run_ids)
            return {run_id for (run_id,) in ended}

    def close(self) -> None:
        """Close the connections."""
        self.database.dispose()
