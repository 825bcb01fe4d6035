"""An array of events, and the verdict on each: read in slices, so that a large one is never in memory whole.

Two bounds keep the memory of the server apart from the number of items, of which gzip makes
millions out of a few kilobytes: an array has at most `MAX_ITEMS` of them, and at most
`MAX_VERDICTS` are refused or put aside by themselves. Beyond, the array is answered with 413. What
was stored of it by then stays: each event is known by its hash, so the same events may be sent
again in smaller arrays, and each then has its verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lamin_core.errors import LaminError, MalformedEvent
from lamin_core.server.responses import HttpRefusal
from openlineage.lamin.receive.json_reader import items
from openlineage.lamin.receive.parse import ParsedEvent, parse_item

SLICE, CHARACTERS = 500, 4_000_000
"""Events that are parsed, and then stored, together, at most; and how many characters they have about."""
MAX_ITEMS = 100_000
"""Items of an array; as many real events are more than a body holds."""
MAX_VERDICTS = 5_000
"""Events of an array that are answered by themselves: refused, or put aside."""


@dataclass(slots=True)
class Slice:
    """Some events of the array, by their positions, and what was none."""

    events: dict[int, ParsedEvent] = field(default_factory=dict)
    malformed: dict[int, str] = field(default_factory=dict)


def slices(text: str, size: int = SLICE) -> Iterator[Slice]:
    """Read the events in this text.

    Raises `MalformedEvent` before the first when it is no JSON array to its very end, and
    `HttpRefusal` (413) when the array has more than `MAX_ITEMS`.

    >>> [sorted(part.malformed) for part in slices('[{}, 3, "x"]', size=2)]
    [[1], [2]]
    """
    numbered = enumerate(items(text))
    batch = _next_batch(numbered, size)
    characters = sum(len(source) for _, (_, source) in batch)
    if characters + len(batch) + 1 < len(text):
        _require_whole(text)
    while batch:
        yield _sliced(batch)
        batch = _next_batch(numbered, size)


def _require_whole(text: str) -> None:
    """Read all of it once: nothing is stored of an array that breaks off further on, or is too long."""
    for count, _ in enumerate(items(text), start=1):
        if count > MAX_ITEMS:
            raise HttpRefusal(
                413,
                f"an array may have {MAX_ITEMS} events, and this has more",
                hint="send fewer events at once",
            )


def _next_batch(
    numbered: Iterator[tuple[int, tuple[Any, str]]], size: int
) -> list[tuple[int, tuple[Any, str]]]:
    batch = []
    characters = 0
    for item in islice(numbered, size):
        batch.append(item)
        characters += len(item[1][1])
        if characters > CHARACTERS:
            break
    return batch


def _sliced(batch: list[tuple[int, tuple[Any, str]]]) -> Slice:
    result = Slice()
    for index, (value, text) in batch:
        try:
            result.events[index] = parse_item(value, text)
        except MalformedEvent as error:
            result.malformed[index] = error.message
    return result


class BatchResult:
    """The result of each event, in the format of OpenLineage's OpenAPI document.

    Raises `HttpRefusal` (413) as soon as more than `MAX_VERDICTS` events need a verdict of their
    own.
    """

    def __init__(self) -> None:
        self.successful = 0
        self.failed = 0
        self.unavailable: LaminError | None = None
        self._failed: list[dict[str, object]] = []
        self._quarantined: list[dict[str, object]] = []

    def malformed(self, part: Slice) -> None:
        """Note an item that is not an event."""
        self.failed += len(part.malformed)
        for index, reason in part.malformed.items():
            self._failed.append({"index": index, "reason": reason, "retriable": False})
        self._check_size()

    def stored(self, part: Slice, reasons: Mapping[str, str]) -> None:
        """Note what was stored, and which of it was put aside.

        Args:
            part: the events.
            reasons: why some were put aside when they were written, by hash.
        """
        self.successful += len(part.events)
        for index, event in part.events.items():
            reason = reasons.get(event.hash, event.reason)
            if reason is not None:
                self._quarantined.append({"index": index, "reason": reason})
        self._check_size()

    def unstored(self, part: Slice, error: LaminError) -> None:
        """Note what may be sent again."""
        self.unavailable = error
        self.failed += len(part.events)
        for index in part.events:
            self._failed.append({"index": index, "reason": error.message, "retriable": True})
        self._check_size()

    def _check_size(self) -> None:
        if len(self._failed) + len(self._quarantined) <= MAX_VERDICTS:
            return
        raise HttpRefusal(
            413,
            f"more than {MAX_VERDICTS} events of this array were refused or put aside "
            f"({self.successful} were stored, {self.failed} were not); the rest was not read",
            hint="send fewer events at once: what was stored may be sent again",
        )

    def as_dict(self) -> dict[str, object]:
        """Return the answer."""
        retriable = sum(1 for verdict in self._failed if verdict["retriable"])
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
        if self._quarantined:
            answer["quarantined"] = self._quarantined
        return answer
