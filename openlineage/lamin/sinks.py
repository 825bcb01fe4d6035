"""Where events go: memory, a file, an HTTP endpoint; and the two wrappers that keep a user's job safe.

A sink has two methods, `emit` and `close`. `Background` takes the work off the caller's thread, `Forgiving` turns
every failure into one warning and a line in a spool file. `openlineage.lamin.delivery.default_sink` puts them together.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from lamin_core.errors import Unavailable
from openlineage.lamin.events import Event

logger = logging.getLogger("lamin")


class Sink(Protocol):
    """Takes events; the whole interface that an adapter needs."""

    def emit(self, *events: Event) -> None:
        """Take these events, in this order; raises when they cannot be taken."""

    def close(self) -> None:
        """Deliver what is still held; may be called twice."""


class MemorySink:
    """Keeps events in a list, for tests.

    >>> sink = MemorySink(); sink.emit({"eventType": "START"}); len(sink.events)
    1
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, *events: Event) -> None:
        """Append them."""
        self.events.extend(events)

    def close(self) -> None:
        """Nothing to do."""


class FileSink:
    """Appends events to an NDJSON file, a line each; the file is made with the first event.

    A line is one write in append mode, so that several processes can share a file and a killed one leaves at most
    one torn last line, which `lamin events replay` puts aside.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def emit(self, *events: Event) -> None:
        """Append a line for each."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = b"".join(serialize(event) + b"\n" for event in events)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(descriptor, lines) != len(lines):
                raise OSError(f"{self.path}: only a part could be written; is the disk full?")
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Nothing is held back."""


class HttpSink:
    """Posts events to an OpenLineage endpoint, one request each, over one kept connection.

    `timeout` is in seconds, for connecting and for each answer. Raises `Unavailable` when the endpoint cannot be
    reached or answers with an error.
    """

    def __init__(self, url: str, api_key: str | None = None, timeout: float = 2.0) -> None:
        self.url = url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unavailable(f"{url!r} is no HTTP address", hint="set OPENLINEAGE_URL=http://127.0.0.1:5000")
        self._path = parts.path or "/"
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)

    def emit(self, *events: Event) -> None:
        """Post them; returns when the endpoint has acknowledged every one."""
        for event in events:
            self._post(serialize(event))

    def _post(self, body: bytes) -> None:
        try:
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unavailable(f"{self.url} cannot be reached: {error or type(error).__name__}") from error
        if answer.status >= 300:
            raise Unavailable(f"{self.url} answered {answer.status}: {text[:200].decode(errors='replace')}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Forgiving:
    """Never raises: after the first failure of `inner`, warns once and writes all further events to a spool file."""

    def __init__(self, inner: Callable[[], Sink], spool: Path) -> None:
        self._make = inner
        self._inner: Sink | None = None
        self._spool = FileSink(spool / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{secrets.token_hex(4)}.ndjson")
        self.failed = False
        self.dropped = 0

    def emit(self, *events: Event) -> None:
        """Take them, one way or the other."""
        if not self.failed:
            try:
                self._inner = self._inner or self._make()
                self._inner.emit(*events)
                return
            except Exception as error:
                self._fall_back(error)
        try:
            self._spool.emit(*events)
        except Exception as error:  # the user's job goes on, whatever happens here
            if not self.dropped:
                logger.warning("lineage is being lost: %s", error)
            self.dropped += len(events)

    def _fall_back(self, error: Exception) -> None:
        self.failed = True
        logger.warning(
            "lineage is kept in %s (%s); bring it in later with: lamin events replay %s",
            self._spool.path,
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            self._spool.path,
        )

    def close(self) -> None:
        """Close what was opened."""
        try:
            if self._inner is not None:
                self._inner.close()
        except Exception as error:
            logger.warning("lineage sink did not close: %s", error)


class Background:
    """Hands events to `inner` from a thread of its own, in batches; `emit` returns at once.

    A batch waits up to `linger` seconds for more: a registry takes ten events in little more time than one. `close`
    waits up to `patience` seconds for what is still held. After a fork the child starts a thread of its own.
    """

    def __init__(self, inner: Sink, patience: float = 30.0, batch: int = 500, linger: float = 0.2) -> None:
        self._inner = inner
        self._patience = patience
        self._batch = batch
        self._linger = linger
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._queue: queue.SimpleQueue[Event | threading.Event] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._drain, name="lamin-lineage", daemon=True)
        self._thread.start()

    def emit(self, *events: Event) -> None:
        """Queue them."""
        if self._pid != os.getpid():
            self._start()
        for event in events:
            self._queue.put(event)

    def flush(self) -> bool:
        """Wait until everything queued so far has been handed on; False when that took longer than `patience`."""
        if self._pid != os.getpid():
            return True
        done = threading.Event()
        self._queue.put(done)
        return done.wait(self._patience)

    def close(self) -> None:
        """Hand on what is held, then close `inner`."""
        if not self.flush():
            logger.warning("lineage is still being delivered after %s s; the rest is lost", self._patience)
        self._inner.close()

    def _drain(self) -> None:
        while True:
            batch, waiting = self._take()
            if batch:
                try:
                    self._inner.emit(*batch)
                except Exception as error:
                    logger.warning("lineage could not be delivered: %s", error)
            for done in waiting:
                done.set()

    def _take(self) -> tuple[list[Event], list[threading.Event]]:
        batch: list[Event] = []
        waiting: list[threading.Event] = []
        item = self._queue.get()
        until = time.monotonic() + self._linger
        while True:
            (waiting if isinstance(item, threading.Event) else batch).append(item)  # type: ignore[arg-type]
            left = 0.0 if waiting else max(0.0, until - time.monotonic())
            if len(batch) >= self._batch:
                return batch, waiting
            try:
                item = self._queue.get(block=left > 0, timeout=left or None)
            except queue.Empty:
                return batch, waiting


def serialize(event: Event) -> bytes:
    """One line of JSON; what JSON cannot say is said as text.

    >>> serialize({"a": Path("/x")})
    b'{"a":"/x"}'
    """
    return json.dumps(event, default=str, separators=(",", ":"), ensure_ascii=True).encode()
