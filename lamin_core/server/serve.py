"""The server: a socket with uvicorn, and time limits for slow clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lamin_core.db.database import Database
from lamin_core.errors import InvalidArgument, Unavailable
from lamin_core.server.api_keys import listed, usable
from lamin_core.server.app import LOOPBACK, application
from lamin_core.server.responses import is_endless

HEAD_PATIENCE = 10.0
"""Seconds for the head of a request to arrive."""
BODY_PATIENCE = 60.0
"""Seconds for its body, after that."""
IDLE = 60
"""Seconds that a connection may be kept for the next request."""
CONNECTIONS = 1000
"""More at once are answered with 503."""


class ApplicationFactory(Protocol):
    """Makes the application that is served."""

    def __call__(
        self,
        database: Database,
        *,
        api_key: str | None,
        key_required: bool,
        names: Collection[str] | None,
    ) -> ASGIApp:
        """Return it; the arguments are those of `lamin_core.server.app.application`."""


def serve(
    database: Database,
    host: str,
    port: int,
    api_key: str | None,
    announce: Callable[[int], None],
    make_application: ApplicationFactory = application,
) -> None:
    """Serve until interrupted.

    Args:
        database: the registry.
        host: the address to listen on.
        port: the port; 0 is any that is free.
        api_key: one more key, beside those of the registry; a blank key counts as no key.
        announce: called with the port once it is taken.
        make_application: makes what is served.

    Raises:
        InvalidArgument: others could reach it, and there is no key.
        Unavailable: the port is taken.
    """
    host = host.strip("[]")
    api_key = usable(api_key)
    alone = host in LOOPBACK
    if (
        not alone
        and api_key is None
        and not any(key.revoked_at is None for key in listed(database))
    ):
        raise InvalidArgument(
            f"others could write through {host!r}",
            hint="lamin keys create NAME, or set LAMIN_API_KEY, or leave --host at 127.0.0.1",
        )
    listening = listen(host, port)
    announce(listening.getsockname()[1])
    names = LOOPBACK if alone else None
    app = make_application(database, api_key=api_key, key_required=not alone, names=names)
    uvicorn.Server(configured(app)).run(sockets=[listening])


def configured(app: ASGIApp) -> uvicorn.Config:
    """The configuration with which uvicorn serves this application."""
    return uvicorn.Config(
        app,
        http=_Patient,
        ws="none",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=10,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `Unavailable`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only on sockets that say they are TCP's; without, each
    # answer takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --port"
        ) from error
    return listening


class _Patient(HttpToolsProtocol):
    """Ends a connection whose request does not come: half a request may not hold a place for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait(HEAD_PATIENCE)

    def on_message_begin(self) -> None:
        """A request has begun; now the rest of its head."""
        super().on_message_begin()
        self._wait(HEAD_PATIENCE)

    def on_headers_complete(self) -> None:
        """The head is there; now the body."""
        super().on_headers_complete()
        self._wait(BODY_PATIENCE)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._wait(None)
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the wait: the connection is closed."""
        self._wait(None)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends; an answer that never ends by itself is ended."""
        super().shutdown()
        if self.cycle is not None and not self.cycle.response_complete and is_endless(self.scope):
            self.transport.close()

    def _wait(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self.loop.call_later(seconds, self.transport.close)
        )
