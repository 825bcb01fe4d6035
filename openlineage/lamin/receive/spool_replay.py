"""Record the events that wait in the spool: `lamin events replay` without a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lamin_core.db.database import Database
from openlineage.lamin.emit.spool import Drained, aside, drain, is_forwarded, segments
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.replay import Report, replay


def recover(database: Database, folder: Path, report: Report, key: str | None = None) -> Drained:
    """Bring in everything that waits in this spool, and remove it; what an emitter is still writing is read, and stays.

    With `key`, only what waits for that destination.
    Events for other backends are left to their next run: this registry has its own copy of them.
    """
    done = Drained()

    def deliver(lines: Sequence[bytes]) -> None:
        batch = [parse(line) for line in lines]
        receipt = ingest(database, batch)
        report.taken += receipt.taken
        report.known += len(batch) - receipt.taken - len(receipt.quarantined)
        report.quarantined += receipt.quarantined

    for path in segments(folder, key):
        if is_forwarded(path):
            continue
        before = done.torn + len(done.refused)
        if not drain(path, deliver, done):
            _read(database, path, report)
        if done.torn + len(done.refused) > before:
            report.unreadable.append(
                f"what could not be read of {path.name} was put aside in {aside(path)}"
            )
    return done


def _read(database: Database, path: Path, report: Report) -> None:
    """Whole lines only: the last one may be on its way to the disk."""
    try:
        text = path.read_bytes()
    except OSError:  # drained meanwhile
        return
    replay(database, text[: text.rfind(b"\n") + 1].split(b"\n"), report)
