"""`flow` and `task`: Prefect's own decorators around a function that tells what it does.

The function is wrapped inside Prefect's decorator, so that `.submit`, `.map`, `.with_options`,
retries, caching and subflows are Prefect's own.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

import prefect
from prefect.tasks import Task
from prefect.utilities.hashing import hash_objects

from lamin_prefect import listener
from lamin_prefect.translate import Declaration, source_of

if TYPE_CHECKING:
    from typing import Unpack

    from prefect import Flow
    from prefect.tasks import TaskOptions

P = ParamSpec("P")
R = TypeVar("R")
Templates = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    function: None = None,
    /,
    *,
    inputs: Templates = (),
    outputs: Templates = (),
    **options: Unpack[TaskOptions],
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    inputs: Templates = (),
    outputs: Templates = (),
    **options: Any,
) -> Any:
    """Prefect's `task`, recorded. All options of Prefect, and two more for files that are neither passed nor returned:
    `inputs` and `outputs`, a path or several, with the call's arguments in braces:
    `outputs="clean/{name}.csv"`.

    >>> @task(retries=2, outputs="clean/{name}.csv")
    ... def clean(name: str) -> None: ...
    >>> clean.retries, clean.fn.__name__
    (2, 'clean')
    """
    if function is None:
        return functools.partial(task, inputs=inputs, outputs=outputs, **options)
    return _watched(RecordedTask(wrap(function, "task", inputs, outputs), **options))


@overload
def flow(function: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(
    function: None = None, /, *, inputs: Templates = (), outputs: Templates = (), **options: Any
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    inputs: Templates = (),
    outputs: Templates = (),
    **options: Any,
) -> Any:
    """Prefect's `flow`, recorded. All options of Prefect, and `inputs` and `outputs` as in `task`.

    >>> @flow(name="nightly")
    ... def analysis(n: int = 3) -> None: ...
    >>> analysis.name, list(analysis.parameters.properties)
    ('nightly', ['n'])
    """
    if function is None:
        return functools.partial(flow, inputs=inputs, outputs=outputs, **options)
    return prefect.flow(wrap(function, "flow", inputs, outputs), **options)


# `flow.from_source(...)` is part of what users of `prefect.flow` write.
flow.from_source = prefect.flow.from_source  # type: ignore[attr-defined]


class RecordedTask(Task[P, R]):
    """A Prefect task whose recording outlives `with_options`, which makes a plain `Task` with the hooks it is given."""

    def with_options(self, *args: Any, **options: Any) -> Task[P, R]:
        """A copy with other options, as Prefect makes it."""
        changed = super().with_options(*args, **options)
        changed.__class__ = type(self)
        return _watched(changed)


def _watched(prefect_task: Task[P, R]) -> Task[P, R]:
    listener.watch_rollback(prefect_task)
    if prefect_task.persist_result:  # Prefect sets it for whatever can be answered from a cache
        listener.watch_cache(prefect_task)
    return prefect_task


def wrap(
    function: Any, kind: Literal["flow", "task"], inputs: Templates = (), outputs: Templates = ()
) -> Any:
    """The function, recorded whenever Prefect runs it; the same function if it is recorded already.

    To Prefect and to `inspect` it looks like the original: name, file, signature, globals, and
    which of the four kinds it is (plain, coroutine, generator, asynchronous generator).
    """
    if isinstance(function, classmethod | staticmethod):
        return type(function)(wrap(function.__func__, kind, inputs, outputs))
    if getattr(function, "__lamin_declaration__", None) is not None:
        return function
    declaration = Declaration(kind, source_of(function), _templates(inputs), _templates(outputs))
    wrapped = _disguised(_wrapper(function, declaration), function)
    wrapped.__lamin_declaration__ = declaration
    return wrapped


def _templates(paths: Templates) -> tuple[str, ...]:
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    return tuple(os.fspath(path) for path in several)


# Each wrapper names nothing but what it closes over. A task in `__main__` is pickled by value for
# another process, with every global that its body names; a context variable or a lock among them
# could not be.


def _wrapper(function: Any, declaration: Declaration) -> Any:
    if inspect.isasyncgenfunction(function):
        return _async_generator(listener.call, function, declaration)
    if inspect.iscoroutinefunction(function):
        return _coroutine(listener.call, function, declaration)
    if inspect.isgeneratorfunction(function):
        return _generator(listener.call, function, declaration)
    return _plain(listener.call, function, declaration)


def _plain(run: Any, function: Any, declaration: Declaration) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return run(function, declaration, args, kwargs)

    return call


def _coroutine(run: Any, function: Any, declaration: Declaration) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await run(function, declaration, args, kwargs)

    return call


def _generator(run: Any, function: Any, declaration: Declaration) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return (yield from run(function, declaration, args, kwargs))

    return call


def _async_generator(run: Any, function: Any, declaration: Declaration) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        generator = run(function, declaration, args, kwargs)
        try:
            async for item in generator:
                yield item
        finally:
            await generator.aclose()

    return call


def _disguised(wrapper: Any, function: Any) -> Any:
    """The wrapper in the place of the function, as far as Prefect looks.

    Prefect takes a flow's version and entry point from the file of its code, resolves annotations
    in its globals, and tells tasks of one name apart by a hash of their code.
    """
    original = getattr(function, "__code__", None)
    if not isinstance(original, CodeType) or not isinstance(function, FunctionType):
        functools.update_wrapper(wrapper, function)
        if not hasattr(function, "__name__"):
            wrapper.__name__ = wrapper.__qualname__ = type(function).__name__
        return wrapper
    code = wrapper.__code__.replace(
        co_filename=original.co_filename,
        co_firstlineno=original.co_firstlineno,
        co_name=original.co_name,
        co_qualname=original.co_qualname,
        co_consts=(*wrapper.__code__.co_consts, hash_objects(original)),
    )
    disguised = FunctionType(
        code, function.__globals__, function.__name__, None, wrapper.__closure__
    )
    return functools.update_wrapper(disguised, function)
