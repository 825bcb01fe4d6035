"""Events that a receiver refused: files beside the spool, with the reasons, until they are sent again.

`openlineage.lamin.emit.spool` writes them; `lamin doctor` and `lamin events replay` tell of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIX = ".aside"
REASONS = ".reasons"
"""Ends the name of a file with the reasons, a JSON object a line, beside the one with the events."""
REMEDY = "lamin events requeue lets them be sent again; then lamin events replay takes them in here"
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class AsideFile:
    """A file of events that were set aside: how many there are, and why the last of them was."""

    path: Path
    events: int
    reason: str

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return {"file": str(self.path), "events": self.events, "reason": self.reason}

    def __str__(self) -> str:
        events = "1 event" if self.events == 1 else f"{self.events} events"
        return f"{events} in {self.path} ({self.reason})"


def aside_files(folder: Path) -> list[AsideFile]:
    """List the files of events that were set aside in this spool, the oldest first."""
    result = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with suppress(OSError):  # taken away meanwhile
            result.append(AsideFile(path, _lines(path), _last_reason(path)))
    return result


def reasons_file(path: Path) -> Path:
    """Return the file with the reasons for this file of events."""
    return path.with_name(path.name + REASONS)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in _blocks(file))


def _blocks(file: Any) -> Iterator[bytes]:
    while block := file.read(_READ):
        yield block


def _last_reason(path: Path) -> str:
    reason = "no reason is known"
    with suppress(OSError):
        for line in reasons_file(path).read_bytes().splitlines():
            with suppress(ValueError, KeyError, TypeError):
                reason = str(json.loads(line)["reason"])
    return reason
