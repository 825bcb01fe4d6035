"""Straight into a registry, without a server between: the sink of our adapters on one machine."""

from __future__ import annotations

from pathlib import Path

from lamin_core.instance import opened
from lamin_core.location import Located
from openlineage.lamin.events import Event
from openlineage.lamin.parsing import parse
from openlineage.lamin.receiver import ingest


class RegistrySink:
    """Takes events into the instance in this folder, or of the database at this URL; each call is one transaction.

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
