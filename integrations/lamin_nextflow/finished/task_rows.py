"""Rows of `trace.txt`: what Nextflow writes of each task with `-with-trace`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lamin_core.errors import InvalidArgument
from lamin_nextflow.finished.facts import End
from lamin_nextflow.finished.texts import duration_of, measure, milliseconds, time_of

_ENDS: dict[str, End] = {
    "COMPLETED": "completed",
    "CACHED": "completed",
    "STORED": "completed",
    "FAILED": "failed",
    "ABORTED": "aborted",
}
_FIELDS = {"hash", "name", "status", "exit", "attempt", "workdir", "process", "script", "env"}
PREFIX = 8
"""Digits of a hash that traces and logs show."""
_TIMES = {"submit", "start", "complete"}


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as a trace or a log shows it; `prefix` is what is shown of its hash, without the slash."""

    prefix: str
    name: str
    status: str
    submitted: datetime | None = None
    completed: datetime | None = None
    exit_code: int | None = None
    attempt: int | None = None
    workdir: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> End:
        """The status of the task; a task with any other word in the trace ended with its run."""
        return _ENDS.get(self.status, "aborted")

    @property
    def is_cached(self) -> bool:
        """Whether an earlier run made what it gives."""
        return self.status in ("CACHED", "STORED")


def task_rows(text: str, origin: str) -> Iterator[TaskRow]:
    """Yield the rows of a trace; the last one, where it was cut off, is left out.

    Raises `InvalidArgument` where it is not a trace, or one without the columns `hash` and `name`.

    >>> columns = ["hash", "name", "status", "exit", "submit", "duration"]
    >>> cells = ["08/0946", "SPLIT", "COMPLETED", "0", "1000", "68"]
    >>> text = "\\n".join("\\t".join(line) for line in (columns, cells))
    >>> row = next(task_rows(text, "trace.txt"))
    >>> row.prefix, row.name, row.end, row.completed.microsecond
    ('080946', 'SPLIT', 'completed', 68000)
    """
    reader = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    columns = set(reader.fieldnames or ())
    if not {"hash", "name", "status"} <= columns:
        raise InvalidArgument(
            f"{origin} is not a trace of Nextflow: it has no columns hash, name and status",
            hint="name a file that -with-trace wrote; of trace.fields these three are needed",
        )
    for cells in reader:
        if cells["hash"] and cells["name"] and cells["status"]:
            yield _row(cells)


def _row(cells: Mapping[str, str | None]) -> TaskRow:
    values = {name: cell for name, cell in cells.items() if name and cell and cell != "-"}
    submitted, duration = time_of(values.get("submit")), duration_of(values.get("duration"))
    completed = time_of(values.get("complete"))
    if completed is None and submitted is not None and duration is not None:
        completed = submitted + duration
    exit_code = values.get("exit", "")
    attempt = values.get("attempt", "")
    return TaskRow(
        prefix=values["hash"].replace("/", ""),
        name=values["name"],
        status=values["status"],
        submitted=submitted,
        completed=completed,
        exit_code=int(exit_code) if exit_code.isdigit() else None,
        attempt=int(attempt) if attempt.isdigit() else None,
        workdir=values.get("workdir"),
        details=_details(values),
    )


def _details(values: Mapping[str, str]) -> dict[str, Any]:
    """The measures, named and counted as the engine does."""
    details: dict[str, Any] = {}
    for name, text in values.items():
        if name in _TIMES:
            time = time_of(text)
            details[name] = None if time is None else milliseconds(time)
        elif name not in _FIELDS:
            details[name] = measure(text)
    return {name: value for name, value in details.items() if value not in (None, 0, "")}
