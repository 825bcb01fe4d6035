"""Functions whose calls are recorded: plain ones, coroutines, and both kinds of generator."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any


class RecordedCall:
    """One call of a recorded function; this one records nothing, subclasses do."""

    def active(self) -> AbstractContextManager[object]:
        """Return a context in which the call is the current run.

        A generator is in it while it computes its next item, not while its consumer uses the item.
        """
        return nullcontext()

    def yielded(self, item: Any) -> None:
        """Take note of an item that a generator yields."""

    def returned(self, value: Any) -> None:
        """Take note of what the function returns."""


OpenCall = Callable[[Any, Any], AbstractContextManager[RecordedCall]]
"""Opens the record of a call with these arguments (a tuple, and a dict of keywords). It ends with the call."""


_engine_function: ContextVar[Callable[..., Any] | None] = ContextVar(
    "lamin_engine_function", default=None
)


@contextmanager
def recorded_by_engine(function: Callable[..., Any]) -> Iterator[None]:
    """Note that an engine records the calls of this function in this block, so that nobody else does."""
    token = _engine_function.set(inspect.unwrap(function))
    try:
        yield
    finally:
        _engine_function.reset(token)


def is_recorded_by_engine(function: Callable[..., Any]) -> bool:
    """Whether this is the call that an engine records; true for the first call alone.

    >>> with recorded_by_engine(len): is_recorded_by_engine(len), is_recorded_by_engine(len)
    (True, False)
    """
    if _engine_function.get() is not inspect.unwrap(function):
        return False
    _engine_function.set(None)
    return True


def recorded(function: Callable[..., Any], open_call: OpenCall) -> Callable[..., Any]:
    """Return a function of the same kind as this one, whose calls are recorded.

    >>> recorded(len, lambda arguments, keywords: nullcontext(RecordedCall()))("abc")
    3
    """
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, open_call)
    if inspect.isgeneratorfunction(function):
        return _generator(function, open_call)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, open_call)
    return _plain(function, open_call)


def _plain(function: Callable[..., Any], open_call: OpenCall) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        with open_call(args, kwargs) as call:
            with call.active():
                result = function(*args, **kwargs)
            call.returned(result)
        return result

    return called


def _coroutine(function: Callable[..., Any], open_call: OpenCall) -> Callable[..., Any]:
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with open_call(args, kwargs) as call:
            with call.active():
                result = await function(*args, **kwargs)
            call.returned(result)
        return result

    return awaited


def _generator(function: Callable[..., Any], open_call: OpenCall) -> Callable[..., Any]:
    def iterated(*args: Any, **kwargs: Any) -> Any:
        with open_call(args, kwargs) as call:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = functools.partial(next, generator)
            while True:
                with call.active():
                    try:
                        item = resume()
                    except StopIteration as end:
                        result = end.value
                        break
                call.yielded(item)
                resume = yield from _consumed(generator, item)
            call.returned(result)
        return result

    return iterated


def _consumed(generator: Any, item: Any) -> Generator[Any, Any, Callable[[], Any]]:
    """Yield the item to the consumer; returns how to resume the generator with what the consumer did."""
    try:
        sent = yield item
    except GeneratorExit:
        generator.close()
        raise
    except BaseException as error:
        return functools.partial(generator.throw, error)
    return functools.partial(generator.send, sent)


def _async_generator(function: Callable[..., Any], open_call: OpenCall) -> Callable[..., Any]:
    # In one piece: an asynchronous generator has no `yield from`.
    async def iterated(*args: Any, **kwargs: Any) -> Any:
        with open_call(args, kwargs) as call:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = generator.__anext__
            while True:
                with call.active():
                    try:
                        item = await resume()
                    except StopAsyncIteration:
                        break
                call.yielded(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    await generator.aclose()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.athrow, error)
                else:
                    resume = functools.partial(generator.asend, sent)
            call.returned(None)

    return iterated
