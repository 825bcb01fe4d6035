"""JSON responses; every refusal has `error` and `hint`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lamin_core.errors import HTTP, Conflict, LaminError, NotFound, Unavailable, hint_for

logger = logging.getLogger("lamin")


class HttpRefusal(LaminError):
    """A request that is not taken on, with the status that says why."""

    def __init__(
        self,
        status: int,
        message: str,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.headers = headers


class JsonResponse(Response):
    """JSON as one line."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The bytes of it."""
        return json.dumps(content, separators=(",", ":")).encode()


_ENDLESS = "lamin_endless"


class EndlessResponse(StreamingResponse):
    """An answer that does not end by itself: a server that shuts down ends it instead of waiting."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        scope.setdefault("state", {})[_ENDLESS] = True
        await super().__call__(scope, receive, send)


def is_endless(scope: Mapping[str, object]) -> bool:
    """Return whether the request of this scope is being answered with an `EndlessResponse`."""
    state = scope.get("state")
    return isinstance(state, Mapping) and bool(state.get(_ENDLESS))


def refusal(
    status: int, message: str, hint: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response that reports an error."""
    return JsonResponse({"error": message, "hint": hint}, status_code=status, headers=headers)


def failure(error: LaminError) -> Response:
    """The response to a `LaminError`; an unavailable resource gets a status that clients retry."""
    if isinstance(error, Unavailable):
        logger.error("%s", error)
        return refusal(
            503,
            error.message,
            hint_for(error.hint, HTTP) or "send it again in a moment",
            {"Retry-After": "1"},
        )
    if isinstance(error, HttpRefusal):
        return refusal(error.status, error.message, hint_for(error.hint, HTTP), error.headers)
    return refusal(_status(error), error.message, hint_for(error.hint, HTTP))


def _status(error: LaminError) -> int:
    return 404 if isinstance(error, NotFound) else 409 if isinstance(error, Conflict) else 400


async def on_error(request: Request, error: Exception) -> Response:
    """The handler of every `LaminError` that a route raises."""
    assert isinstance(error, LaminError)
    return failure(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """The handler of what Starlette refuses by itself: no such route, not with this method."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail, _http_hint(error), error.headers)


def _http_hint(error: HTTPException) -> str:
    allowed = (error.headers or {}).get("Allow")
    if allowed is not None:
        return f"this path takes {', '.join(sorted(allowed.split(', ')))}"
    return "GET /api/v1/openapi.json lists every path and its parameters"
