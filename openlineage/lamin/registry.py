"""Straight into a registry, without a server between: the sink of our adapters on one machine."""

from __future__ import annotations

from pathlib import Path

from lamin_core.instance import Instance
from openlineage.lamin.events import Event
from openlineage.lamin.parsing import parse
from openlineage.lamin.receiver import ingest


class RegistrySink:
    """Takes events into the instance in this `.lamin` folder; each call is one transaction.

    Raises `InstanceNotFound`, `SchemaMismatch` or `Unavailable`.
    """

    def __init__(self, folder: Path) -> None:
        self.database = Instance.open(folder).db

    def emit(self, *events: Event | bytes) -> None:
        """Take them; returns after the commit."""
        ingest(self.database, map(parse, events))

    def close(self) -> None:
        """Close the connections."""
        self.database.dispose()
