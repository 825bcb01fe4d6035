"""Events from the file that the observer appends to, carried to a sink while the pipeline runs."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from openlineage.lamin.emit import facets
from openlineage.lamin.emit.default_sink import default_sink
from openlineage.lamin.emit.events import Event, timestamp
from openlineage.lamin.emit.sinks import Sink

logger = logging.getLogger("lamin")
_TERMINAL = ("COMPLETE", "FAIL", "ABORT")


class Forwarder:
    """Reads what is new in the file at each `poll`; `close` carries the rest and removes the file.

    When something of it was not taken, the file stays for `lamin events replay`.
    """

    def __init__(self, path: Path, make_sink: Callable[[], Sink] = default_sink) -> None:
        self.path = path
        self._make_sink = make_sink
        self._sink: Sink | None = None
        self._file: tuple[int, int] | None = None
        self._offset = 0
        self._open: dict[str, Event] = {}
        self.error: Exception | None = None

    def poll(self) -> None:
        """Hand on the lines that were written since."""
        for event in self._new_events():
            self._note(event)
            self._emit(event)

    def close(self, ended_by: str) -> None:
        """Hand on the rest; what still runs then has ended with Nextflow itself, which was `ended_by` this."""
        self.poll()
        for event in list(self._open.values()):
            self._emit(_abort(event, ended_by))
        if self._delivered():
            with suppress(OSError):
                self.path.unlink()

    def _new_events(self) -> list[Event]:
        try:
            with open(self.path, "rb") as file:
                stat_result = os.fstat(file.fileno())
                identity = (stat_result.st_dev, stat_result.st_ino)
                if (
                    identity != self._file
                ):  # the first one, or its successor after a replay has taken it away
                    self._file, self._offset = identity, 0
                file.seek(self._offset)
                new = file.read()
        except (
            OSError
        ):  # nothing was written yet, or nothing can be: then the observer has told the user
            return []
        lines, newline, _ = new.rpartition(b"\n")  # the last line may still be being written
        self._offset += len(lines) + len(newline)
        return [event for line in lines.splitlines() if (event := _parsed(line)) is not None]

    def _note(self, event: Event) -> None:
        if event["eventType"] == "START":
            self._open[event["run"]["runId"]] = event
        elif event["eventType"] in _TERMINAL:
            self._open.pop(event["run"]["runId"], None)

    def _emit(self, event: Event) -> None:
        try:
            self._sink = self._sink or self._make_sink()
            self._sink.emit(event)
        except Exception as error:  # strict mode; told when the pipeline has ended
            self.error = self.error or error

    def _delivered(self) -> bool:
        """Whether the sink has everything: delivered, or in a spool of its own."""
        try:
            if self._sink is not None:
                self._sink.close()
        except Exception as error:
            self.error = self.error or error
        lost = 0 if self._sink is None else self._sink.dropped
        if self.error is None and not lost:
            return True
        logger.warning(
            "lineage is kept in %s; bring it in later with: lamin events replay %s",
            self.path,
            self.path,
        )
        return False


def _parsed(line: bytes) -> Event | None:
    """The event in a line; None where a full disk has torn it."""
    try:
        event: Event = json.loads(line)
    except ValueError:
        return None
    return event


def _abort(start: Event, reason: str) -> Event:
    """The end of a run that Nextflow could not report."""
    run = start["run"]
    run_facets = {**run["facets"], "errorMessage": facets.error_message(reason, None)}
    return {
        **start,
        "eventType": "ABORT",
        "eventTime": timestamp(datetime.now(UTC)),
        "run": {**run, "facets": run_facets},
        "inputs": [],
        "outputs": [],
    }
