"""Receivers to send to: real HTTP servers of which a test decides what they answer, and sockets that misbehave."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, bytes]


@dataclass
class Receiver:
    """A receiver that keeps the events in order; `answer(path, events)` decides before they count as taken."""

    url: str
    port: int
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None

    def wait_for(self, count: int, seconds: float = 20) -> list[dict[str, Any]]:
        """The events, when there are so many."""
        until = time.monotonic() + seconds
        while len(self.events) < count and time.monotonic() < until:
            time.sleep(0.02)
        return self.events


def takes_everything(path: str, events: list[dict[str, Any]]) -> Answer:
    """Accept everything, as our own server does."""
    return 200, b"{}"


def without_batches(path: str, events: list[dict[str, Any]]) -> Answer:
    """Refuse batches, as Marquez does."""
    return (404, b"no such resource") if path.endswith("/batch") else (201, b"")


@contextmanager
def receiving(
    answer: Callable[[str, list[dict[str, Any]]], Answer] = takes_everything, port: int = 0
) -> Iterator[Receiver]:
    """A server on this machine while it lasts; what it answers with 2xx counts as taken."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            payload = json.loads(body)
            events = payload if isinstance(payload, list) else [payload]
            receiver.requests.append((self.path, len(events), dict(self.headers)))
            status, text = answer(self.path, events)
            if 200 <= status < 300:
                receiver.events.extend(events)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests are quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def process_request(self, request: Any, client_address: Any) -> None:
            connections.append(request)
            super().process_request(request, client_address)

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in connections:  # as the end of a process does
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    connections: list[socket.socket] = []
    server = Server(("127.0.0.1", port), Handler)
    taken = server.server_address[1]
    receiver = Receiver(f"http://127.0.0.1:{taken}", taken, stop=stop)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        stop()


_BLOCK = b"x" * (1 << 16)
ENDLESS = {
    "endless": (b"HTTP/1.1 200 OK\r\n\r\n", _BLOCK, 0.0),
    "endless chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"10000\r\n" + _BLOCK + b"\r\n",
        0.0,
    ),
    "endless error": (b"HTTP/1.1 503 Busy\r\n\r\n", _BLOCK, 0.0),
    "endless head": (b"HTTP/1.1 200 OK\r\nX: ", _BLOCK, 0.0),
    "huge length": (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n", _BLOCK, 0.0),
    "drips": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"{", 0.1),
    "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
}
"""Answers that do not end: the head, and what comes over and over, with the seconds between."""


@contextmanager
def misbehaving(how: str) -> Iterator[str]:
    """A socket that hangs, drops every connection, talks nonsense, or answers a byte at a time; its address.

    Or one whose answer is endless, of a length that nobody has, breaks off, or drips after a whole
    head.
    """
    connections: list[socket.socket] = []

    def treat(connection: socket.socket) -> None:
        if how == "hangs":
            connections.append(connection)
            return
        connection.recv(1 << 20)
        if how == "nonsense":
            connection.sendall(b"what?\r\n\r\n")
        if how in ENDLESS:
            connections.append(connection)
            head, block, pause = ENDLESS[how]
            try:
                connection.sendall(head)
                while block:
                    connection.sendall(block)
                    time.sleep(pause)
            except OSError:
                return
        if how == "slow":
            connections.append(connection)
            try:
                for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Slow: " + b"x" * 100:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)
            except OSError:
                return
        connection.close()

    def accept(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=treat, args=(connection,), daemon=True).start()

    server = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=accept, args=(server,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)
    for connection in connections:
        connection.close()


def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
