"""Files of events as people keep them: a line for each event, one document, an array, an answer of Marquez, a log.

Files that gzip has compressed are read as well. A file with a line for each event is read a line at
a time, however large it is; every other is read whole.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, Any, NamedTuple

from lamin_core.errors import MalformedEvent
from openlineage.lamin.receive.json_reader import decode, items, text_of

_GZIP = b"\x1f\x8b"
_DECODER = json.JSONDecoder(parse_constant=str)
_SHOWN = 200
"""Bytes that are kept of a line without an event."""


class EventText(NamedTuple):
    """The JSON of an event, and where it was found, for example `line 3`."""

    location: str
    text: bytes | str


def event_texts(stream: IO[bytes]) -> Iterator[EventText]:
    """The events of a file, in order; lines that are not JSON are included, so that the reader rejects them.

    >>> import io
    >>> [piece.location for piece in event_texts(io.BytesIO(b'[{"run": {}}, {"run": {}}]'))]
    ['event 1', 'event 2']
    >>> list(event_texts(io.BytesIO(b'INFO ConsoleTransport: {"eventTime": "2026"}')))
    [EventText(location='line 1', text=b'{"eventTime": "2026"}')]
    """
    lines = iter(_unpacked(stream))
    blank: list[bytes] = []
    first = next(lines, None)
    while first is not None and not first.strip():
        blank.append(first)
        first = next(lines, None)
    if first is None:
        return
    if _begins_document(first) and not _is_event_line(first):
        rest = [*lines]
        pieces = _of_documents(b"".join([first, *rest]))
        if pieces is not None:
            yield from pieces
            return
        lines = iter(rest)
    yield from _of_lines(chain(blank, [first], lines))


def _unpacked(stream: IO[bytes]) -> Iterable[bytes]:
    head = stream.read(len(_GZIP))
    whole = _Prefixed(head, stream)
    if head == _GZIP:
        return gzip.GzipFile(fileobj=io.BufferedReader(whole))
    return io.BufferedReader(whole)


class _Prefixed(io.RawIOBase):
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read_some = getattr(self._stream, "read1", self._stream.read)
        data = self._head[: len(buffer)] or read_some(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _begins_document(line: bytes) -> bool:
    return line.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _is_event_line(line: bytes) -> bool:
    """Whether the line is an object, and not a list of events."""
    try:
        value = decode(text_of(line))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and not _is_answer(value)


def _is_answer(value: dict[str, Any]) -> bool:
    """Whether it is what `GET /api/v1/events/lineage` answers."""
    is_event = bool({"run", "job", "dataset"} & value.keys())
    return not is_event and isinstance(value.get("events"), list)


def _of_documents(raw: bytes) -> list[EventText] | None:
    """The events of one or several JSON documents that go over lines; None where it is something else."""
    pieces: list[EventText] = []
    try:
        text = text_of(raw)
        position = 0
        while position < len(text):
            value, end = _DECODER.raw_decode(text, position)
            for event in _events_of(value, text[position:end]):
                pieces.append(EventText(f"event {len(pieces) + 1}", event))
            position = end + len(text[end:]) - len(text[end:].lstrip())
    except (ValueError, RecursionError, MalformedEvent):
        return None
    return pieces


def _events_of(value: Any, text: str) -> Iterator[str]:
    if isinstance(value, list):
        yield from (event for _, event in items(text))
    elif isinstance(value, dict) and _is_answer(value):
        yield from (json.dumps(event) for event in value["events"])
    else:
        yield text


def _of_lines(lines: Iterable[bytes]) -> Iterator[EventText]:
    """A line for each event; in a log, where events follow a prefix, the lines without one are left out."""
    others: list[EventText] = []
    is_log = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        location = f"line {number}"
        logged = None if _begins_document(line) else _logged_event(line)
        if logged is not None:
            is_log = True
            yield EventText(location, logged)
        elif _begins_document(line):
            yield EventText(location, line)
        elif not is_log:
            others.append(EventText(location, line[:_SHOWN]))
    if not is_log:
        yield from others


def _logged_event(line: bytes) -> bytes | None:
    """The event at the end of a line of a log."""
    event = line[line.find(b"{") :].rstrip()
    try:
        value = decode(text_of(event)) if event.startswith(b"{") else None
    except (ValueError, RecursionError):
        return None
    is_event = isinstance(value, dict) and "eventTime" in value
    return event if is_event else None
