"""Calls as runs: functions, generators, tasks, threads and processes; each knows its parent."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.errors import NotTracked
from lamin_core.instance.instance import Instance

Write = Callable[[str, str], Path]


def _parents(key: str) -> list[str | None]:
    """The functions that the runs of this function were called by."""
    return [
        None if run.parent is None else run.parent.name.rpartition(".")[2] for run in _runs(key)
    ]


def _runs(key: str) -> list[ln.Run]:
    runs: list[ln.Run] = (
        ln.Run.filter(transform__key__endswith=key).order_by("started_at").to_list()
    )
    return runs


def _params(run: ln.Run | None) -> dict[str, Any]:
    assert run is not None
    assert run.params is not None
    return run.params


@ln.step
def inner(number: int = 0) -> str:
    return ln.context.run.uid


def test_generator_is_the_current_run_only_while_it_executes(instance: Instance) -> None:
    @ln.step
    def numbers(count: int) -> Generator[str, None, int]:
        for number in range(count):
            inner(number)
            yield ln.context.run.name
        return count

    @ln.flow
    def main() -> None:
        iterator = numbers(2)
        assert next(iterator).endswith("numbers")
        inner()
        assert ln.context.run.name.endswith("main")
        assert len(list(iterator)) == 1

    main()
    assert _parents("inner") == ["numbers", "main", "numbers"]
    assert [run.status for run in _runs("numbers")] == ["completed"]
    assert _runs("numbers")[0].params == {"count": 2}


def test_generator_accepts_send_and_throw_and_may_be_closed_early(
    instance: Instance,
) -> None:
    @ln.flow
    def echo() -> Generator[object, str, None]:
        sent = yield "first"
        try:
            yield sent
        except KeyError:
            yield "caught"
        yield "never asked for"

    talk = echo()
    assert (next(talk), talk.send("hello"), talk.throw(KeyError("x"))) == (
        "first",
        "hello",
        "caught",
    )
    talk.close()
    failing = echo()
    next(failing)
    with pytest.raises(ValueError, match="no luck"):
        failing.throw(ValueError("no luck"))
    assert [(run.status, run.error) for run in _runs("echo")] == [
        ("completed", None),
        ("failed", "ValueError: no luck"),
    ]


def test_async_generators_and_tasks_have_their_own_parents(instance: Instance) -> None:
    @ln.step
    async def numbers(count: int) -> AsyncIterator[int]:
        for number in range(count):
            await asyncio.sleep(0.001)
            inner(number)
            yield number

    @ln.flow
    async def consume(count: int) -> list[int]:
        return [number async for number in numbers(count)]

    async def both() -> tuple[list[int], list[int]]:
        return await asyncio.gather(consume(1), consume(2))

    assert list(asyncio.run(both())) == [[0], [0, 1]]
    flows = {_params(run)["count"]: run for run in _runs("consume")}
    for count, flow in flows.items():
        (child,) = flow.children
        assert (child.params, child.children.count()) == ({"count": count}, count)


def test_cancelled_task_is_aborted(instance: Instance) -> None:
    @ln.flow
    async def sleep() -> None:
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(sleep(), 0.2))
    assert _runs("sleep")[0].status == "aborted"


@pytest.mark.parametrize(("code", "status"), [(0, "completed"), (3, "failed")])
def test_exit_code_of_a_function_determines_its_status(
    instance: Instance, code: int, status: str
) -> None:
    @ln.flow
    def leave() -> None:
        sys.exit(code)

    with pytest.raises(SystemExit):
        leave()
    assert _runs("leave")[0].status == status


def test_runs_in_threads_are_children_of_the_current_run_of_the_main_thread(
    instance: Instance,
) -> None:
    @ln.step
    def middle() -> None:
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(inner, range(8)))) == 8

    @ln.flow
    def main() -> None:
        middle()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(inner, range(2)))

    main()
    assert _parents("inner") == ["middle"] * 8 + ["main"] * 2


def test_flows_in_threads_are_separate(instance: Instance) -> None:
    ready = threading.Barrier(4, timeout=30)

    @ln.flow
    def main(number: int) -> None:
        ready.wait()
        inner(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(main, range(4)))
    assert [run.parent for run in _runs("main")] == [None] * 4
    assert (
        sorted(_params(run.parent)["number"] - _params(run)["number"] for run in _runs("inner"))
        == [0] * 4
    )


def test_thread_of_one_of_several_flows_needs_a_copied_context(instance: Instance) -> None:
    @ln.flow
    async def main(how: Callable[..., str]) -> str:
        await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        copied = contextvars.copy_context()
        return await loop.run_in_executor(None, how, copied)

    async def both(how: Callable[..., str]) -> tuple[str, str]:
        return await asyncio.gather(main(how), main(how))

    with pytest.raises(NotTracked):
        asyncio.run(both(lambda _: inner()))
    assert len(asyncio.run(both(lambda context: context.run(inner)))) == 2
    assert {run.parent.uid for run in _runs("inner")} < {run.uid for run in _runs("main")}


def test_threads_of_a_tracked_script_are_children_of_its_run(instance: Instance) -> None:
    run = ln.track(ln.Transform(key="t"))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(inner, range(2)))
    ln.finish()
    assert {child.parent.uid for child in _runs("inner")} == {run.uid}


PROCESSES = """
import multiprocessing, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
import lamin_core as ln

@ln.step
def part(number):
    with open(f"{{number}}.txt", "w") as file:
        file.write(str(number))
    ln.Artifact(file.name).save()
    return number * 2

@ln.step
def middle(numbers):
    context = multiprocessing.get_context("{method}")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(part, numbers)) == [2 * number for number in numbers]
    with context.Pool(2) as pool:
        assert pool.map(part, numbers) == [2 * number for number in numbers]
    subprocess.run([sys.executable, "child.py"], check=True)

@ln.flow
def main():
    middle([1, 2])

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_runs_in_child_processes_are_children_of_the_starting_run(
    instance: Instance, write: Write, method: str
) -> None:
    write("child.py", "import lamin_core as ln\nln.track()\n")
    script = write("processes.py", PROCESSES.format(method=method))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    runs = _runs("part")
    assert _parents("part") == ["middle"] * 4
    assert _parents("child.py") == ["middle"]
    assert _parents("middle") == ["main"]
    assert {run.status for run in ln.Run.all()} == {"completed"}
    assert len({run.uid for run in runs}) == 4
    assert len({run.pid for run in runs} - {_runs("main")[0].pid}) > 1
    assert (
        sorted(artifact.key for run in runs for artifact in run.output_artifacts)
        == ["1.txt"] * 2 + ["2.txt"] * 2
    )


class UnreadableObject:
    """An object of which nothing can be asked."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError


@ln.flow
def anything(
    first: Any, /, second: Any, *rest: Any, only: Any, usual: int = 3, **more: Any
) -> None:
    """Takes arguments of every kind."""


def test_arguments_of_any_kind_are_recorded_in_short_form(instance: Instance) -> None:
    endless: list[Any] = []
    endless.append(endless)
    big = bytearray(10_000_000)
    began = time.monotonic()
    anything(
        big,
        UnreadableObject(),
        [0] * 10**7,
        endless,
        {"password": "hunter2"},
        only="x" * 10**7,
        usual=4,
        api_key="k",
        n=2,
    )
    assert time.monotonic() - began < 5
    params = _params(_runs("anything")[0])
    assert str(params["rest"][1]).strip("[']") == "<list>"
    del params["rest"][1]
    assert params == {
        "first": "<bytearray>",
        "second": "<UnreadableObject>",
        "rest": ["<list of 10000000 items>", {"password": "***"}],
        "only": "<str of 10000000 characters>",
        "usual": 4,
        "more": {"api_key": "***", "n": 2},
    }


def test_recursive_function_has_a_run_per_call(instance: Instance) -> None:
    @ln.flow
    def factorial(number: int) -> int:
        return 1 if number < 2 else number * int(factorial(number - 1))

    assert factorial(4) == 24
    above = {
        _params(run)["number"]: run.parent and _params(run.parent)["number"]
        for run in _runs("factorial")
    }
    assert above == {4: None, 3: 4, 2: 3, 1: 2}


class UnprintableError(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt, "aborted", "KeyboardInterrupt"),
        (ValueError("no luck"), "failed", "ValueError: no luck"),
        (UnprintableError, "failed", "UnprintableError"),
        (
            ValueError("postgresql://me:hunter2@db/x"),
            "failed",
            "ValueError: postgresql://me:***@db/x",
        ),
    ],
)
def test_error_of_a_function_is_raised_and_recorded(
    instance: Instance, error: BaseException | type[BaseException], status: str, message: str
) -> None:
    @ln.flow
    def fails() -> None:
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        fails()
    (run,) = _runs("fails")
    assert (run.status, run.error) == (status, message)


STOPPED = """
import os, signal, time
import lamin_core as ln

@ln.step
def inner():
    os.kill(os.getpid(), signal.{name})
    time.sleep(60)

@ln.flow
def outer():
    inner()

outer()
"""


@pytest.mark.parametrize(
    ("name", "status"), [("SIGTERM", "aborted"), ("SIGINT", "aborted"), ("SIGKILL", "lost")]
)
def test_signal_ends_all_open_runs(
    instance: Instance, write: Write, name: str, status: str
) -> None:
    script = write("stopped.py", STOPPED.format(name=name))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == -getattr(signal, name), done.stderr
    instance.runs.find_lost()
    assert {run.status for run in ln.Run.all()} == {status}
    assert ln.Run.all().count() == 2


def test_decorated_function_keeps_its_name_signature_and_result(instance: Instance) -> None:
    assert (inner.__name__, inner.__module__) == ("inner", __name__)

    class Model:
        @ln.flow(key="fit")
        def fit(self, rate: float = 0.1) -> float:
            """Fit it.

            Slowly.
            """
            return rate

    assert Model().fit(rate=0.2) == 0.2
    (run,) = _runs("fit")
    assert (run.params, run.entrypoint.rpartition(".")[2], run.transform.description) == (
        {"rate": 0.2},
        "fit",
        "Fit it.",
    )
