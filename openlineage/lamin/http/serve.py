"""The server: a socket, and uvicorn on it."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from lamin_core.db import Database
from lamin_core.errors import InvalidArgument, Unavailable
from openlineage.lamin.http.app import LOOPBACK, application


def serve(database: Database, host: str, port: int, api_key: str | None, announce: Callable[[int], None]) -> None:
    """Serve until interrupted; `announce` is told the port once it is taken, which matters for port 0.

    Raises `InvalidArgument` when others could reach it and no key is set, `Unavailable` when the port is taken.
    """
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
