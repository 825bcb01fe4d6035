"""Events from files into the registry: spools that waited for it, exports of another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lamin_core.db.database import Database
from lamin_core.errors import MalformedEvent
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import ParsedEvent, parse

BATCH = 500


@dataclass(slots=True)
class Report:
    """What a replay took, knew already, put aside (with the reason), and could not read (line number and reason)."""

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
    """Bring in NDJSON; a line that is no event is put into the report, the others are taken.

    Lines end in LF alone: text inside JSON may hold what other readers take for line ends.
    """
    report = report or Report()
    batch: list[ParsedEvent] = []
    for event in _parsed(lines, report):
        batch.append(event)
        if len(batch) >= BATCH:
            _take(database, batch, report)
    _take(database, batch, report)
    return report


def _parsed(lines: Iterable[bytes], report: Report) -> Iterator[ParsedEvent]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield parse(line)
        except MalformedEvent as error:
            report.unreadable.append(f"line {number}: {error.message}")


def _take(database: Database, batch: list[ParsedEvent], report: Report) -> None:
    repeated = len(batch) - len({event.hash for event in batch})
    receipt = ingest(database, batch)
    report.taken += receipt.taken
    report.known += receipt.duplicates + repeated
    report.quarantined += receipt.quarantined
    batch.clear()
