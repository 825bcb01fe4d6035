"""Finished runs into the receivers that the environment names, each run whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lamin_nextflow.finished.contents import Reader
from lamin_nextflow.finished.facts import FinishedRun
from lamin_nextflow.finished.translate import events, task_run_id
from openlineage.lamin.emit.default_sink import direct_sink
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.emit.sinks import Sink

_REQUEST = 500
"""Events of one request; a registry takes a whole run in one transaction."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of the import of one run."""

    run: str
    pipeline: str
    status: str
    tasks: int
    gaps: int
    """Tasks, and the pipeline, of which something could not be known."""
    imported: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def imported(
    runs: Sequence[FinishedRun], read: Reader, *, dry_run: bool = False
) -> Iterator[Imported]:
    """Send the runs, and yield what became of each; runs that a receiver knows as ended are left as they are.

    Raises `InstanceNotFound` where there is no receiver, `Unavailable` where it cannot be used.
    """
    if dry_run:
        for run in runs:
            yield _result(run, list(events(run, read)), is_new=True)
        return
    sink = direct_sink()
    try:
        for run in runs:
            ids = [run.id, *(task_run_id(run.id, task.hash, task.attempt) for task in run.tasks)]
            ended = sink.ended_runs(ids)
            new = [event for event in events(run, read) if event["run"]["runId"] not in ended]
            _emit(sink, new)
            yield _result(run, new, is_new=bool(new))
    finally:
        sink.close()


def _emit(sink: Sink, new: Sequence[Event]) -> None:
    size = _REQUEST if isinstance(sink, HttpSink) else max(1, len(new))
    for begin in range(0, len(new), size):
        sink.emit(*new[begin : begin + size])


def _result(run: FinishedRun, new: Sequence[Event], *, is_new: bool) -> Imported:
    doubted = {e["run"]["runId"] for e in new if "lamin_doubts" in e["run"]["facets"]}
    tasks = len(run.tasks)
    return Imported(run.name, run.script.name, run.status, tasks, len(doubted), is_new)
