"""Access checks on requests: host name, origin and API key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lamin_core.server.api_keys import Keyring
from lamin_core.server.responses import refusal


class TrustedHostMiddleware:
    """Answers to its own names alone, and to no page of another origin.

    A name that a foreign page has pointed at this machine (DNS rebinding) is not ours; what a
    browser sends for another page says so in `Origin`. Without `names` any name is ours.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] | None) -> None:
        self._app = app
        self._names = None if names is None else frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1").lower()
            if self._names is not None and _name(host) not in self._names:
                hint = "call it by the name it was started with"
                return await refusal(400, f"this server is not {host!r}", hint)(
                    scope, receive, send
                )
            origin = headers.get(b"origin")
            if origin is not None and origin.decode("latin-1").lower().partition("://")[2] != host:
                hint = "only pages of this server itself may call it from a browser"
                return await refusal(403, "the request comes from a page elsewhere", hint)(
                    scope, receive, send
                )
        return await self._app(scope, receive, send)


class ApiKeyMiddleware:
    """Reject requests without a valid key."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or refuse it; what goes on for long asks again by `still_admitted`."""
        authorization = _authorization(scope)
        if await self._keyring.admits(authorization):
            state = scope.setdefault("state", {})
            state[_STATE] = partial(self._keyring.admits, authorization)
            state[_HAS_KEY] = self._keyring.is_required
            await self._app(scope, receive, send)
            return
        if _is_of_browser(scope):
            await _to_login(scope)(scope, receive, send)
            return
        hint = "send it as 'Authorization: Bearer KEY'; lamin keys create NAME makes one"
        answer = refusal(
            401, "the API key is missing or wrong", hint, {"WWW-Authenticate": "Bearer"}
        )
        await answer(scope, receive, send)


_STATE = "lamin_still_admitted"
_HAS_KEY = "lamin_has_key"
FORMS = "/edit"
"""How the path of a form ends that a browser may send with its cookie: the form has a token of its own."""
COOKIE = "lamin_key"
"""The cookie of a login: the key, which no script can read and no other site can make the browser send."""


def _authorization(scope: Scope) -> str:
    """The header; where it is absent, the cookie of a browser that reads, or that sends a form of the pages."""
    authorization = Headers(scope=scope).get("authorization", "")
    is_form = scope.get("method") == "POST" and scope["path"].endswith(FORMS)
    if authorization or not (is_form or scope.get("method") in ("GET", "HEAD")):
        return authorization
    key = Request(scope).cookies.get(COOKIE)
    return f"Bearer {key}" if key else ""


def _is_of_browser(scope: Scope) -> bool:
    """Whether a browser opens a page, as opposed to a request of a program."""
    accepted = Headers(scope=scope).get("accept", "")
    return (
        scope.get("method") == "GET"
        and "text/html" in accepted
        and not scope["path"].startswith("/api/")
    )


def _to_login(scope: Scope) -> Response:
    query = scope.get("query_string", b"").decode("latin-1")
    target = scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(target, safe='')}", status_code=303)


def still_admitted(request: Request) -> Callable[[], Awaitable[bool]]:
    """Return a function that checks whether the key of this request is still valid."""
    check: Callable[[], Awaitable[bool]] = request.scope["state"][_STATE]
    return check


def has_key(request: Request) -> bool:
    """Whether this request has a valid key."""
    return bool(request.scope.get("state", {}).get(_HAS_KEY))


def _name(host: str) -> str:
    """The host without its port.

    >>> _name("localhost:4747"), _name("[::1]:4747"), _name("[::1]")
    ('localhost', '::1', '::1')
    """
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
