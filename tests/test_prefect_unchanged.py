"""Prefect's behaviour is unchanged: the same functions, with Prefect's decorators and with ours, side by side."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.support.prefect_server import RecordedEvents

pytest_plugins = ["tests.support.prefect_server"]
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


class Decorators(NamedTuple):
    """A pair of `flow` and `task`."""

    flow: Any
    task: Any


@pytest.fixture
def both(recorded: RecordedEvents) -> tuple[Decorators, Decorators]:
    """Prefect's own pair, and ours."""
    import prefect

    import lamin_prefect

    return Decorators(prefect.flow, prefect.task), Decorators(
        lamin_prefect.flow, lamin_prefect.task
    )


class Later:
    """A type that an annotation names as text."""


def plain(number: int, *more: int, word: str = "x", **rest: Any) -> str:
    """Plain."""
    return f"{number}{more}{word}{rest}"


def generator(count: int) -> Iterator[int]:
    yield from range(count)
    return None


async def coroutine(number: int) -> int:
    await asyncio.sleep(0)
    return number


async def async_generator(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@pytest.mark.parametrize(
    "function",
    [plain, generator, coroutine, async_generator],
    ids=lambda function: function.__name__,
)
def test_definitions_equal_those_of_prefect(
    both: tuple[Decorators, Decorators], function: Callable[..., Any]
) -> None:
    def facts(decorated: Any) -> dict[str, Any]:
        names = [
            "name",
            "description",
            "isasync",
            "isgenerator",
            "version",
            "source_code",
            "parameters",
            "_entrypoint",
        ]
        attributes = {name: getattr(decorated, name, None) for name in names}
        kinds = (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
        )
        return attributes | {
            "kinds": [kind(decorated.fn) for kind in kinds],
            "file": inspect.getfile(decorated.fn),
            "source": inspect.getsource(decorated.fn),
            "signature": inspect.signature(decorated.fn),
            "module": (decorated.fn.__module__, decorated.fn.__qualname__, decorated.__doc__),
        }

    theirs, ours = both
    assert facts(ours.task(function)) == facts(theirs.task(function))
    assert facts(ours.task(retries=2)(function)) == facts(theirs.task(retries=2)(function))
    assert facts(ours.flow(function)) == facts(theirs.flow(function))


def test_tasks_of_the_same_name_have_different_keys(both: tuple[Decorators, Decorators]) -> None:
    _, ours = both

    def first_task() -> Any:
        def step() -> int:
            return 1

        return ours.task(step)

    def two() -> Any:
        def step() -> int:
            return 2

        return ours.task(step)

    assert first_task().task_key != two().task_key
    assert first_task().task_key == first_task().with_options(name="other").task_key


def test_decorated_function_is_unchanged(both: tuple[Decorators, Decorators]) -> None:
    _, ours = both
    assert ours.task(plain).fn is plain
    assert ours.task(plain).with_options(retries=1).fn is plain
    assert ours.flow(plain).fn is plain


def test_callable_object_can_be_a_task(
    both: tuple[Decorators, Decorators], recorded: RecordedEvents
) -> None:
    class Doubler:
        def __call__(self, number: int) -> int:
            return 2 * number

    theirs, ours = both
    assert ours.task(Doubler()).name == theirs.task(Doubler()).name == "Doubler"

    @ours.flow
    def pipeline() -> int:
        return int(ours.task(Doubler())(2))

    assert pipeline() == 4
    assert recorded.run("Doubler").kinds == ["START", "COMPLETE"]


def test_parameters_are_validated_and_coerced(both: tuple[Decorators, Decorators]) -> None:
    def typed(number: int, path: Path, later: Later | None = None) -> tuple[int, str]:
        return number, type(path).__name__

    for decorators in both:
        decorated = decorators.flow(typed)
        assert decorated("3", "a/b") == (3, "PosixPath")
        with pytest.raises(Exception, match="number"):
            decorated("no number", "a/b")
        with pytest.raises(TypeError):
            decorated()


def test_results_and_states_equal_those_of_prefect(both: tuple[Decorators, Decorators]) -> None:
    def outcomes(flow: Any, task: Any) -> list[Any]:
        tries: list[int] = []

        @task
        def good(number: int) -> int:
            return number + 1

        @task
        def bad() -> None:
            raise LookupError("no such luck", 3)

        @task(retries=1)
        def flaky() -> int:
            tries.append(1)
            if len(tries) == 1:
                raise ValueError("once")
            return len(tries)

        @task
        def numbers() -> Iterator[int]:
            yield 1
            yield 2

        @flow
        def inner(value: int) -> int:
            return int(good(value))

        @flow
        def outer() -> list[Any]:
            failed = bad(return_state=True)
            mapped = good.map([1, 2, 3])
            blocked = good.submit(bad.submit())
            blocked.wait()
            return [
                (failed.name, repr(failed.result(raise_on_failure=False)), failed.message),
                [state.name for state in (good(1, return_state=True), inner(1, return_state=True))],
                [future.result() for future in mapped],
                blocked.state.name,
                flaky(return_state=True).name,
                list(numbers()),
                good.with_options(name="better").submit(4, wait_for=[mapped]).result(),
            ]

        @flow
        def broken() -> None:
            bad()

        state = broken(return_state=True)
        return [*outer(), state.name, state.message, repr(state.result(raise_on_failure=False))]

    theirs, ours = both
    assert outcomes(*ours) == outcomes(*theirs)


def test_async_results_equal_those_of_prefect(both: tuple[Decorators, Decorators]) -> None:
    async def outcomes(flow: Any, task: Any) -> list[Any]:
        step, items = task(coroutine), task(async_generator)

        @flow
        async def inner(number: int) -> int:
            return int(await step(number))

        @flow
        async def outer() -> list[Any]:
            return [
                await asyncio.gather(*(step(number) for number in range(3))),
                [item async for item in items(3)],
                await inner(5),
                step.submit(7).result(),
                (await step(8, return_state=True)).name,
            ]

        return list(await outer())

    theirs, ours = both
    assert asyncio.run(outcomes(*ours)) == asyncio.run(outcomes(*theirs))


def test_generators_support_send_and_throw(recorded: RecordedEvents) -> None:
    from lamin_prefect.generators import watched

    def echo() -> Any:
        received: Any = None
        while received != "stop":
            try:
                received = yield received
            except KeyError as error:
                received = f"caught {error}"
        return "the end"

    for generator in (echo(), watched(echo, "task")()):
        assert next(generator) is None
        assert generator.send(1) == 1
        assert generator.throw(KeyError("it")) == "caught 'it'"
        with pytest.raises(StopIteration) as ended:
            generator.send("stop")
        assert ended.value.value == "the end"


def test_result_cached_by_prefect_is_used_under_the_lamin_decorator(
    both: tuple[Decorators, Decorators], recorded: RecordedEvents
) -> None:
    from prefect.cache_policies import INPUTS, TASK_SOURCE

    calls: list[str] = []

    def step(marker: str) -> int:
        calls.append(marker)
        return len(calls)

    def use(flow: Any, task: Any) -> None:
        cached_task = task(cache_policy=INPUTS + TASK_SOURCE, persist_result=True)(step)

        @flow
        def pipeline() -> None:
            cached_task(str(recorded.spool))

        pipeline()

    for decorators in both:
        use(*decorators)
    assert calls == [str(recorded.spool)]
    assert recorded.run("step").cached


def test_hooks_and_flow_methods_equal_those_of_prefect(both: tuple[Decorators, Decorators]) -> None:
    called: list[str] = []

    def outcomes(flow: Any, task: Any) -> list[str]:
        called.clear()

        @task(on_completion=[lambda task, run, state: called.append(f"task {state.name}")])
        def step() -> None: ...

        @step.on_running
        def running(task: Any, run: Any, state: Any) -> None:
            called.append("running")

        @flow(on_completion=[lambda flow, run, state: called.append(f"flow {state.name}")])
        def pipeline() -> None:
            step()
            step.with_options(name="again")()

        pipeline()
        return list(called)

    theirs, ours = both
    assert outcomes(*ours) == outcomes(*theirs)
    assert callable(ours.flow.from_source)
