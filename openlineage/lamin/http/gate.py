"""Who may pass: the key that a request carries."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from openlineage.lamin.http.answers import refusal


class KeyAsked:
    """Lets nobody pass without the key."""

    def __init__(self, app: ASGIApp, api_key: str | None) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or refuse it."""
        if self._api_key is None or self._fits(Headers(scope=scope).get("authorization", "")):
            await self._app(scope, receive, send)
            return
        answer = refusal(401, "the API key is missing or wrong", "send it as 'Authorization: Bearer KEY'")
        await answer(scope, receive, send)

    def _fits(self, authorization: str) -> bool:
        assert self._api_key is not None
        return hmac.compare_digest(authorization.removeprefix("Bearer ").encode(), self._api_key.encode())
