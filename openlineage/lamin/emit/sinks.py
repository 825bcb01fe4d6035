"""Where events go: what a sink is, and the two plain ones, memory and a file.

`http_sink` sends them over HTTP, `client_transports` hands them to other backends, `default_sink.default_sink` is
what adapters use.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from lamin_core.errors import LaminError
from openlineage.lamin.emit.events import Event


class PermanentRejection(LaminError):
    """Some of the events were refused for good, all others were taken; `reasons` by their place in the call."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("; ".join(dict.fromkeys(self.reasons.values())), hint="lamin events lint says what is wrong")


class Sink(Protocol):
    """Takes events, or lines of JSON that are events; the whole interface that an adapter needs."""

    def emit(self, *events: Event | bytes) -> None:
        """Take these events, in this order.

        Raises when they cannot be taken; `PermanentRejection` when only some cannot.
        """

    def close(self) -> None:
        """Deliver what is still held; may be called twice."""


class Destination(NamedTuple):
    """Where events go: a name that is the same in every process, and how to get there."""

    name: str
    open: Callable[[], Sink]
    is_forwarded: bool = False
    """Whether that is another backend, and not a registry or endpoint of this project's own settings."""


class MemorySink:
    """Keeps events in a list, for tests.

    >>> sink = MemorySink(); sink.emit({"eventType": "START"}); len(sink.events)
    1
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, *events: Event | bytes) -> None:
        """Append them."""
        self.events.extend(json.loads(event) if isinstance(event, bytes) else event for event in events)

    def close(self) -> None:
        """Nothing to do."""


class FileSink:
    """Appends events to an NDJSON file, a line each; the file is made with the first event.

    A line is one write in append mode, so that several processes can share a file and a killed one leaves at most
    one torn last line, which `lamin events replay` puts aside.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def emit(self, *events: Event | bytes) -> None:
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


def serialize(event: Event | bytes) -> bytes:
    """One line of JSON; what JSON cannot say is said as text.

    >>> serialize({"a": Path("/x")})
    b'{"a":"/x"}'
    """
    if isinstance(event, bytes):
        return event
    return json.dumps(event, default=str, separators=(",", ":"), ensure_ascii=True).encode()
