"""What happens around a function that Prefect runs: find its run in Prefect's context, and record it.

`lamin_prefect.decorators` makes wrappers whose bodies do nothing but call `call` from here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import prefect
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, TaskRunContext
from prefect.futures import PrefectFuture, resolve_futures_to_states
from prefect.transactions import get_transaction

from lamin_core.errors import NotTracked
from lamin_core.runtime import process
from lamin_core.runtime.recorded_calls import RecordedCall, recorded
from lamin_prefect import path_discovery, translate
from lamin_prefect.recording import (
    Called,
    Recording,
    announcement,
    current,
    delivery,
    log_exceptions,
    upstream,
    warn,
)
from lamin_prefect.translate import Declaration
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import RunReference

T = TypeVar("T")

_ROLLBACK_KEY = "lamin_prefect"


def current_run() -> RunReference | None:
    """The running task attempt, else the running flow; None outside of both.

    >>> current_run() is None
    True
    """
    recording = current.get()
    if recording is not None:
        return recording.run.reference
    task, flow = TaskRunContext.get(), FlowRunContext.get()
    if task is not None:
        return translate.task_reference(task, flow.flow if flow else None)
    return translate.flow_reference(flow) if flow is not None else None


def read(path: T) -> T:
    """Say that the running task or flow reads this file; returns the path: `pd.read_csv(read("a.csv"))`.

    The content is what the file holds now. Outside of a run there is one warning; with
    `LAMIN_STRICT=1` it raises `NotTracked`.
    """
    if (recording := _recording_here()) is not None:
        recording.read(path)
    return path


def wrote(path: T) -> T:
    """Say that the running task or flow writes this file; returns the path: `frame.to_csv(wrote("a.csv"))`.

    The content is what the file holds when the run ends. Outside of a run there is one warning;
    with `LAMIN_STRICT=1` it raises `NotTracked`.
    """
    if (recording := _recording_here()) is not None:
        recording.wrote(path)
    return path


def _recording_here() -> Recording | None:
    recording = current.get()
    if recording is None:
        warn(
            NotTracked(
                "no flow or task of lamin_prefect is running here", hint="call it inside of one"
            )
        )
    return recording


def environment() -> dict[str, str]:
    """What makes a process a child of the running task: `subprocess.run(..., env=os.environ | environment())`.

    Without them such a process is a child of the flow. Empty outside of a run.

    >>> environment()
    {}
    """
    run, recording = current_run(), current.get()
    root = _lineage(None, FlowRunContext.get())[1] if recording is None else recording.run.root
    return run.environment(root) if run is not None else {}


# Calls.


class _Call(RecordedCall):
    """A call that Prefect makes, recorded."""

    def __init__(self, recording: Recording, declaration: Declaration) -> None:
        self._recording = recording
        self._declaration = declaration

    def active(self) -> AbstractContextManager[object]:
        """Make its run the current one."""
        return self._recording.active()

    def yielded(self, item: Any) -> None:
        """Record the files in what a generator yields."""
        self._recording.gave(item)

    def returned(self, value: Any) -> None:
        """Record the files in what was returned, and how the run ends."""
        _finish(self._recording, self._declaration, value)


def call(function: Callable[..., Any], declaration: Declaration, args: Any, kwargs: Any) -> Any:
    """Call the function: returns what it returns, or its coroutine or generator."""
    return recorded(function, functools.partial(_open_call, function, declaration))(*args, **kwargs)


@contextmanager
def _open_call(
    function: Callable[..., Any], declaration: Declaration, args: Any, kwargs: Any
) -> Iterator[RecordedCall]:
    recording = _recording_of(function, declaration)
    if recording is None:
        yield RecordedCall()
        return
    with recording:
        recording.begin()
        yield _Call(recording, declaration)


@log_exceptions
def _finish(recording: Recording, declaration: Declaration, result: Any) -> None:
    states = _states_in(result, wait=declaration.kind == "flow")
    recording.returned(result, translate.ending_of_states(states))
    if (
        declaration.kind == "task"
        and recording.outputs
        and (transaction := get_transaction()) is not None
    ):
        transaction.set(_ROLLBACK_KEY, (recording.run, recording.outputs))


def _states_in(result: Any, wait: bool) -> list[Any]:
    """The Prefect states that were returned. A flow's futures are waited for, as Prefect itself does right after."""
    items = list(result) if isinstance(result, list | tuple | set) else [result]
    if wait and any(isinstance(item, PrefectFuture) for item in items):
        items = [resolve_futures_to_states(item) for item in items]
    return items if all(isinstance(item, State) for item in items) else []


# Which run it is.


def _recording_of(function: Callable[..., Any], declaration: Declaration) -> Recording | None:
    """The recording for the run that Prefect has begun for this function; None where it has begun none."""
    try:
        outer = current.get()
        begin = _recording_of_task if declaration.kind == "task" else _recording_of_flow
        recording = begin(function, declaration, outer)
    except Exception as error:
        warn(error)
        return None
    if recording is not None and outer is not None and recording.run.id == outer.run.id:
        return None  # called by itself, past Prefect: a part of the run that is being recorded
    return recording


def _recording_of_flow(
    function: Callable[..., Any], declaration: Declaration, outer: Recording | None
) -> Recording | None:
    context = FlowRunContext.get()
    if (
        context is None
        or context.flow is None
        or context.flow_run is None
        or not _wraps(context.flow.fn, function)
    ):
        return None
    arguments = context.parameters or {}
    run = translate.flow_run(context, declaration, prefect.__version__, *_lineage(outer, None))
    passed = [run for value in arguments.values() for run in upstream.of(value)]
    waited = translate.dependencies({}, upstream.run, (), passed, run.parent)
    run = replace(run, dependencies=waited, process=process.current())
    called = Called(
        function, declaration, arguments, context.flow.timeout_seconds, context.flow_run.id
    )
    return Recording(run, called, outer, flush=outer is None)


def _recording_of_task(
    function: Callable[..., Any],
    declaration: Declaration,
    outer: Recording | None,
    *,
    cached: bool = False,
) -> Recording | None:
    context, flow = TaskRunContext.get(), FlowRunContext.get()
    if context is None or not _wraps(context.task.fn, function):
        return None
    if context.persist_result:
        watch_cache(context.task)  # the setting may be the flow's or the profile's
    run = translate.task_run(
        context,
        flow and flow.flow,
        declaration,
        prefect.__version__,
        *_lineage(outer, flow),
        cached=cached,
    )
    run = replace(
        run, dependencies=_dependencies(context, function, run.parent), process=process.current()
    )
    called = Called(
        function, declaration, context.parameters, context.task.timeout_seconds, context.task_run.id
    )
    in_child_process = flow is not None and flow.detached
    return Recording(run, called, outer, flush=outer is None and in_child_process)


def _dependencies(
    context: TaskRunContext, function: Callable[..., Any], above: RunReference | None
) -> list[events.Dependency]:
    with_files = path_discovery.in_arguments(function, context.parameters)
    values = [value for name, value in context.parameters.items() if name not in with_files]
    passed = [run for value in values for run in upstream.of(value)]
    return translate.dependencies(
        context.task_run.task_inputs, upstream.run, with_files, passed, above
    )


def _wraps(outermost: Any, function: Callable[..., Any]) -> bool:
    while outermost is not None and outermost is not function:
        outermost = getattr(outermost, "__wrapped__", None)
    return outermost is not None


def _lineage(
    outer: Recording | None, flow: FlowRunContext | None
) -> tuple[RunReference | None, RunReference | None]:
    """The run above and the outermost one.

    In a process of a task runner nothing of ours is set; but Prefect brings its context along, and
    the environment of the process names the outermost flow.
    """
    if outer is not None:
        return outer.run.reference, outer.run.root or outer.run.reference
    around = announcement.parent_of_process()
    above = translate.flow_reference(flow) if flow is not None else None
    root = RunReference.of(around.outermost) if around else above
    return above or (RunReference.of(around) if around else None), root


# Runs that happen without the function being called.


def watch_cache(task: Any) -> None:
    """See to it that a run which Prefect answers from its cache is recorded; may be done twice.

    Only tasks that keep results get the hook, as Prefect logs two lines whenever it calls one.
    """
    if not any(hook is tell_cached for hook in task.on_completion_hooks):
        task.on_completion_hooks = [*task.on_completion_hooks, tell_cached]


def tell_cached(task: Any, task_run: Any, state: Any) -> None:
    """Prefect's completion hook: a result from the cache is a run of its own, with the files as they are now."""
    declaration = getattr(task.fn, "__lamin_declaration__", None)
    if state.name != "Cached" or declaration is None:
        return
    try:
        recording = _recording_of_task(
            inspect.unwrap(task.fn), declaration, current.get(), cached=True
        )
        if recording is not None:
            with recording:
                recording.begin()
                _finish(recording, declaration, state.data.result)
    except Exception as error:
        warn(error)


def watch_rollback(task: Any) -> None:
    """See to it that files which a transaction takes back are marked so; may be done twice."""
    if not any(hook is tell_rolled_back for hook in task.on_rollback_hooks):
        task.on_rollback_hooks = [*task.on_rollback_hooks, tell_rolled_back]


def tell_rolled_back(transaction: Any) -> None:
    """Prefect's rollback hook: the files that the task had written are no longer what they were."""
    try:
        run, outputs = transaction.get(_ROLLBACK_KEY, (None, ()))
        taken_back = [replace(dataset, role="rolled_back") for dataset in outputs]
        if run is not None and taken_back:
            delivery.emit(events.running(run, datetime.now(UTC), outputs=taken_back))
    except Exception as error:
        warn(error)


# Prefect would log two lines for each rollback of each task.
tell_rolled_back.log_on_run = False  # type: ignore[attr-defined]
