"""Events from files into the registry: spools that waited for it, exports of another one."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from lamin_core.db.database import Database
from lamin_core.errors import MalformedEvent
from openlineage.lamin.receive.event_files import EventText, event_texts
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import ParsedEvent, parse

BATCH = 500


@dataclass(slots=True)
class Report:
    """The result of a replay: new events, known events, quarantined events (with the reason), and unreadable lines."""

    taken: int = 0
    known: int = 0
    quarantined: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            name: getattr(self, name) for name in ("taken", "known", "quarantined", "unreadable")
        }


def replay(database: Database, lines: Iterable[bytes], report: Report | None = None) -> Report:
    """Record NDJSON; a line that is not an event is added to the report, the others are recorded.

    Lines end in LF alone: text inside JSON may hold what other readers take for line ends.
    """
    numbered = enumerate(lines, 1)
    texts = (EventText(f"line {number}", line) for number, line in numbered if line.strip())
    return _replay(database, texts, report or Report())


def replay_file(database: Database, stream: IO[bytes], report: Report) -> Report:
    """Record a file of events, see `event_files` for its forms; items that are not events are added to the report."""
    try:
        return _replay(database, event_texts(stream), report)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        report.unreadable.append(f"not a whole gzip file: {error}")
        return report


def _replay(database: Database, texts: Iterable[EventText], report: Report) -> Report:
    batch: list[ParsedEvent] = []
    try:
        for event in _parsed(texts, report):
            batch.append(event)
            if len(batch) >= BATCH:
                _take(database, batch, report)
    finally:
        _take(database, batch, report)
    return report


def _parsed(texts: Iterable[EventText], report: Report) -> Iterator[ParsedEvent]:
    for location, text in texts:
        try:
            yield parse(text)
        except MalformedEvent as error:
            report.unreadable.append(f"{location}: {_POSITION.sub('', error.message)}")


_POSITION = re.compile(r": line \d+ column \d+ \(char \d+\)$")
"""The position of a JSON error in a message, which differs from line to line."""


def _take(database: Database, batch: list[ParsedEvent], report: Report) -> None:
    repeated = len(batch) - len({event.hash for event in batch})
    receipt = ingest(database, batch)
    report.taken += receipt.taken
    report.known += receipt.duplicates + repeated
    report.quarantined += receipt.quarantined
    batch.clear()
