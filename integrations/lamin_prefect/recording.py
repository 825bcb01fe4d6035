"""One running run: an event for its start is sent at once, and one with its files and status at its end.

Nothing here changes what the user's function does, returns or raises. What goes wrong on our side
is one warning, unless `LAMIN_STRICT=1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lamin_core.runtime.current import register_engine
from lamin_core.runtime.parent_context import RunReference
from lamin_core.runtime.recorded_calls import recorded_by_engine
from lamin_core.watching.opening import unwatched
from lamin_prefect import path_discovery
from lamin_prefect.declarations import Declaration
from lamin_prefect.declared_outputs import DeclaredOutputs
from lamin_prefect.delivery import announcement as announcement
from lamin_prefect.delivery import delivery as delivery
from lamin_prefect.file_use import FileUse, identity, is_copy
from lamin_prefect.guards import log_exceptions, missing_outputs
from lamin_prefect.kept_results import KeptResults, Result
from lamin_prefect.provenance_map import Upstream
from lamin_prefect.task_assets import TaskAssets
from lamin_prefect.translate import Ending
from openlineage.lamin.adapter.watched_files import WatchedFiles
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Event, Run

upstream = Upstream()
kept_results = KeptResults()


@dataclass(frozen=True, slots=True)
class Called:
    """A call: the user's function, the declarations of its decorator, its arguments, and the id of the run in Prefect.

    And whether it yields items, whether Prefect keeps its result, and its assets.
    """

    function: Callable[..., Any]
    declaration: Declaration
    arguments: Mapping[str, Any]
    prefect_id: UUID
    is_generator: bool = False
    keeps_result: bool = False
    assets: TaskAssets = field(default_factory=TaskAssets)
    paths: Mapping[str, list[str]] = field(init=False)
    """The paths in each argument, by parameter; parameters without one are left out."""

    def __post_init__(self) -> None:
        paths = path_discovery.in_arguments(self.function, self.arguments)
        object.__setattr__(self, "paths", paths)


class Recording:
    """A run under way: `begin` and `look`, then the function within `active`, then `end`.

    `look` and `end` read files, which may take long: they may be called in another thread. After
    the end it is small: Prefect keeps the context of each task, and with it this, for some time.
    """

    __slots__ = (
        "_began",
        "_called",
        "_declared",
        "_files",
        "_flush",
        "_is_rolled_back",
        "outer",
        "outputs",
        "run",
    )

    def __init__(self, run: Run, called: Called, outer: Recording | None, *, flush: bool) -> None:
        self.run = run
        self.outer = outer
        self._called = called
        self._flush = flush
        self._began = datetime.now(UTC)
        opened = WatchedFiles(None if outer is None else outer._files.opened)
        self._files: FileUse = FileUse(int(self._began.timestamp() * 1e9), opened)
        self._is_rolled_back = False
        self._declared = DeclaredOutputs(
            called.declaration, called.function, called.arguments, self._files
        )
        self.outputs: list[Dataset] | None = None
        """The outputs of the run, after its end."""

    @property
    def is_generator(self) -> bool:
        """Whether the run is current only while its function computes the next item."""
        return self._called.is_generator

    @property
    def prefect_id(self) -> UUID:
        """Prefect's id of the run."""
        return self._called.prefect_id

    @log_exceptions
    def may_begin_slowly(self) -> bool:
        """Whether files are read at its beginning."""
        called = self._called
        return bool(called.declaration.inputs or called.assets.referenced or called.paths)

    @log_exceptions
    def may_end_slowly(self, value: Any) -> bool:
        """Whether files are read, or events delivered, at its end, if it returns this."""
        declaration = self._called.declaration
        declares = bool(
            declaration.outputs or declaration.schema or self._called.assets.materialized
        )
        is_slow = declares or self._flush or self._files.has_paths
        return is_slow or bool(path_discovery.in_result(self.function, value))

    @property
    def function(self) -> Callable[..., Any]:
        """The user's function."""
        return self._called.function

    @log_exceptions
    def begin(self) -> None:
        """Start the run: other runs and processes can then have it as their parent."""
        upstream.began(self._called.prefect_id, self.run.reference)
        if self._is_outermost_flow:
            announcement.make(self, self.run)

    @unwatched()
    def look(self) -> None:
        """Record the state of the files among the arguments, and send the start."""
        try:
            declared = self._look()
            self._tell(events.start(self.run, self._began, declared or []))
        except BaseException:  # LAMIN_STRICT: the run does not begin, and has no end either
            announcement.end(self)
            raise

    @log_exceptions
    def _look(self) -> list[Dataset]:
        called = self._called
        for paths in called.paths.values():
            self._files.passed(paths)
        if self._files.was_passed_copies:
            self._files.passed_artifacts(path_discovery.copies(called.arguments.values()))
        declared = path_discovery.filled(called.declaration.inputs, called.arguments)
        return self._files.read(declared) + self._files.refer(called.assets.inputs())

    @log_exceptions
    @unwatched()
    def read(self, path: Any) -> None:
        """The function says that it reads this file (or these), now."""
        self._files.read(path_discovery.locations(path, text=True))

    @log_exceptions
    def wrote(self, path: Any) -> None:
        """The function says that it writes this file (or these); the end will look at it."""
        self._files.wrote(path_discovery.locations(path, text=True))

    @log_exceptions
    @unwatched()
    def yielded(self, value: Any) -> None:
        """The function yielded this."""
        upstream.remember(value, self.run.reference)
        self._files.yielded(path_discovery.in_result(self._called.function, value))

    @property
    def declares_tables(self) -> bool:
        """Whether `take_tables` has something to do."""
        return not self.is_generator and self._declared.takes_tables

    @unwatched()
    def take_tables(self, result: Any) -> None:
        """Write and check the tables that the function returned, as is declared: a part of the run, which may raise."""
        self._declared.take(result)

    @log_exceptions
    def _look_at_declared(self, result: Any) -> None:
        self._declared.check(result)
        for error in self._declared.missing(self.run.job.name):
            missing_outputs.warn(error)

    @log_exceptions
    def _returned(self, value: Any) -> None:
        upstream.remember(value, self.run.reference)
        paths = path_discovery.in_result(self._called.function, value)
        copies = path_discovery.copies([value]) if any(map(is_copy, paths)) else ()
        self._files.returned(paths, copies)
        self._files.wrote(self._declared.paths())

    @unwatched()
    def end(self, ending: Ending, value: Any = None, result_key: str | None = None) -> None:
        """End the run with this status and result; `result_key` is the key of the stored result in Prefect."""
        try:
            if ending.how == "complete":
                self._returned(value)
                self._look_at_declared(value)
            result = self._result(ending) or Result()
            if result_key is not None and self._called.keeps_result:
                kept_results.keep(result_key, result)
            self._tell_end(ending, result)
        finally:
            self._close()

    @unwatched()
    def end_from_cache(self, value: Any, result_key: str | None) -> None:
        """End the run with a cached result: it has the files of the run that made the result."""
        try:
            upstream.remember(value, self.run.reference)
            self.run = replace(self.run, cached=True)
            result = kept_results.find(result_key) if result_key is not None else None
            self._tell_end(Ending("complete"), result or Result())
        finally:
            self._close()

    @log_exceptions
    def _result(self, ending: Ending) -> Result:
        if self._files.is_empty and not self._called.assets.materialized:
            return Result()
        is_complete = ending.how == "complete"
        outputs = self._files.outputs()
        if is_complete:
            outputs = outputs + self._called.assets.outputs()
        inputs = self._files.inputs(is_complete=is_complete)
        if ending.how == "abort":  # there may be no time to read more files
            return Result(inputs, outputs)
        read, written = self._files.noticed(inputs, outputs, is_complete=is_complete)
        outputs = [*outputs, *written]
        return Result([*inputs, *read], self._annotated(outputs) or outputs)

    @log_exceptions
    def _annotated(self, outputs: list[Dataset]) -> list[Dataset]:
        return self._declared.annotated(outputs)

    @log_exceptions
    def _close(self) -> None:
        announcement.end(self)
        self._declared.forget_tables()
        self.run = replace(self.run)  # without the facets that its events have shared
        if self._flush:
            delivery.flush()

    @log_exceptions
    def _tell(self, event: Event) -> None:
        delivery.emit(event)

    def _tell_end(self, ending: Ending, result: Result) -> None:
        self.outputs = result.outputs
        self._pass_on(result)
        self._tell(_last_event(self.run, ending, result))
        if self._is_rolled_back:
            self.rolled_back()

    @log_exceptions
    def rolled_back(self) -> None:
        """Record that the transaction was rolled back, and that its outputs are no longer valid."""
        self._is_rolled_back = True
        if self.outputs:
            taken_back = [replace(dataset, role="rolled_back") for dataset in self.outputs]
            delivery.emit(events.running(self.run, datetime.now(UTC), outputs=taken_back))

    def _pass_on(self, result: Result) -> None:
        above = self.outer
        while above is not None:
            above._files.written_inside |= set(map(identity, result.outputs))
            above._files.read_inside |= set(map(identity, result.inputs))
            above = above.outer

    @property
    def _is_outermost_flow(self) -> bool:
        return self.outer is None and self._called.declaration.kind == "flow"

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this the current run in the block; files opened there count as read or written by it."""
        token = current.set(self)
        try:
            with self._files.opened.active(), recorded_by_engine(self._called.function):
                yield
        finally:
            current.reset(token)


current: ContextVar[Recording | None] = ContextVar("lamin_prefect_current", default=None)


def _last_event(run: Run, ending: Ending, result: Result) -> Event:
    now, inputs, outputs = datetime.now(UTC), result.inputs, result.outputs
    if ending.how == "fail":
        return events.fail(
            run, now, ending.message, trace=ending.trace, inputs=inputs, outputs=outputs
        )
    if ending.how == "abort":
        return events.abort(run, now, ending.message, inputs, outputs)
    return events.complete(run, now, inputs, outputs)


def _at_work() -> RunReference | None:
    """The name of the run of the flow or task that is at work here, for the direct Python API."""
    recording = current.get()
    if recording is None:
        return None
    return recording.run.reference.below(recording.run.root)


register_engine(_at_work)
