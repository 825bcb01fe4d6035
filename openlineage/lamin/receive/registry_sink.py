"""Straight into a registry, without a server between: the sink of our adapters on one machine."""

from __future__ import annotations

from pathlib import Path

from lamin_core.instance.instance import opened
from lamin_core.runtime.paths import Located
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.sinks import Sink
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse


class RegistrySink(Sink):
    """Take events into the instance in this folder, or of the database at this URL; each call is one transaction.

    Raises `InstanceNotFound`, `SchemaMismatch` or `Unavailable`.
    """

    def __init__(self, where: str | Path | Located) -> None:
        self.database = opened(where).db

    def emit(self, *events: Event | bytes) -> None:
        """Take them; returns after the commit."""
        ingest(self.database, map(parse, events))

    def close(self) -> None:
        """Close the connections."""
        self.database.dispose()
