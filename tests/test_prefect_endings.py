"""Ends of flows and tasks: completed, failed, cancelled, rolled back; and failures of the recording."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lamin_prefect

if TYPE_CHECKING:
    from tests.support.prefect_server import RecordedEvents

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here

pytest_plugins = ["tests.support.prefect_server"]
# Prefect leaves its connections to the garbage collector at the end of an asynchronous flow.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


def test_async_tasks_have_their_own_runs(recorded: RecordedEvents) -> None:
    names: dict[int, str] = {}

    @ours.task
    async def inner(number: int) -> None: ...

    @ours.task
    async def outer(number: int) -> int:
        await asyncio.sleep(0.01 * (3 - number))
        run = lamin_prefect.current_run()
        assert run is not None
        names[number] = run.run_id
        await inner(number)
        return number

    @ours.flow
    async def pipeline() -> list[int]:
        return list(await asyncio.gather(*(outer(number) for number in range(3))))

    assert asyncio.run(pipeline()) == [0, 1, 2]
    runs = {run.params["number"]: run for run in recorded.runs("outer")}
    assert {number: run.id for number, run in runs.items()} == names
    assert {run.params["number"]: run.parent for run in recorded.runs("inner")} == names
    assert {run.root for run in recorded.runs("inner")} == {recorded.run("pipeline").id}


def test_generators_are_runs_from_their_first_to_their_last_value(recorded: RecordedEvents) -> None:
    @ours.task
    def lines(count: int) -> Iterator[Path]:
        for number in range(count):
            path = Path(f"{number}.txt")
            path.write_text(str(number))
            yield path

    @ours.task
    def use(path: Path) -> None:
        assert lamin_prefect.current_run() is not None

    @ours.flow
    def pipeline() -> list[str]:
        mine = lamin_prefect.current_run()
        seen = []
        for path in lines(3):
            assert lamin_prefect.current_run() == mine
            use(path)
            seen.append(path.name)
        return seen

    assert pipeline() == ["0.txt", "1.txt", "2.txt"]
    run = recorded.run("lines")
    assert run.kinds == ["START", "COMPLETE"]
    assert run.outputs == ["0.txt", "1.txt", "2.txt"]
    assert {used.parent for used in recorded.runs("use")} == {recorded.run("pipeline").id}


def test_generator_closed_early_is_completed(recorded: RecordedEvents) -> None:
    @ours.task
    def numbers() -> Iterator[int]:
        yield 1
        yield 2

    @ours.task
    async def more() -> AsyncIterator[int]:
        yield 1
        yield 2

    @ours.flow
    def pipeline() -> int:
        generator = numbers()
        first = next(iter(generator))
        generator.close()
        return first

    @ours.flow
    async def async_pipeline() -> list[int]:
        return [number async for number in more()]

    assert pipeline() == 1
    assert asyncio.run(async_pipeline()) == [1, 2]
    assert recorded.run("numbers").kinds == ["START", "COMPLETE"]
    assert recorded.run("more").kinds == ["START", "COMPLETE"]


def test_failure_has_the_message_and_the_traceback_of_the_user(
    recorded: RecordedEvents,
) -> None:
    @ours.task
    def bad() -> int:
        raise LookupError("no such luck")

    @ours.task
    def never(value: int) -> None: ...

    @ours.flow
    def pipeline() -> None:
        failed = bad.submit()
        assert never.submit(failed).state.name in ("Pending", "NotReady")
        failed.result()

    with pytest.raises(LookupError, match="no such luck"):
        pipeline()
    run = recorded.run("bad")
    assert (run.kinds, run.message) == (["START", "FAIL"], "LookupError: no such luck")
    trace = run.facets["errorMessage"]["stackTrace"]
    assert "in bad" in trace
    assert "lamin_prefect/listener.py" not in trace
    assert recorded.run("pipeline").kinds == ["START", "FAIL"]
    assert recorded.of("never") == []


def test_timeout_is_a_failure(recorded: RecordedEvents) -> None:
    @ours.task(timeout_seconds=0.2)
    def slow() -> None:
        for _ in range(100):  # a thread cannot be interrupted while it sleeps
            time.sleep(0.02)

    @ours.task(timeout_seconds=0.2)
    async def slow_async() -> None:
        await asyncio.sleep(5)

    @ours.flow
    def pipeline() -> list[str]:
        return [slow(return_state=True).name, slow.submit(return_state=True).name]

    @ours.flow
    async def async_pipeline() -> str:
        return str((await slow_async(return_state=True)).name)

    assert pipeline()[0] == "TimedOut"
    assert asyncio.run(async_pipeline()) == "TimedOut"
    assert {run.message for run in [*recorded.runs("slow"), recorded.run("slow_async")]} == {
        "timed out after 0.2 s"
    }
    assert {kind for run in recorded.runs("slow") for kind in run.kinds} == {"START", "FAIL"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_keyboard_interrupt_and_system_exit_abort_the_run(
    recorded: RecordedEvents, error: type[BaseException]
) -> None:
    @ours.task
    def stopped() -> None:
        raise error()

    @ours.flow
    def pipeline() -> None:
        stopped()

    with pytest.raises(error):
        pipeline()
    for job in ("stopped", "pipeline"):
        run = recorded.run(job)
        assert (run.kinds, run.message) == (["START", "ABORT"], error.__name__)


def test_returned_states_and_futures_determine_the_status(recorded: RecordedEvents) -> None:
    from prefect.states import Completed, Failed

    @ours.task
    def bad() -> None:
        raise ValueError("bad")

    @ours.task
    def says_failed() -> Any:
        return Failed(message="said so")

    @ours.flow
    def by_future() -> Any:
        return bad.submit()

    @ours.flow
    def by_states() -> Any:
        return [Completed(), says_failed(return_state=True)]

    @ours.flow
    def all_good() -> Any:
        bad(return_state=True)
        return Completed(message="never mind")

    assert by_future(return_state=True).is_failed()
    assert by_states(return_state=True).is_failed()
    assert all_good(return_state=True).is_completed()
    assert recorded.run("by-future").kinds == ["START", "FAIL"]
    assert recorded.run("by-states").kinds == ["START", "FAIL"]
    assert recorded.run("says_failed").message == "said so"
    assert recorded.run("all-good").kinds == ["START", "COMPLETE"]


def test_internal_error_of_the_adapter_is_only_a_warning(
    recorded: RecordedEvents, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lamin_prefect import path_discovery

    def broken(*anything: Any) -> None:
        raise RuntimeError("our fault")

    monkeypatch.setattr(path_discovery, "in_result", broken)

    @ours.task(outputs="{no_such_parameter}.txt")
    def step() -> int:
        return 1

    @ours.flow
    def pipeline() -> int:
        return step() + step()

    assert pipeline() == 2
    assert [record.message for record in caplog.records if "our fault" in record.message] == [
        "lineage of this run is incomplete: RuntimeError: our fault"
    ]
    assert [run.kinds for run in recorded.runs("step")] == [["START", "COMPLETE"]] * 2
    monkeypatch.setenv("LAMIN_STRICT", "1")
    with pytest.raises(Exception, match="no instance here"):
        pipeline()
    monkeypatch.delenv("LAMIN_STRICT")
    names: list[str | None] = []
    ours.flow(lambda: names.append(os.environ.get("OPENLINEAGE_PARENT_ID")), name="next")()
    assert names != [None]  # the flow that was refused is not taken for one that is under way


def test_read_and_wrote_outside_of_a_run_only_warn(
    recorded: RecordedEvents, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lamin_core.errors import NotTracked

    assert lamin_prefect.read("a.txt") == "a.txt"
    assert "no flow or task" in caplog.text
    monkeypatch.setenv("LAMIN_STRICT", "1")
    with pytest.raises(NotTracked):
        lamin_prefect.wrote("a.txt")


def test_events_are_standard_openlineage_json(recorded: RecordedEvents) -> None:
    @ours.flow
    def pipeline() -> None: ...

    pipeline()
    start, end = recorded.of("pipeline")
    assert start["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/")
    assert json.loads(json.dumps(end)) == end
    assert start["run"]["facets"]["processing_engine"]["name"] == "prefect"
