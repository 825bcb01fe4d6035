"""The application: all routes, and who may reach them.

Every route is closed by default: what is not among the open ones is below one mount that asks for the key, and so is
what no route answers to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from lamin_core.db.database import Database
from lamin_core.errors import LaminError
from lamin_core.server.api_keys import Keyring
from lamin_core.server.lost_run_reaper import sweeping
from lamin_core.server.metrics import Counted, Metrics
from lamin_core.server.middleware import ApiKeyMiddleware, TrustedHostMiddleware
from lamin_core.server.responses import JsonResponse, on_error, on_http_error
from openlineage.lamin.http import ingest_routes, openapi, queries, stream
from openlineage.lamin.http.writer import Writer

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def application(
    database: Database,
    *,
    api_key: str | None = None,
    key_required: bool = False,
    names: Collection[str] | None = LOOPBACK,
) -> Starlette:
    """The ASGI application over this database.

    Requests must carry a key as a bearer token: `api_key`, or one that `lamin keys` made; where there is none at all,
    nobody needs one, unless `key_required`. It answers to these `names` alone, or to any when they are None.
    """
    metrics = Metrics()
    writer = Writer(database, metrics)
    closed = [
        *ingest_routes.routes(writer, metrics),
        *stream.routes(database),
        *queries.routes(database),
        *metrics.routes(),
        *openapi.routes(),
    ]
    keyring = Keyring(database, api_key, key_required)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sweeping(database):
            yield
        writer.close()

    return Starlette(
        routes=[*open_routes(), Mount("", routes=closed, middleware=[Middleware(ApiKeyMiddleware, keyring)])],
        middleware=[Middleware(Counted, metrics), Middleware(TrustedHostMiddleware, names)],
        exception_handlers={LaminError: on_error, HTTPException: on_http_error},
        lifespan=lifespan,
    )


def open_routes() -> list[BaseRoute]:
    """The routes that need no key."""
    return [Route("/healthz", _healthy, methods=["GET"])]


async def _healthy(request: Request) -> Response:
    return JsonResponse({"status": "ok"})
