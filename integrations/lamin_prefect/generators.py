"""Functions that yield: wrapped, to see each item, and to be the current run only while they compute the next.

All other functions stay as they are: what happens around them is seen in Prefect's engine.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import CodeType, FunctionType, TracebackType
from typing import Any
from uuid import UUID

from prefect.context import FlowRunContext, TaskRunContext
from prefect.utilities.hashing import hash_objects

from lamin_core.runtime import recorded_calls
from lamin_core.runtime.recorded_calls import RecordedCall, recorded
from lamin_prefect.declarations import Kind
from lamin_prefect.recording import Recording

under_way: dict[UUID, Recording] = {}
"""The recordings of generators, by Prefect's id of the run."""
_wrappers: set[CodeType] = set()


def watched(function: Any, kind: Kind) -> Any:
    """The function, with its items recorded if it is a generator that is not recorded yet; else the same function.

    To Prefect and to `inspect` it looks like the original: name, file, signature, globals, kind.
    """
    is_async = inspect.isasyncgenfunction(function)
    if hasattr(function, "__lamin_watched__") or not (
        is_async or inspect.isgeneratorfunction(function)
    ):
        return function
    wrapper = (_async_generator if is_async else _generator)(items, function, kind)
    wrapped = _disguised(wrapper, function)
    wrapped.__lamin_watched__ = True
    return wrapped


# Each wrapper names nothing but what it closes over. A task in `__main__` is pickled by value for
# another process, with every global that its body names; a context variable or a lock among them
# could not be.


def _generator(run: Any, function: Any, kind: Kind) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return (yield from run(function, kind, args, kwargs))

    return call


def _async_generator(run: Any, function: Any, kind: Kind) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        generator = run(function, kind, args, kwargs)
        try:
            async for item in generator:
                yield item
        finally:
            await generator.aclose()

    return call


def items(function: Any, kind: Kind, args: Any, kwargs: Any) -> Any:
    """The generator that the function makes, with each item recorded."""
    return recorded(function, functools.partial(_open_call, kind))(*args, **kwargs)


class _Call(RecordedCall):
    """A generator that Prefect runs."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def active(self) -> AbstractContextManager[object]:
        """Make its run the current one."""
        return self._recording.active()

    def yielded(self, item: Any) -> None:
        """Record the files in what it yields."""
        self._recording.yielded(item)


@contextmanager
def _open_call(kind: Kind, args: Any, kwargs: Any) -> Iterator[RecordedCall]:
    recording = _recording_here(kind)
    yield RecordedCall() if recording is None else _Call(recording)


def _recording_here(kind: Kind) -> Recording | None:
    task, flow = TaskRunContext.get(), FlowRunContext.get()
    if kind == "task":
        return None if task is None else under_way.get(task.task_run.id)
    return None if flow is None or flow.flow_run is None else under_way.get(flow.flow_run.id)


def remove_our_frames(frames: TracebackType | None) -> None:
    """Take the wrappers out of a traceback."""
    while frames is not None:
        while frames.tb_next is not None and _is_ours(frames.tb_next):
            frames.tb_next = frames.tb_next.tb_next
        frames = frames.tb_next


def _is_ours(frames: TracebackType) -> bool:
    code = frames.tb_frame.f_code
    return code in _wrappers or code.co_filename == recorded_calls.__file__


def _disguised(wrapper: Any, function: Any) -> Any:
    """The wrapper in the place of the function, as far as Prefect looks.

    Prefect takes a flow's version and entry point from the file of its code, resolves annotations
    in its globals, and tells tasks of one name apart by a hash of their code.
    """
    original = getattr(function, "__code__", None)
    if not isinstance(original, CodeType) or not isinstance(function, FunctionType):
        _wrappers.add(wrapper.__code__)
        functools.update_wrapper(wrapper, function)
        return wrapper
    code = wrapper.__code__.replace(
        co_filename=original.co_filename,
        co_firstlineno=original.co_firstlineno,
        co_name=original.co_name,
        co_qualname=original.co_qualname,
        co_consts=(*wrapper.__code__.co_consts, hash_objects(original)),
    )
    _wrappers.add(code)
    disguised = FunctionType(
        code, function.__globals__, function.__name__, None, wrapper.__closure__
    )
    return functools.update_wrapper(disguised, function)
