"""The application: all routes, and who may reach them.

Every route is closed by default: what is not in `_open_routes` is below one mount that asks for the key.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from lamin_core.db import Database
from openlineage.lamin.http import intake, reading, stream
from openlineage.lamin.http.answers import JsonResponse
from openlineage.lamin.http.gate import KeyAsked

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


def application(database: Database, *, api_key: str | None = None, hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """The ASGI application over this database; with `api_key`, requests must carry it as a bearer token.

    `hosts` are the names it answers to (a page elsewhere cannot reach a local registry by another name).
    """
    closed = [*intake.routes(database), *reading.routes(database), *stream.routes(database)]
    return Starlette(
        routes=[*_open_routes(), Mount("", routes=closed, middleware=[Middleware(KeyAsked, api_key)])],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )


def _open_routes() -> list[BaseRoute]:
    return [Route("/healthz", _healthy, methods=["GET"])]


async def _healthy(request: Request) -> Response:
    return JsonResponse({"status": "ok"})
