"""The routes of OpenLineage, mounted into the server of `lamin_core`: events in, and the read API that Marquez has."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette

from lamin_core.db.database import Database
from lamin_core.server import app
from lamin_core.server.metrics import Metrics
from lamin_core.server.web.site import page_routes
from openlineage.lamin.http import foreign_routes, ingest_routes, openapi, queries, stream
from openlineage.lamin.http.writer import Writer


def application(
    database: Database,
    *,
    api_key: str | None = None,
    key_required: bool = False,
    names: Collection[str] | None = app.LOOPBACK,
    takes_events: bool = True,
    is_writable: bool = False,
) -> Starlette:
    """Return the whole ASGI application over this database, the web pages among it.

    `takes_events=False` leaves out the routes that take events. `is_writable` lets those edit records on the pages
    who need no key. For the others see `lamin_core.server.app.application`.
    """
    metrics = Metrics()
    writer = Writer(database, metrics) if takes_events else None
    routes = [
        *(() if writer is None else ingest_routes.routes(writer, metrics)),
        *(() if writer is None else foreign_routes.routes(writer, metrics, database)),
        *stream.routes(database),
        *queries.routes(database),
        *openapi.routes(),
    ]
    return app.application(
        database,
        routes,
        pages=page_routes(database, stream=stream.FOR_PAGES, is_writable=is_writable),
        metrics=metrics,
        api_key=api_key,
        key_required=key_required,
        names=names,
        on_shutdown=None if writer is None else writer.close,
    )
