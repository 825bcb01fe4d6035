"""The HTTP endpoint: `POST /api/v1/lineage` and `/api/v1/lineage/batch`, acknowledged after the commit.

Status codes, chosen by what OpenLineage's clients do with them: 201 stored (or known already, or put aside with a
reason); 400 no JSON; 401 wrong key; 413 too large; 503 the registry cannot be used now, send it again.
"""

from __future__ import annotations

import hmac
import json
import logging
import socket
import zlib
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lamin_core.db import Database
from lamin_core.errors import InvalidArgument, LaminError, MalformedEvent, Unavailable
from openlineage.lamin.parsing import ParsedEvent, parse
from openlineage.lamin.receiver import ingest

logger = logging.getLogger("lamin")
MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request, after decompression."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


class _TooLarge(LaminError):
    """A body over the limit."""


def application(database: Database, *, api_key: str | None = None, hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """The ASGI application over this database; with `api_key`, requests must carry it as a bearer token.

    `hosts` are the names it answers to (a page elsewhere cannot reach a local registry by another name).
    """
    endpoint = _Endpoint(database, api_key)
    return Starlette(
        routes=[
            Route("/api/v1/lineage", endpoint.take_one, methods=["POST"]),
            Route("/api/v1/lineage/batch", endpoint.take_many, methods=["POST"]),
            Route("/healthz", _healthy, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


class _Endpoint:
    def __init__(self, database: Database, api_key: str | None) -> None:
        self._database = database
        self._api_key = api_key

    async def take_one(self, request: Request) -> Response:
        """One event."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        try:
            event = parse(await _body(request))
            await run_in_threadpool(ingest, self._database, [event])
        except LaminError as error:
            return _failure(error)
        return JSONResponse({"reason": event.reason} if event.reason else {}, status_code=201)

    async def take_many(self, request: Request) -> Response:
        """An array of events, each with a verdict of its own."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        try:
            events, failed = _array(await _body(request))
            await run_in_threadpool(ingest, self._database, events)
        except LaminError as error:
            return _failure(error)
        received = len(events) + len(failed)
        summary = {"received": received, "successful": len(events), "failed": len(failed), "retriable": 0}
        status = "partial_success" if failed else "success"
        return JSONResponse({"status": status, "summary": summary, "failed_events": failed})

    def _refusal(self, request: Request) -> Response | None:
        if self._api_key is None:
            return None
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), self._api_key.encode()):
            return None
        return _error(401, "the API key is missing or wrong", "send it as 'Authorization: Bearer KEY'")


async def _body(request: Request) -> bytes:
    """The body, decompressed while it arrives, so that neither a large nor a dense one fills the memory."""
    inflate = zlib.decompressobj(wbits=31) if request.headers.get("content-encoding") == "gzip" else None
    whole = bytearray()
    async for chunk in request.stream():
        try:
            whole += chunk if inflate is None else inflate.decompress(chunk, MAX_BODY + 1)
        except zlib.error as error:
            raise MalformedEvent(
                f"not gzip: {error}", hint="leave Content-Encoding out, or compress the body"
            ) from error
        if len(whole) > MAX_BODY:
            raise _TooLarge(f"a body may have {MAX_BODY} bytes", hint="send fewer events at once")
    return bytes(whole)


def _array(body: bytes) -> tuple[list[ParsedEvent], list[dict[str, object]]]:
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}", hint="send a JSON array of events") from error
    if not isinstance(items, list):
        raise MalformedEvent("not an array", hint="send a JSON array of events, or one event to /api/v1/lineage")
    events, failed = [], []
    for index, item in enumerate(items):
        try:
            events.append(parse(item if isinstance(item, dict) else json.dumps(item)))
        except MalformedEvent as error:
            failed.append({"index": index, "reason": error.message, "retriable": False})
    return events, failed


def _failure(error: LaminError) -> Response:
    status = 503 if isinstance(error, Unavailable) else 413 if isinstance(error, _TooLarge) else 400
    if status == 503:
        logger.error("%s", error)
    return _error(status, error.message, error.hint)


def _error(status: int, message: str, hint: str | None) -> Response:
    return JSONResponse({"error": message, "hint": hint}, status_code=status)


def serve(database: Database, host: str, port: int, api_key: str | None, announce: Callable[[int], None]) -> None:
    """Serve until interrupted; `announce` is told the port once it is taken, which matters for port 0.

    Raises `InvalidArgument` when others could reach it and no key is set, `Unavailable` when the port is taken.
    """
    import uvicorn  # only here: applications bring their own server

    if host not in LOOPBACK and api_key is None:
        raise InvalidArgument(
            f"others could write through {host!r}", hint="set LAMIN_API_KEY, or leave --host at 127.0.0.1"
        )
    hosts = LOOPBACK if host in LOOPBACK else ("*",)
    try:
        listening = socket.create_server((host.strip("[]"), port), family=_family(host))
    except OSError as error:
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --port") from error
    announce(listening.getsockname()[1])
    app = application(database, api_key=api_key, hosts=hosts)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
