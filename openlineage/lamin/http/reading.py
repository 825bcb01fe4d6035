"""Questions over HTTP: jobs, runs, datasets, events, lineage."""

from __future__ import annotations

from starlette.routing import BaseRoute

from lamin_core.db import Database


def routes(database: Database) -> list[BaseRoute]:
    """What can be asked of this registry."""
    return []
