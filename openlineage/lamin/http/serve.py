"""The server: a socket, and uvicorn on it, patient with nobody for too long."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lamin_core.db import Database
from lamin_core.errors import InvalidArgument, Unavailable
from openlineage.lamin.http.app import LOOPBACK, application
from openlineage.lamin.http.keys import listed

HEAD_PATIENCE = 10.0
"""Seconds for the head of a request to arrive."""
IDLE = 60
"""Seconds that a connection may be kept for the next request."""
CONNECTIONS = 1000
"""More at once are answered with 503."""


def serve(database: Database, host: str, port: int, api_key: str | None, announce: Callable[[int], None]) -> None:
    """Serve until interrupted; `announce` is told the port once it is taken, which matters for port 0.

    Raises `InvalidArgument` when others could reach it and there is no key, `Unavailable` when the port is taken.
    """
    host = host.strip("[]")
    alone = host in LOOPBACK
    if not alone and api_key is None and not any(key.revoked_at is None for key in listed(database)):
        raise InvalidArgument(
            f"others could write through {host!r}",
            hint="lamin keys create NAME, or set LAMIN_API_KEY, or leave --host at 127.0.0.1",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --port") from error
    announce(listening.getsockname()[1])
    app = application(database, api_key=api_key, key_required=not alone, names=LOOPBACK if alone else None)
    config = uvicorn.Config(
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
    uvicorn.Server(config).run(sockets=[listening])


class _Patient(HttpToolsProtocol):
    """Ends a connection whose request does not come: half a head may not hold a place for ever."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """A request has begun; now the rest of its head."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(HEAD_PATIENCE, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
