"""What happens in the registry, as it happens: server-sent events."""

from __future__ import annotations

from starlette.routing import BaseRoute

from lamin_core.db import Database


def routes(database: Database) -> list[BaseRoute]:
    """What can be listened to."""
    return []
