"""An array of events, and the verdict on each: read in slices, so that a large one is never in memory whole."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lamin_core.errors import LaminError, MalformedEvent
from openlineage.lamin.parsing import ParsedEvent, parsed

SLICE, CHARACTERS = 500, 4_000_000
"""Events that are parsed, and then stored, together, at most; and how many characters they have about."""
_SPACE = re.compile(r"[ \t\n\r]*")
_HINT = "send a JSON array of events, or one event to /api/v1/lineage"


@dataclass(slots=True)
class Slice:
    """Some events of the array, by their positions, and what was none."""

    events: dict[int, ParsedEvent] = field(default_factory=dict)
    malformed: dict[int, str] = field(default_factory=dict)


def slices(text: str, size: int = SLICE) -> Iterator[Slice]:
    """The events in this text. Raises `MalformedEvent` before the first when it is no JSON array to its very end.

    >>> [sorted(part.malformed) for part in slices('[{}, 3, "x"]', size=2)]
    [[1], [2]]
    """
    numbered = enumerate(items(text))
    part = _next(numbered, size)
    if sum(len(told) for _, (_, told) in part) + len(part) + 1 < len(text):
        deque(items(text), maxlen=0)  # nothing is stored of an array that breaks off further on
    while part:
        yield _sliced(part)
        part = _next(numbered, size)


def _next(numbered: Iterator[tuple[int, tuple[Any, str]]], size: int) -> list[tuple[int, tuple[Any, str]]]:
    part, held = [], 0
    for one in islice(numbered, size):
        part.append(one)
        held += len(one[1][1])
        if held > CHARACTERS:
            break
    return part


def _sliced(part: list[tuple[int, tuple[Any, str]]]) -> Slice:
    found = Slice()
    for index, (value, text) in part:
        try:
            found.events[index] = parsed(value, text)
        except MalformedEvent as error:
            found.malformed[index] = error.message
    return found


def items(text: str) -> Iterator[tuple[Any, str]]:
    """The items of a JSON array, each with its text. Raises `MalformedEvent` where it is none.

    >>> list(items('[1, {"a": 2.0} ]'))
    [(1, '1'), ({'a': 2.0}, '{"a": 2.0}')]
    """
    decode = json.JSONDecoder().raw_decode
    at = _expect(text, _skip(text, 0), "[")
    if text.startswith("]", at):
        _end(text, at)
        return
    while True:
        try:
            value, end = decode(text, at)
        except (ValueError, RecursionError) as error:
            raise MalformedEvent(f"not JSON: {error}", hint=_HINT) from error
        yield value, text[at:end]
        at = _skip(text, end)
        if text.startswith("]", at):
            _end(text, at)
            return
        at = _expect(text, at, ",")


def _expect(text: str, at: int, mark: str) -> int:
    """The position of what follows this mark."""
    if not text.startswith(mark, at):
        raise MalformedEvent(f"not a JSON array: {mark!r} is missing at character {at}", hint=_HINT)
    return _skip(text, at + 1)


def _end(text: str, at: int) -> None:
    if _skip(text, at + 1) != len(text):
        raise MalformedEvent("not a JSON array: something follows it", hint=_HINT)


def _skip(text: str, at: int) -> int:
    """The position of what follows the white space here."""
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


class Verdicts:
    """What became of each event, in the words of OpenLineage's OpenAPI document."""

    def __init__(self) -> None:
        self.successful = 0
        self.unavailable: LaminError | None = None
        self._failed: list[dict[str, object]] = []
        self._quarantined: list[dict[str, object]] = []

    @property
    def failed(self) -> int:
        """How many were not stored."""
        return len(self._failed)

    def malformed(self, part: Slice) -> None:
        """These are no events."""
        for index, reason in part.malformed.items():
            self._failed.append({"index": index, "reason": reason, "retriable": False})

    def stored(self, part: Slice, reasons: Mapping[str, str]) -> None:
        """These are, some of them put aside; `reasons` are those that were found when they were written, by hash."""
        self.successful += len(part.events)
        for index, event in part.events.items():
            reason = reasons.get(event.hash, event.reason)
            if reason is not None:
                self._quarantined.append({"index": index, "reason": reason})

    def unstored(self, part: Slice, error: LaminError) -> None:
        """These may be sent again."""
        self.unavailable = error
        for index in part.events:
            self._failed.append({"index": index, "reason": error.message, "retriable": True})

    def as_dict(self) -> dict[str, object]:
        """The answer."""
        retriable = sum(1 for one in self._failed if one["retriable"])
        answer: dict[str, object] = {
            "status": "partial_success" if self._failed else "success",
            "summary": {
                "received": self.successful + self.failed,
                "successful": self.successful,
                "failed": self.failed,
                "retriable": retriable,
                "non_retriable": self.failed - retriable,
            },
            "failed_events": self._failed,
        }
        return answer | ({"quarantined": self._quarantined} if self._quarantined else {})
