"""Records the one run of this process: its start, the command, its end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime

from lamin_core.runtime.child_environment import ChildEnvironment
from openlineage.lamin.adapter.datasets import DatasetReader
from openlineage.lamin.adapter.guard import Guard
from openlineage.lamin.emit import events
from openlineage.lamin.emit.default_sink import default_sink
from openlineage.lamin.emit.events import Dataset, Event, Run
from openlineage.lamin.emit.sinks import Sink

guard = Guard("lineage is incomplete")


class Recording:
    """One run; nothing that goes wrong here changes what the command does."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._sink: Sink | None = None
        self._files = DatasetReader()

    def call(
        self, command: Sequence[str], inputs: Sequence[str] = (), outputs: Sequence[str] = ()
    ) -> int:
        """Run the command as this run; returns its exit status."""
        self._start(inputs)
        environment = ChildEnvironment()
        environment.set(self._run.reference.environment(self._run.root))
        try:
            status = subprocess.call(command)
        except KeyboardInterrupt:
            self._emit(events.abort(self._run, datetime.now(UTC), "interrupted"))
            raise
        else:
            self._end(status, outputs)
        finally:
            environment.restore()
            self._close()
        return status

    @guard
    def _start(self, inputs: Sequence[str]) -> None:
        self._sink = default_sink()
        self._sink.emit(events.start(self._run, datetime.now(UTC), self._datasets(inputs)))

    @guard
    def _end(self, status: int, outputs: Sequence[str]) -> None:
        now = datetime.now(UTC)
        if status == 0:
            self._emit(events.complete(self._run, now, outputs=self._datasets(outputs)))
        else:
            self._emit(
                events.fail(self._run, now, f"{self._run.name} ended with exit status {status}")
            )

    @guard
    def _emit(self, event: Event) -> None:
        if self._sink is not None:
            self._sink.emit(event)

    @guard
    def _close(self) -> None:
        if self._sink is not None:
            self._sink.close()

    def _datasets(self, paths: Sequence[str]) -> list[Dataset]:
        datasets = [self._files.at(path) for path in paths]
        return [dataset for dataset in datasets if dataset is not None]
