"""Hooks in Prefect's engine around a run: the function itself and its logs are not changed.

Prefect enters `run_context` for each attempt of a flow or task, and in it `setup_run_context`;
then its clock for timeouts begins. A run is recorded from the second to the end of the first, so
that reading files is outside of what the clock measures. The names are those of Prefect 3; where an
engine lacks one of them, there is a warning, and its runs are not recorded.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from prefect.flow_engine import AsyncFlowRunEngine, BaseFlowRunEngine, FlowRunEngine
from prefect.results import ResultStore
from prefect.task_engine import AsyncTaskRunEngine, BaseTaskRunEngine, SyncTaskRunEngine

from lamin_prefect import listener
from lamin_prefect.declarations import declaration_of
from lamin_prefect.generators import remove_our_frames, under_way, watched
from lamin_prefect.guards import log_exceptions
from lamin_prefect.recording import Recording
from lamin_prefect.translate import Ending, ending_of, ending_of_error
from openlineage.lamin.adapter.watched_files import ignored

# Attributes of Prefect's objects.
_ATTEMPT, _RECORDING = "_lamin_attempt", "_lamin_recording"


class _Attempt:
    """One attempt of an engine: its recording, and how to leave what was entered for it."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self._entered = ExitStack()

    def enter(self) -> None:
        """The function is about to run."""
        recording = self.recording
        if recording is None:
            return
        if recording.is_generator:
            under_way[recording.prefect_id] = recording
            self._entered.callback(under_way.pop, recording.prefect_id, None)
        else:
            self._entered.enter_context(recording.active())

    def leave(self, frames: TracebackType | None) -> None:
        """The function has run."""
        self._entered.close()
        if self.recording is not None and self.recording.is_generator:
            remove_our_frames(frames)


class _RunContext:
    """Prefect's `run_context`, with the attempt in it recorded."""

    def __init__(self, engine: Any, context: Any) -> None:
        self._engine = engine
        self._context = context

    def __enter__(self) -> Any:
        setattr(self._engine, _ATTEMPT, _Attempt())
        return self._context.__enter__()

    def __exit__(self, kind: Any, error: Any, frames: TracebackType | None) -> Any:
        recording = _leave_attempt(self._engine, frames)
        is_handled = False
        try:
            is_handled = self._context.__exit__(kind, error, frames)
        finally:
            if recording is not None:
                _end(self._engine, recording, error, is_handled)
        return is_handled

    async def __aenter__(self) -> Any:
        setattr(self._engine, _ATTEMPT, _Attempt())
        return await self._context.__aenter__()

    async def __aexit__(self, kind: Any, error: Any, frames: TracebackType | None) -> Any:
        recording = _leave_attempt(self._engine, frames)
        is_handled = False
        try:
            is_handled = await self._context.__aexit__(kind, error, frames)
        finally:
            if recording is not None:
                await _off_the_loop(
                    recording.may_end_slowly(listener.value_of(self._engine.state)),
                    functools.partial(_end, self._engine, recording, error, is_handled),
                )
        return is_handled


class _SetupRunContext:
    """Prefect's `setup_run_context`, at the end of which the recording of an attempt begins."""

    def __init__(self, engine: Any, context: Any) -> None:
        self._engine = engine
        self._context = context

    def __enter__(self) -> Any:
        entered = self._context.__enter__()
        try:
            attempt = _begin(self._engine)
            if attempt is not None and attempt.recording is not None:
                attempt.recording.look()
                attempt.enter()
        except BaseException:  # with LAMIN_STRICT=1, or an interrupt
            self._context.__exit__(*sys.exc_info())
            raise
        return entered

    def __exit__(self, *error: Any) -> Any:
        return self._context.__exit__(*error)

    async def __aenter__(self) -> Any:
        entered = await self._context.__aenter__()
        try:
            attempt = _begin(self._engine)
            if attempt is not None and (recording := attempt.recording) is not None:
                await _off_the_loop(recording.may_begin_slowly(), recording.look)
                attempt.enter()
        except BaseException:  # with LAMIN_STRICT=1, an interrupt, or a cancellation
            await self._context.__aexit__(*sys.exc_info())
            raise
        return entered

    async def __aexit__(self, *error: Any) -> Any:
        return await self._context.__aexit__(*error)


class _Start:
    """Prefect's `start` of a flow, which ends without an attempt where the parameters are not valid."""

    def __init__(self, engine: Any, context: Any) -> None:
        self._engine = engine
        self._context = context

    def __enter__(self) -> Any:
        return self._context.__enter__()

    def __exit__(self, *error: Any) -> Any:
        is_handled = self._context.__exit__(*error)
        _record_invalid(self._engine)
        return is_handled

    async def __aenter__(self) -> Any:
        return await self._context.__aenter__()

    async def __aexit__(self, *error: Any) -> Any:
        is_handled = await self._context.__aexit__(*error)
        _record_invalid(self._engine)
        return is_handled


async def _off_the_loop(is_slow: bool | None, work: Callable[[], object]) -> None:
    """Do the work in a thread if it may take long, for other tasks to go on meanwhile."""
    if is_slow:
        await asyncio.to_thread(work)
    else:
        work()


def _leave_attempt(engine: Any, frames: TracebackType | None) -> Recording | None:
    attempt: _Attempt = getattr(engine, _ATTEMPT)
    delattr(engine, _ATTEMPT)
    attempt.leave(frames)
    return attempt.recording


@log_exceptions
def _begin(engine: Any) -> _Attempt | None:
    """Begin the recording of the attempt that the engine is about to make; None where it makes none yet."""
    attempt: _Attempt | None = getattr(engine, _ATTEMPT, None)
    if attempt is None:
        return None
    definition = _definition(engine)
    declaration = declaration_of(definition)
    if declaration is not None:
        attempt.recording = listener.recording_of(engine, declaration)
        attempt.recording.begin()
        setattr(engine, _RECORDING, attempt.recording)
        if attempt.recording.is_generator:
            definition.fn = watched(definition.fn, declaration.kind)
    return attempt


@log_exceptions
def _end(engine: Any, recording: Recording, error: BaseException | None, is_handled: bool) -> None:
    if error is not None and not is_handled:
        # GeneratorExit: the consumer of a generator has seen enough, which is a good end.
        is_enough = isinstance(error, GeneratorExit)
        recording.end(Ending("complete") if is_enough else ending_of_error(error))
        return
    state, value = engine.state, listener.value_of(engine.state)
    if state.is_completed() and state.name == "Cached":
        recording.end_from_cache(value, listener.result_key(state))
    else:
        ending = ending_of(state, error, _definition(engine).timeout_seconds)
        recording.end(ending, value, listener.result_key(state))


@log_exceptions
def _record_invalid(engine: Any) -> None:
    """Record a flow run that failed because its parameters are not valid, so that it had no attempt."""
    declaration = declaration_of(engine.flow)
    if not engine.short_circuit or declaration is None:
        return
    recording = listener.recording_of(engine, declaration)
    recording.begin()
    recording.look()
    error = listener.value_of(engine.state)
    recording.end(
        ending_of(engine.state, error if isinstance(error, BaseException) else None, None)
    )


def _definition(engine: Any) -> Any:
    return engine.flow if isinstance(engine, BaseFlowRunEngine) else engine.task


def install() -> None:
    """Put the hooks into Prefect's engine; what is not recorded passes through them."""
    for engine in (SyncTaskRunEngine, AsyncTaskRunEngine, FlowRunEngine, AsyncFlowRunEngine):
        _wrap_context(engine, "run_context", _RunContext)
        _wrap_context(engine, "setup_run_context", _SetupRunContext)
    for engine in (FlowRunEngine, AsyncFlowRunEngine):
        _wrap_context(engine, "start", _Start)
    for engine in (SyncTaskRunEngine, FlowRunEngine):
        _wrap_success(engine)
    for engine in (AsyncTaskRunEngine, AsyncFlowRunEngine):
        _wrap_asynchronous_success(engine)
    _watch_rollback()
    _ignore_stored_results()


def _wrap_context(engine: Any, name: str, wrapper: Callable[[Any, Any], Any]) -> None:
    make = getattr(engine, name)

    @functools.wraps(make)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        return wrapper(self, make(self, *args, **kwargs))

    setattr(engine, name, wrapped)


def _wrap_success(engine: Any) -> None:
    """Have what the function returned written and checked, where that is declared, as if the function did it."""
    succeed = engine.handle_success

    @functools.wraps(succeed)
    def handle_success(self: Any, result: Any, *args: Any, **kwargs: Any) -> Any:
        recording = _recording_with_tables(self, kwargs.get("transaction"))
        if recording is not None:
            recording.take_tables(result)
        return succeed(self, result, *args, **kwargs)

    engine.handle_success = handle_success


def _wrap_asynchronous_success(engine: Any) -> None:
    succeed = engine.handle_success

    @functools.wraps(succeed)
    async def handle_success(self: Any, result: Any, *args: Any, **kwargs: Any) -> Any:
        recording = _recording_with_tables(self, kwargs.get("transaction"))
        if recording is not None:
            await asyncio.to_thread(recording.take_tables, result)
        return await succeed(self, result, *args, **kwargs)

    engine.handle_success = handle_success


def _recording_with_tables(engine: Any, transaction: Any) -> Recording | None:
    """The recording of the attempt, if its result is to be written or checked; not where that is from the cache."""
    attempt: _Attempt | None = getattr(engine, _ATTEMPT, None)
    is_cached = transaction is not None and transaction.is_committed()
    if attempt is None or attempt.recording is None or is_cached:
        return None
    return attempt.recording if attempt.recording.declares_tables else None


def _watch_rollback() -> None:
    roll_back = BaseTaskRunEngine.handle_rollback

    @functools.wraps(roll_back)
    def handle_rollback(self: Any, transaction: Any) -> None:
        roll_back(self, transaction)
        recording: Recording | None = getattr(self, _RECORDING, None)
        if recording is not None:
            recording.rolled_back()

    BaseTaskRunEngine.handle_rollback = handle_rollback  # type: ignore[assignment, method-assign]


def _ignore_stored_results() -> None:
    """Have the files in which Prefect stores results not counted among those that the function opens."""
    for name in ("read", "write", "persist_result_record"):
        setattr(ResultStore, name, ignored()(getattr(ResultStore, name)))
        setattr(ResultStore, f"a{name}", _ignored_asynchronously(getattr(ResultStore, f"a{name}")))


def _ignored_asynchronously(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        with ignored():
            return await method(*args, **kwargs)

    return wrapped
