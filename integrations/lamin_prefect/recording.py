"""One run while it is under way: what goes in is told at its beginning, what came out and how it ended at its end.

Nothing here changes what the user's function does, returns or raises. What goes wrong on our side
is one warning, unless `LAMIN_STRICT=1`.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lamin_core.runtime.child_environment import ChildEnvironment
from lamin_core.runtime.current import register_engine
from lamin_core.runtime.parent_context import RunReference, parent_from_environment
from lamin_prefect import path_discovery, translate
from lamin_prefect.provenance_map import Upstream
from lamin_prefect.translate import Declaration, Ending
from openlineage.lamin.adapter.datasets import DatasetReader
from openlineage.lamin.adapter.guard import Guard
from openlineage.lamin.emit import events
from openlineage.lamin.emit.default_sink import default_sink
from openlineage.lamin.emit.events import Dataset, Event, Run
from openlineage.lamin.emit.sinks import Sink

# Prefect starts the clock of a timeout a little before the function, and its alarm rings a little
# late.
_TIMEOUT_SLACK = 0.5

log_exceptions = Guard("lineage of this run is incomplete")
warn = log_exceptions.handle


class Delivery:
    """The sink of this process, opened with its first event and closed with the process."""

    def __init__(self) -> None:
        self._sink: Sink | None = None
        self._new_lock()
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._new_lock)  # another thread may have held it

    def _new_lock(self) -> None:
        self._lock = threading.RLock()

    def emit(self, event: Event) -> None:
        """Hand it to the sink, one thread at a time."""
        with self._lock:
            if self._sink is None:
                self._sink = default_sink()
            self._sink.emit(event)

    def flush(self) -> None:
        """Wait for what is still held."""
        sink = self._sink
        if sink is not None:
            sink.flush()

    def close(self) -> None:
        """Deliver what is still held; the next event opens a new sink, as the environment then says."""
        with self._lock:
            sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()


class Announcement:
    """The outermost flow's name in `os.environ`, where child processes look for the run that started them.

    The environment belongs to the whole process, so one flow at a time can be there, and only from
    the main thread.
    """

    def __init__(self) -> None:
        self._by: object = None
        self._environment = ChildEnvironment()

    def make(self, by: object, run: Run) -> None:
        """Put the run's name there, if nobody else's is."""
        if self._by is not None or threading.current_thread() is not threading.main_thread():
            return
        self._by = by
        self._environment.set(run.reference.environment(run.root))

    def end(self, by: object) -> None:
        """Put back what was there before, if it was this one who changed it."""
        if self._by is not by:
            return
        self._environment.restore()
        self._by = None

    def parent_of_process(self) -> RunReference | None:
        """The run that started this process."""
        return parent_from_environment(self._environment.inherited())


delivery = Delivery()
announcement = Announcement()
upstream = Upstream()
contents = DatasetReader()


@dataclass(frozen=True, slots=True)
class Called:
    """What was called: the user's function, what its decorator declares, its arguments, its timeout in seconds, and
    Prefect's id of the run."""

    function: Callable[..., Any]
    declaration: Declaration
    arguments: Mapping[str, Any]
    timeout: float | None
    prefect_id: UUID


class Recording:
    """A run under way. As a context manager it tells the end, whatever it is."""

    def __init__(self, run: Run, called: Called, outer: Recording | None, *, flush: bool) -> None:
        self.run = run
        self.outer = outer
        self._called = called
        self._flush = flush
        self._clock, self._began = time.monotonic(), datetime.now(UTC)
        self._told = False
        self._ending = Ending("complete")
        self._inputs: list[Dataset] = []
        # A folder or a URL passed in may be what the run reads or where it writes: its end will
        # tell.
        self._undecided: list[Dataset] = []
        self._outputs: list[Dataset] = []
        self._output_paths: list[str] = []
        self._written_inside: set[tuple[str, str, str | None]] = set()
        self.outputs: list[Dataset] | None = None
        """What the function has written; known once it has returned."""

    @log_exceptions
    def begin(self) -> None:
        """Hash what goes in, and tell the start."""
        called = self._called
        upstream.began(called.prefect_id, self.run.reference)
        if self._is_outermost_flow:
            announcement.make(self, self.run)
        passed = path_discovery.in_arguments(called.function, called.arguments).values()
        for dataset in _datasets([path for several in passed for path in several]):
            (self._undecided if _is_folder_or_remote(dataset) else self._inputs).append(dataset)
        self._inputs += _datasets(
            path_discovery.filled(called.declaration.inputs, called.arguments)
        )
        self._tell_start()

    @log_exceptions
    def read(self, path: Any) -> None:
        """The function says that it reads this file (or these), now."""
        self._inputs += _datasets(path_discovery.locations(path, text=True))

    @log_exceptions
    def wrote(self, path: Any) -> None:
        """The function says that it writes this file (or these); the end will look at it."""
        paths = path_discovery.locations(path, text=True)
        self._output_paths += [path if "://" in path else os.path.abspath(path) for path in paths]

    @log_exceptions
    def gave(self, value: Any) -> None:
        """The function returned or yielded this."""
        upstream.remember(value, self.run.reference)
        for dataset in _datasets(path_discovery.in_result(self._called.function, value)):
            handed_through = dataset in self._inputs or (
                dataset in self._undecided and dataset.hash is not None
            )
            if not handed_through:
                self._outputs.append(dataset)

    @log_exceptions
    def returned(self, value: Any, ending: Ending) -> None:
        """The function returned this, and this is what it means for the run."""
        self._ending = ending
        self.gave(value)
        self._output_paths += path_discovery.filled(
            self._called.declaration.outputs, self._called.arguments
        )
        self.outputs = self._final_outputs()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: object
    ) -> None:
        # GeneratorExit: the consumer of a generator has seen enough, which is a good end.
        if error is not None and not isinstance(error, GeneratorExit):
            self._ending = translate.ending_of_error(error, self._timed_out(error))
        self._end()

    def _timed_out(self, error: BaseException) -> float | None:
        """The timeout, if that is what cut the function short: inside it looks like any other cancellation."""
        limit = self._called.timeout
        if limit is None or type(error).__name__ != "CancelledError":
            return None
        return limit if time.monotonic() - self._clock + _TIMEOUT_SLACK >= limit else None

    @log_exceptions
    def _end(self) -> None:
        try:
            self._tell_start()
            delivery.emit(self._last_event())
        finally:
            announcement.end(self)
            if self._flush:
                delivery.flush()

    def _tell_start(self) -> None:
        if not self._told:
            self._told = True
            delivery.emit(events.start(self.run, self._began, self._inputs))

    def _last_event(self) -> Event:
        outputs = self.outputs if self.outputs is not None else self._final_outputs()
        inputs = self._final_inputs(outputs)
        self._pass_on(outputs)
        now, ending = datetime.now(UTC), self._ending
        if ending.how == "fail":
            return events.fail(
                self.run, now, ending.message, trace=ending.trace, inputs=inputs, outputs=outputs
            )
        if ending.how == "abort":
            return events.abort(self.run, now, ending.message, inputs, outputs)
        return events.complete(self.run, now, inputs, outputs)

    def _final_outputs(self) -> list[Dataset]:
        """What was given out or said to be written; `published` if a run inside of this one wrote it."""
        outputs = dict.fromkeys([*self._outputs, *_datasets(self._output_paths)])
        return [
            replace(dataset, role="published")
            if _identity(dataset) in self._written_inside
            else dataset
            for dataset in outputs
        ]

    def _final_inputs(self, outputs: list[Dataset]) -> list[Dataset]:
        """What was read; a folder that something was written into is where results go."""
        written = {(dataset.namespace, f"{dataset.name}/") for dataset in outputs}
        read_whole = [
            folder
            for folder in self._undecided
            if not any(
                space == folder.namespace and name.startswith(f"{folder.name}/")
                for space, name in written
            )
        ]
        return list(dict.fromkeys([*self._inputs, *read_whole]))

    def _pass_on(self, outputs: list[Dataset]) -> None:
        above = self.outer
        while above is not None:
            above._written_inside |= {_identity(dataset) for dataset in outputs}
            above = above.outer

    @property
    def _is_outermost_flow(self) -> bool:
        return self.outer is None and self._called.declaration.kind == "flow"

    @contextmanager
    def active(self) -> Iterator[None]:
        """In here, this is the current run."""
        token = current.set(self)
        try:
            yield
        finally:
            current.reset(token)


current: ContextVar[Recording | None] = ContextVar("lamin_prefect_current", default=None)


def _at_work() -> RunReference | None:
    """The name of the run of the flow or task that is at work here, for the direct Python API."""
    recording = current.get()
    if recording is None:
        return None
    return recording.run.reference.below(recording.run.root)


register_engine(_at_work)


def _datasets(paths: list[str]) -> list[Dataset]:
    return [dataset for path in dict.fromkeys(paths) if (dataset := contents.at(path)) is not None]


def _is_folder_or_remote(dataset: Dataset) -> bool:
    return dataset.n_files is not None or dataset.namespace != "file"


def _identity(dataset: Dataset) -> tuple[str, str, str | None]:
    return dataset.namespace, dataset.name, dataset.hash
