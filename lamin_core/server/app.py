"""The application: which requests may use which route, for the routes of every package.

Every route is closed by default: what is not among the open ones is below one mount that asks for
the key, and so is what no route answers to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
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
from lamin_core.server.web import site

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def application(
    database: Database,
    routes: Sequence[BaseRoute] = (),
    *,
    pages: Sequence[BaseRoute] = (),
    metrics: Metrics | None = None,
    api_key: str | None = None,
    key_required: bool = False,
    names: Collection[str] | None = LOOPBACK,
    on_shutdown: Callable[[], None] | None = None,
) -> Starlette:
    """Return the ASGI application over this database.

    Requests must carry a key as a bearer token: `api_key`, or one that `lamin keys` made; where
    there is none at all, nobody needs one, unless `key_required`.

    Args:
        database: the registry.
        routes: what other packages answer; all of it asks for the key.
        pages: the web pages, which ask for the key too: from a browser by a form.
        metrics: the counts of this server, where the routes add to them.
        api_key: one more key, beside those of the registry.
        key_required: whether a key is asked for although the registry has none.
        names: the names that the server answers to; None for any.
        on_shutdown: called when the server ends, for what the routes hold.
    """
    metrics = metrics or Metrics()
    keyring = Keyring(database, api_key, key_required)
    closed = Mount(
        "",
        routes=[*routes, *metrics.routes(), *pages],
        middleware=[Middleware(ApiKeyMiddleware, keyring)],
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sweeping(database), site.warming(database, has_pages=bool(pages)):
            yield
        if on_shutdown is not None:
            on_shutdown()

    return Starlette(
        routes=[*open_routes(), *(site.open_routes(keyring) if pages else ()), closed],
        middleware=[Middleware(Counted, metrics), Middleware(TrustedHostMiddleware, names)],
        exception_handlers={LaminError: on_error, HTTPException: on_http_error},
        lifespan=lifespan,
    )


def open_routes() -> list[BaseRoute]:
    """The routes that need no key."""
    return [Route("/healthz", _healthy, methods=["GET"])]


async def _healthy(request: Request) -> Response:
    return JsonResponse({"status": "ok"})
