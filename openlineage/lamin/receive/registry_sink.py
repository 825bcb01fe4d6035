"""Straight into a registry, without a server between: the sink of our adapters on one machine."""

from __future__ import annotations

import logging
from pathlib import Path

from lamin_core.instance.instance import Instance, opened
from lamin_core.runtime.paths import Located
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.sinks import Sink
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.waiting import take_waiting

logger = logging.getLogger("lamin")


def _take_waiting(instance: Instance) -> None:
    """First what ran before there was this instance, or while it was in another folder."""
    try:
        take_waiting(instance.db, instance.folder)
    except Exception as error:  # it goes on waiting
        logger.debug("what waits in the spool was not brought in: %s", error)


class RegistrySink(Sink):
    """Take events into the instance in this folder, or of the database at this URL; each call is one transaction.

    Raises `InstanceNotFound`, `SchemaMismatch` or `Unavailable`.
    """

    def __init__(self, where: str | Path | Located) -> None:
        instance = opened(where)
        self.database = instance.db
        _take_waiting(instance)

    def emit(self, *events: Event | bytes) -> None:
        """Take them; returns after the commit."""
        ingest(self.database, map(parse, events))

    def close(self) -> None:
        """Close the connections."""
        self.database.dispose()
