"""Destinations of events: the base class of sinks, and the simple ones: memory, a file, several sinks at once.

`http_sink` sends events over HTTP, `client_transports` hands them to other backends,
`background_sink` waits for neither, and `default_sink.default_sink` is what adapters use.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamin_core.errors import LaminError
from openlineage.lamin.emit.events import Event


class PermanentRejection(LaminError):
    """Some events were permanently rejected, all others accepted; `reasons` by index in the call."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__(
            "; ".join(dict.fromkeys(self.reasons.values())),
            hint="lamin events lint says what is wrong",
        )


class Sink(ABC):
    """Take events, or lines of JSON that are events; the whole interface that an adapter needs.

    Only `emit` has to be written. The rest has the behaviour of a sink that delivers within `emit`
    and holds nothing back.

    >>> class Printer(Sink):
    ...     def emit(self, *events):
    ...         print(len(events), "events")
    >>> printer = Printer()
    >>> printer.emit({"eventType": "START"})
    1 events
    >>> printer.flush(), printer.dropped
    (True, 0)
    """

    batch_size: int | None = None
    """The most events that one call of `emit` should have; None where the sink leaves that to its caller."""

    @abstractmethod
    def emit(self, *events: Event | bytes) -> None:
        """Take these events, in this order.

        Raises:
            PermanentRejection: some events can never be taken; all others were taken.
            Exception: the events cannot be taken now.
        """

    def ended_runs(self, run_ids: Sequence[str]) -> set[str]:
        """The runs of these that the receiver knows as ended; empty if it cannot be asked."""
        return set()

    def flush(self) -> bool:
        """Wait until everything so far is delivered; False when it could not be, or not in time."""
        return True

    def drain_now(self) -> None:  # noqa: B027 - a default, not a hole
        """Start to deliver what is buffered, without a wait for more and without a wait for the end."""

    def close(self) -> None:  # noqa: B027 - as above
        """Deliver what is buffered and let go of files and connections; may be called twice."""

    @property
    def dropped(self) -> int:
        """The number of events that were lost: no receiver and no file has them."""
        return 0


class Destination(NamedTuple):
    """A destination of events: a name that is the same in every process, and a function that creates its sink."""

    name: str
    open: Callable[[], Sink]
    is_forwarded: bool = False
    """Whether that is another backend, and not a registry or endpoint of this project's own settings."""
    origin: str | None = None
    """The folder of a run that found no instance: its events wait until there is one."""


class MemorySink(Sink):
    """Keep events in a list, for tests.

    >>> sink = MemorySink(); sink.emit({"eventType": "START"}); len(sink.events)
    1
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, *events: Event | bytes) -> None:
        """Append them."""
        for event in events:
            self.events.append(json.loads(event) if isinstance(event, bytes) else event)


class FileSink(Sink):
    """Append events to an NDJSON file, a line each; the file is made with the first event.

    A call of `emit` is one write in append mode, so that several processes can share a file and a
    killed one leaves at most one torn last line, which `lamin events replay` puts aside.

    Args:
        path: of the file; missing folders above it are made.
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


class MultiSink(Sink):
    """Pass each event to several sinks; a failure of one does not affect the others."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def emit(self, *events: Event | bytes) -> None:
        """Hand the events to each sink; raises what the first that fails raises, after the last one."""
        self._each(lambda sink: sink.emit(*events))

    def ended_runs(self, run_ids: Sequence[str]) -> set[str]:
        """The runs that all sinks know as ended."""
        return set.intersection(set(run_ids), *(sink.ended_runs(run_ids) for sink in self._sinks))

    def flush(self) -> bool:
        """Wait for all of them; False when one of them has not delivered everything."""
        self.drain_now()
        delivered = [sink.flush() for sink in self._sinks]
        return all(delivered)

    def drain_now(self) -> None:
        """Start all of them, so that the waits for them run at the same time."""
        for sink in self._sinks:
            sink.drain_now()

    def close(self) -> None:
        """Close all of them; raises what the first that fails raises, after the last one."""
        self.drain_now()
        self._each(lambda sink: sink.close())

    @property
    def dropped(self) -> int:
        """The number of events that at least one of them has lost."""
        return max((sink.dropped for sink in self._sinks), default=0)

    def _each(self, action: Callable[[Sink], None]) -> None:
        problems: list[Exception] = []
        for sink in self._sinks:
            try:
                action(sink)
            except Exception as problem:
                problems.append(problem)
        if problems:
            raise problems[0]


def serialize(event: Event | bytes) -> bytes:
    """Return one line of strict JSON; what JSON does not have becomes text.

    >>> serialize({"a": Path("/x"), "b": float("nan")})
    b'{"a":"/x","b":"NaN"}'
    """
    if isinstance(event, bytes):
        return event
    try:
        return _dumped(event)
    except ValueError:  # a number that JSON does not have, or a cycle
        return _dumped(_finite(event))


_encoder = json.JSONEncoder(default=str, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
"""Made once: `json.dumps` would make it for each event."""


def _dumped(event: Any) -> bytes:
    return _encoder.encode(event).encode()


def _finite(value: Any) -> Any:
    """Return the value with texts in the place of NaN and the infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(float(value))
    if isinstance(value, dict):
        return {_finite(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
