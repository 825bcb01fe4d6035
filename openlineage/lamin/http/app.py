"""The routes of OpenLineage, mounted into the server of `lamin_core`: events in, and the read API that Marquez has."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette

from lamin_core.db.database import Database
from lamin_core.server import app
from lamin_core.server.metrics import Metrics
from openlineage.lamin.http import ingest_routes, openapi, queries, stream
from openlineage.lamin.http.writer import Writer


def application(
    database: Database,
    *,
    api_key: str | None = None,
    key_required: bool = False,
    names: Collection[str] | None = app.LOOPBACK,
) -> Starlette:
    """Return the whole ASGI application over this database; see `lamin_core.server.app.application`."""
    metrics = Metrics()
    writer = Writer(database, metrics)
    routes = [
        *ingest_routes.routes(writer, metrics),
        *stream.routes(database),
        *queries.routes(database),
        *openapi.routes(),
    ]
    return app.application(
        database,
        routes,
        metrics=metrics,
        api_key=api_key,
        key_required=key_required,
        names=names,
        on_shutdown=writer.close,
    )
