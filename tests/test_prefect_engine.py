"""Recording beside the time-outs, the cache and the checks of Prefect's engine."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import asyncio
import os
import threading
import time
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
_SLOW = 4.0
"""Seconds that reading a file takes in these tests; timeouts are shorter."""


@pytest.fixture
def slow_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files take long to be read, as large ones do."""
    from lamin_core.storage import digest_cache
    from lamin_core.storage.hashing import digest as quick

    def slow(*args: Any) -> Any:
        time.sleep(_SLOW)
        return quick(*args)

    monkeypatch.setattr(digest_cache, "digest", slow)


def test_hashing_files_does_not_count_towards_a_timeout(
    recorded: RecordedEvents, slow_reading: None
) -> None:
    @ours.task(timeout_seconds=3)
    def copy(raw: Path) -> Path:
        Path("out.txt").write_text(raw.read_text())
        return Path("out.txt")

    @ours.task(timeout_seconds=3)
    async def copy_async(raw: Path) -> Path:
        Path("async.txt").write_text(raw.read_text())
        return Path("async.txt")

    @ours.flow
    def pipeline() -> list[str]:
        return [copy(Path("a.txt"), return_state=True).name, copy.submit(Path("a.txt")).state.name]

    @ours.flow(timeout_seconds=3)
    def quick(raw: Path) -> Path:
        Path("quick.txt").write_text(raw.read_text())
        return Path("quick.txt")

    @ours.flow
    async def async_pipeline() -> str:
        return (await copy_async(Path("a.txt"), return_state=True)).name

    Path("a.txt").write_text("a")
    assert pipeline()[0] == "Completed"
    assert asyncio.run(async_pipeline()) == "Completed"
    assert quick(Path("a.txt"), return_state=True).name == "Completed"
    runs = [*recorded.runs("copy"), recorded.run("copy_async"), recorded.run("quick")]
    assert {(*run.kinds, *run.inputs) for run in runs} == {("START", "COMPLETE", "a.txt")}


def test_hashing_files_does_not_block_the_event_loop(
    recorded: RecordedEvents, slow_reading: None
) -> None:
    longest = 0.0

    @ours.task
    async def copy(raw: Path) -> Path:
        Path("out.txt").write_text(raw.read_text())
        return Path("out.txt")

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    @ours.flow
    async def pipeline() -> None:
        watching = asyncio.create_task(watch())
        await copy(Path("a.txt"))
        watching.cancel()

    Path("a.txt").write_text("a")
    asyncio.run(pipeline())
    assert (recorded.run("copy").inputs, recorded.run("copy").outputs) == (["a.txt"], ["out.txt"])
    assert longest < _SLOW


def test_large_file_is_not_hashed_again_by_the_next_process(
    recorded: RecordedEvents, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from lamin_core.storage import digest_cache
    from lamin_core.storage.hashing import digest
    from lamin_prefect import file_use
    from openlineage.lamin.adapter.datasets import DatasetReader

    hashed: list[Path] = []

    def counting(path: Path, *args: Any) -> Any:
        hashed.append(path)
        return digest(path, *args)

    @ours.task
    def size(raw: Path) -> int:
        return raw.stat().st_size

    @ours.flow
    def pipeline(raw: Path) -> int:
        return size(raw)

    with Path("large.bin").open("wb") as file:
        file.truncate(digest_cache.SHELVED_FROM)
    time.sleep(0.1)  # so that no later change could bear the same time
    monkeypatch.setattr(digest_cache, "digest", counting)
    for _ in range(2):
        reader = DatasetReader(tmp_path / "digests.db")  # as a new process has it
        monkeypatch.setattr(file_use, "reader", reader)
        assert pipeline(Path("large.bin")) == digest_cache.SHELVED_FROM
    assert [path.name for path in hashed] == ["large.bin"]
    assert [run.inputs for run in recorded.runs("size")] == [["large.bin"]] * 2


def test_flow_with_invalid_parameters_is_a_failed_run(
    recorded: RecordedEvents,
) -> None:
    @ours.flow
    def typed(number: int) -> int:
        return number

    @ours.flow
    async def typed_async(number: int) -> int:
        return number

    @ours.flow
    def pipeline() -> None:
        typed("four")

    with pytest.raises(Exception, match="number"):
        pipeline()
    with pytest.raises(Exception, match="number"):
        asyncio.run(typed_async("five"))
    invalid, above = recorded.run("typed"), recorded.run("pipeline")
    assert invalid.kinds == recorded.run("typed-async").kinds == ["START", "FAIL"]
    assert (invalid.parent, invalid.params) == (above.id, {"number": "four"})
    assert "number" in invalid.message
    assert above.kinds == ["START", "FAIL"]


def test_cached_run_has_the_files_of_the_run_that_computed_its_result(
    recorded: RecordedEvents,
) -> None:
    from prefect.cache_policies import INPUTS

    @ours.task(cache_policy=INPUTS, persist_result=True)
    def copy(source: Path, target: str, marker: str) -> Path:
        Path(target).write_text(source.read_text())
        return Path(target)

    @ours.task(cache_policy=INPUTS, persist_result=True)
    async def copy_async(source: Path, target: str, marker: str) -> Path:
        Path(target).write_text(source.read_text())
        return Path(target)

    @ours.flow
    def pipeline() -> None:
        copy(Path("a.txt"), "out.txt", str(recorded.spool))

    @ours.flow
    async def async_pipeline() -> None:
        await copy_async(Path("a.txt"), "async.txt", str(recorded.spool))

    def versions(run: Any) -> list[Any]:
        last = run.events[-1]
        return [
            dataset["facets"]["version"]["datasetVersion"]
            for dataset in (*last["inputs"], *last["outputs"])
        ]

    Path("a.txt").write_text("a")
    for _ in range(2):
        pipeline()
        asyncio.run(async_pipeline())
        for name in ("a.txt", "out.txt", "async.txt"):
            Path(name).write_text("edited by hand")
    for job in ("copy", "copy_async"):
        maker, cached = recorded.runs(job)
        assert (maker.cached, cached.cached) == (False, True)
        assert len(versions(maker)) == 2
        assert versions(cached) == versions(maker)


def test_results_that_prefect_stores_are_not_files_of_the_run(recorded: RecordedEvents) -> None:
    from prefect.cache_policies import INPUTS
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    @ours.task(cache_policy=INPUTS, persist_result=True)
    def size(text: str) -> int:
        Path("size.txt").write_text(text)
        return len(text)

    @ours.task(cache_policy=INPUTS, persist_result=True)
    async def async_size(text: str) -> int:
        return len(text)

    @ours.flow(persist_result=True)
    async def pipeline() -> list[int]:
        return [size("abc"), size("abc"), *[await async_size("four") for _ in range(2)]]

    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: Path("stored").absolute()}):
        assert asyncio.run(pipeline()) == [3, 3, 4, 4]
    assert any(Path("stored").iterdir())
    assert recorded.run("pipeline").outputs == recorded.run("pipeline").inputs == []
    sizes = recorded.runs("size")
    assert [(run.cached, run.outputs) for run in sizes] == [
        (False, ["size.txt"]),
        (True, ["size.txt"]),
    ]
    assert [(run.inputs, run.outputs) for run in recorded.runs("async_size")] == [([], [])] * 2


def test_cached_run_of_an_unrecorded_computation_has_no_files(recorded: RecordedEvents) -> None:
    import prefect
    from prefect.cache_policies import INPUTS

    def copy(source: Path, marker: str) -> Path:
        Path("out.txt").write_text(source.read_text())
        return Path("out.txt")

    def run(flow: Any, task: Any) -> None:
        cached = task(cache_policy=INPUTS, persist_result=True)(copy)
        flow(lambda: cached(Path("a.txt"), str(recorded.spool)))()

    Path("a.txt").write_text("a")
    run(prefect.flow, prefect.task)
    run(ours.flow, ours.task)
    cached = recorded.run("copy")
    assert (cached.cached, cached.inputs, cached.outputs) == (True, [], [])


def test_tasks_connected_by_values_lead_back_to_the_first_file(
    recorded: RecordedEvents,
) -> None:
    class Table:
        """A value without a file."""

    @ours.task
    def load(path: str) -> Table:
        Path(path).read_text()
        return Table()

    @ours.task
    def join(table: Table, settings: dict[str, Any]) -> Table:
        return Table()

    @ours.task
    def save(bundle: dict[str, Any]) -> str:
        Path("out.csv").write_text("x")
        return "out.csv"

    @ours.flow
    def pipeline() -> None:
        table = join(load("raw.csv"), {"rules": Path("rules.txt")})
        save({"table": table, "rules": Path("rules.txt")})

    Path("raw.csv").write_text("x")
    Path("rules.txt").write_text("x")
    pipeline()
    load_run, join_run, save_run = (recorded.run(job) for job in ("load", "join", "save"))
    assert load_run.inputs == ["raw.csv"]
    assert join_run.waited_for == {("load", "value", load_run.id)}
    assert save_run.waited_for == {("join", "value", join_run.id)}
    assert (save_run.inputs, save_run.outputs) == (["rules.txt"], ["out.csv"])


def test_concurrent_flows_do_not_share_their_environment(
    recorded: RecordedEvents,
) -> None:
    together = threading.Barrier(2)
    seen: dict[str, list[str | None]] = {}

    def parent() -> str | None:
        return os.environ.get("OPENLINEAGE_PARENT_ID")

    @ours.flow
    def aside(name: str) -> None:
        together.wait(60)
        seen[name] = [parent()]
        together.wait(60)

    @ours.flow
    def pipeline() -> None:
        alone = parent()
        other = threading.Thread(target=aside, args=("aside",))
        other.start()
        together.wait(60)
        beside = parent()
        together.wait(60)
        other.join()
        seen["main"] = [alone, beside, parent()]

    pipeline()
    alone, beside, after = seen["main"]
    assert (beside, seen["aside"]) == (None, [None])
    assert alone is not None
    assert alone == after
    assert alone.endswith(recorded.run("pipeline").id)
    assert parent() is None


def test_flows_in_two_files_of_the_same_name_are_two_transforms(
    recorded: RecordedEvents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamin_prefect.job_names import script_name

    def names() -> list[str]:
        return [script_name(function) for function in functions]

    functions = []
    for folder in ("one", "two"):
        file = tmp_path / folder / "main.py"
        file.parent.mkdir()
        file.write_text("def main() -> None: ...")
        namespace: dict[str, Any] = {}
        exec(compile(file.read_text(), str(file), "exec"), namespace)
        functions.append(namespace["main"])
    assert names() == ["one/main.py", "two/main.py"]
    monkeypatch.chdir(tmp_path / "one")
    assert names() == ["main.py", "two/main.py"]
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    assert names() == ["one/main.py", "two/main.py"]


def test_step_under_a_task_is_one_run(recorded: RecordedEvents) -> None:
    import lamin_core as ln

    @ours.task
    @ln.step
    def double(number: int) -> int:
        return 2 * number

    @ours.task
    @ln.step()
    async def double_async(number: int) -> int:
        return 2 * number

    @ours.flow
    @ln.flow
    def pipeline() -> int:
        return double(2)

    @ours.flow
    async def async_pipeline() -> int:
        return await double_async(3)

    assert (pipeline(), asyncio.run(async_pipeline())) == (4, 6)
    assert recorded.run("double").kinds == ["START", "COMPLETE"]
    assert recorded.run("double").params == {"number": 2}
    assert recorded.run("double_async").kinds == ["START", "COMPLETE"]
    assert recorded.run("double").parent == recorded.run("pipeline").id
