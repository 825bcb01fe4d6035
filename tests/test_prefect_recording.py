"""What is recorded of flows and tasks, in this process, against a real Prefect server."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import lamin_prefect

if TYPE_CHECKING:
    from tests.prefect_server import Told

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here

pytest_plugins = ["tests.prefect_server"]
# Prefect leaves its connections to the garbage collector at the end of an asynchronous flow.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")


class Frame:
    """Stands for a data frame: a value without a file, of which there is only one."""


def test_runs_carry_prefects_ids_names_and_their_place(told: Told) -> None:
    from prefect.context import FlowRunContext, TaskRunContext

    seen: dict[str, Any] = {}

    @ours.task
    def clean(number: int) -> int:
        """Wash it."""
        context = TaskRunContext.get()
        assert context is not None
        seen["task"] = context.task_run
        return number

    @ours.flow(name="nightly", flow_run_name="tonight")
    def analysis() -> int:
        context = FlowRunContext.get()
        assert context is not None
        seen["flow"] = context.flow_run
        return clean(1)

    assert analysis() == 1
    flow, task = told.run("nightly"), told.run("clean")
    assert flow.job == "test_prefect_recording.py:nightly"
    assert task.job == "test_prefect_recording.py:nightly:clean"
    assert (flow.id, flow.name) == (str(seen["flow"].id), "tonight")
    assert (task.id, task.name) == (str(seen["task"].id), seen["task"].name)
    assert flow.kinds == task.kinds == ["START", "COMPLETE"]
    assert (flow.parent, task.parent, task.root) == (None, flow.id, flow.id)
    facets = task.events[0]["job"]["facets"]
    assert facets["sourceCode"]["sourceCode"].lstrip().startswith("@ours.task\n")
    assert facets["documentation"]["description"] == "Wash it."
    assert facets["jobType"]["jobType"] == "TASK"


def test_files_are_inputs_where_they_go_in_and_outputs_where_they_come_out(told: Told) -> None:
    @ours.task
    def shout(source: Path, target: Path, settings: dict[str, Any]) -> dict[str, list[Path]]:
        target.write_text(source.read_text().upper())
        return {"made": [target, Path("never written")]}

    @ours.flow
    def pipeline(source: Path) -> None:
        shout(source, Path("out.txt"), {"more": (Path("b.txt"), "c.txt")})

    for name in ("a.txt", "b.txt", "c.txt"):
        Path(name).write_text(name)
    pipeline("a.txt")
    run = told.run("shout")
    assert run.inputs == ["a.txt", "b.txt"]
    assert run.outputs == ["out.txt"]
    assert [found["name"] for found in run.events[0]["inputs"]] == [os.path.abspath("a.txt"), os.path.abspath("b.txt")]
    assert all(found["facets"]["lamin_artifact"]["hash_type"] == "blake3" for found in run.events[0]["inputs"])
    assert told.run("pipeline").inputs == ["a.txt"]


def test_text_is_a_path_only_where_the_annotation_says_so(told: Told) -> None:
    @ours.task
    def look(said: Path | None, unsaid: str) -> None: ...

    @ours.flow
    def pipeline() -> None:
        look("a.txt", "b.txt")

    Path("a.txt").write_text("a")
    Path("b.txt").write_text("b")
    pipeline()
    assert told.run("look").inputs == ["a.txt"]


def test_a_file_handed_through_is_an_output_only_if_it_changed(told: Told) -> None:
    @ours.task
    def look(path: Path) -> Path:
        return path

    @ours.task
    def change(path: Path) -> Path:
        path.write_text("b")  # as many bytes as before
        return path

    @ours.flow
    def pipeline() -> None:
        path = Path("a.txt")
        path.write_text("a")
        look(path)
        change(path)
        look(path)

    pipeline()
    assert [run.outputs for run in told.runs("look")] == [[], []]
    changed = told.run("change")
    assert changed.outputs == ["a.txt"]
    before, after = changed.events[0]["inputs"][0], changed.events[1]["outputs"][0]
    assert before["facets"]["lamin_artifact"]["hash"] != after["facets"]["lamin_artifact"]["hash"]
    assert told.runs("look")[1].events[0]["inputs"][0]["facets"]["version"] == after["facets"]["version"]


def test_a_folder_is_an_input_unless_results_were_put_into_it(told: Told) -> None:
    @ours.task
    def convert(source: Path, results: Path, here: Path) -> Path:
        target = results / "out.txt"
        target.write_text(str(len(list(source.iterdir()))))
        return target

    @ours.flow
    def pipeline() -> None:
        convert(Path("source"), Path("results"), Path())

    for folder in ("source", "results"):
        Path(folder).mkdir()
        Path(folder, "one.txt").write_text("1")
    pipeline()
    run = told.run("convert")
    assert (run.inputs, run.outputs) == (["source"], ["out.txt"])
    assert run.events[1]["inputs"][0]["facets"]["lamin_artifact"]["n_files"] == 1


def test_a_url_is_an_input_unless_it_is_returned(told: Told) -> None:
    class Remote:
        """As universal_pathlib looks, without a network."""

        protocol = "s3"

        def __init__(self, url: str) -> None:
            self.url = url

        @property
        def path(self) -> str:
            return self.url.partition("://")[2]

        def __str__(self) -> str:
            return self.url

        def exists(self) -> bool:
            raise ConnectionError("nobody asked you")

    @ours.task
    def copy(source: Any, target: Any) -> Any:
        return target

    @ours.flow
    def pipeline() -> None:
        copy(Remote("s3://bucket/in/a.csv"), Remote("s3://bucket/out/b.csv"))

    pipeline()
    run = told.run("copy")
    assert (run.inputs, run.outputs) == (["a.csv"], ["b.csv"])
    assert run.events[1]["outputs"][0]["namespace"] == "s3://bucket"


def test_an_artifact_is_known_by_its_looks(told: Told) -> None:
    class Artifact:
        uid = "0123456789abcdef0000"

        def __init__(self, path: Path) -> None:
            self._path = path

        @property
        def path(self) -> Path:
            return self._path

    @ours.task
    def copy(source: Artifact) -> Artifact:
        Path("copy.txt").write_text(source.path.read_text())
        return Artifact(Path("copy.txt"))

    @ours.flow
    def pipeline() -> None:
        copy(Artifact(Path("a.txt")))

    Path("a.txt").write_text("a")
    pipeline()
    run = told.run("copy")
    assert (run.inputs, run.outputs) == (["a.txt"], ["copy.txt"])


def test_files_that_are_not_passed_are_declared_or_said(told: Told) -> None:
    @ours.task(inputs="raw/{name}.csv", outputs=["clean/{name}.csv", Path("log.txt")])
    def clean(name: str) -> None:
        Path("clean").mkdir()
        Path(f"clean/{name}.csv").write_text(Path(f"raw/{name}.csv").read_text())
        Path("log.txt").write_text("done")
        lamin_prefect.read("table.txt")
        assert lamin_prefect.wrote(Path("notes.txt")) == Path("notes.txt")
        Path("notes.txt").write_text("written afterwards")

    @ours.flow
    def pipeline() -> None:
        clean("liver")

    Path("raw").mkdir()
    Path("raw/liver.csv").write_text("1")
    Path("table.txt").write_text("2")
    pipeline()
    run = told.run("clean")
    assert run.inputs == ["liver.csv", "table.txt"]
    assert run.outputs == ["liver.csv", "log.txt", "notes.txt"]


@pytest.mark.parametrize(
    "name", ["two words.txt", 'it\'s "quoted".txt', "(näher) 日本.txt", "a\nb.txt", "{brace}%20#?.txt"]
)
def test_file_names_may_be_odd(told: Told, name: str) -> None:
    @ours.task
    def copy(source: Path) -> Path:
        target = source.with_name(f"copy of {source.name}")
        target.write_text(source.read_text())
        return target

    @ours.flow
    def pipeline() -> None:
        copy(Path(name))

    Path(name).write_text("a")
    pipeline()
    run = told.run("copy")
    assert (run.inputs, run.outputs) == ([name], [f"copy of {name}"])
    assert run.params == {"source": name}


def test_parameters_are_json_and_big_objects_stay_where_they_are(told: Told) -> None:
    class Wide:
        def __reduce__(self) -> str:
            raise AssertionError("serialised")

        def __str__(self) -> str:
            raise AssertionError("rendered")

        __repr__ = __str__

    @ours.task(cache_policy=None)
    def tell(alpha: int, label: str = "x y", **others: Any) -> None: ...

    @ours.flow
    def pipeline() -> None:
        tell(3, path=Path("a/b"), frame=Wide(), db_password="hunter2", many=list(range(1000)), odd=float("nan"))

    pipeline()
    params = told.run("tell").params
    assert params["others"].pop("frame").endswith(".Wide>")
    assert params == {
        "alpha": 3,
        "label": "x y",
        "others": {"path": "a/b", "db_password": "***", "many": "<list of 1000>", "odd": "nan"},
    }


def test_every_attempt_of_a_task_is_a_run_of_its_own(told: Told) -> None:
    tries: list[int] = []

    @ours.task(retries=2)
    def flaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError(f"try {len(tries)}")
        return "good"

    @ours.task
    def use(value: str) -> None: ...

    @ours.flow
    def pipeline() -> None:
        use(flaky())

    pipeline()
    runs = told.runs("flaky")
    assert [run.kinds for run in runs] == [["START", "FAIL"], ["START", "FAIL"], ["START", "COMPLETE"]]
    assert [run.attempt for run in runs] == [1, 2, 3]
    assert [run.message for run in runs] == ["ValueError: try 1", "ValueError: try 2", None]
    assert len({run.id for run in runs}) == 3
    assert all(UUID(run.id) for run in runs)
    # Who uses the result waited for the attempt that gave it.
    assert told.run("use").waited_for == {("flaky", "value", runs[2].id)}


def test_every_attempt_of_a_flow_is_a_run_of_its_own(told: Told) -> None:
    tries: list[int] = []

    @ours.task
    def step() -> None: ...

    @ours.flow(retries=1)
    def pipeline() -> None:
        tries.append(1)
        step()
        if len(tries) < 2:
            raise ValueError("again")

    pipeline()
    first, second = told.runs("pipeline")
    assert (first.kinds, second.kinds) == (["START", "FAIL"], ["START", "COMPLETE"])
    assert first.id != second.id
    assert [run.parent for run in told.runs("step")] == [first.id, second.id]


def test_a_result_from_the_cache_is_a_cached_run_with_its_files(told: Told) -> None:
    from prefect.cache_policies import INPUTS

    @ours.task(cache_policy=INPUTS, persist_result=True)
    def copy(source: Path, marker: str) -> Path:
        Path("copy.txt").write_text(source.read_text())
        return Path("copy.txt")

    @ours.flow
    def pipeline() -> list[str]:
        return [copy(Path("a.txt"), marker, return_state=True).name for marker in (str(told.spool), str(told.spool))]

    Path("a.txt").write_text("a")
    assert pipeline() == ["Completed", "Cached"]
    ran, cached = told.runs("copy")
    assert (ran.cached, cached.cached) == (False, True)
    assert cached.kinds == ["START", "COMPLETE"]
    assert (cached.inputs, cached.outputs) == (["a.txt"], ["copy.txt"])
    assert cached.parent == told.run("pipeline").id


def test_a_cache_asked_for_later_is_seen_too(told: Told) -> None:
    from prefect.cache_policies import INPUTS

    @ours.task
    def plain(marker: str) -> int:
        return 1

    @ours.flow
    def by_options() -> None:
        kept = plain.with_options(name="kept", cache_policy=INPUTS, on_completion=[])
        kept(f"{told.spool} options")
        kept(f"{told.spool} options")

    tries: list[int] = []

    @ours.flow(persist_result=True, retries=1)
    def by_flow() -> None:
        tries.append(1)
        plain(f"{told.spool} flow")
        if len(tries) < 2:
            raise ValueError("again")

    by_options()
    by_flow()
    assert [run.cached for run in told.runs("kept")] == [False, True]
    assert [run.cached for run in told.runs("plain")] == [False, True]


def test_mapped_tasks_are_runs_of_one_job(told: Told) -> None:
    @ours.task
    def split() -> list[dict[str, int]]:
        return [{"n": 1}, {"n": 2}, {"n": 3}]

    @ours.task
    def work(part: dict[str, int]) -> dict[str, int]:
        return {"n": part["n"] * 10}

    @ours.task
    def gather(parts: list[dict[str, int]]) -> int:
        return sum(part["n"] for part in parts)

    @ours.flow
    def pipeline() -> int:
        return gather(work.map(split.submit()))

    assert pipeline() == 60
    runs = told.runs("work")
    assert len({run.job for run in runs}) == 1
    assert sorted(run.params["part"]["n"] for run in runs) == [1, 2, 3]
    assert {run.parent for run in runs} == {told.run("pipeline").id}
    assert told.run("gather").waited_for == {("work", "value", run.id) for run in runs}


def test_waiting_without_a_value_is_order(told: Told) -> None:
    @ours.task
    def before() -> None: ...

    @ours.task
    def after() -> None: ...

    @ours.flow
    def pipeline() -> None:
        after(wait_for=[before.submit()])

    pipeline()
    assert told.run("after").waited_for == {("before", "order", told.run("before").id)}


def test_where_a_file_lies_between_there_is_no_other_dependency(told: Told) -> None:
    @ours.task
    def make() -> Path:
        Path("a.txt").write_text("a")
        return Path("a.txt")

    @ours.task
    def use(path: Path) -> None: ...

    @ours.flow
    def pipeline() -> None:
        use(make())

    pipeline()
    run = told.run("use")
    assert run.waited_for == set()
    assert run.events[0]["inputs"][0]["name"] == told.run("make").events[1]["outputs"][0]["name"]


def test_asynchronous_tasks_keep_to_their_own_runs(told: Told) -> None:
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
    runs = {run.params["number"]: run for run in told.runs("outer")}
    assert {number: run.id for number, run in runs.items()} == names
    assert {run.params["number"]: run.parent for run in told.runs("inner")} == names
    assert {run.root for run in told.runs("inner")} == {told.run("pipeline").id}


def test_generators_are_runs_from_their_first_to_their_last_value(told: Told) -> None:
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
    run = told.run("lines")
    assert run.kinds == ["START", "COMPLETE"]
    assert run.outputs == ["0.txt", "1.txt", "2.txt"]
    assert {used.parent for used in told.runs("use")} == {told.run("pipeline").id}


def test_a_generator_that_is_not_used_up_has_ended_well(told: Told) -> None:
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
    assert told.run("numbers").kinds == ["START", "COMPLETE"]
    assert told.run("more").kinds == ["START", "COMPLETE"]


def test_subflows_and_nested_tasks_know_what_is_above_them(told: Told) -> None:
    @ours.task
    def leaf(frame: Frame) -> None: ...

    @ours.task
    def branch(frame: Frame) -> None:
        leaf(frame)

    @ours.task
    def load() -> Frame:
        return Frame()

    @ours.flow(validate_parameters=False)
    def inner(frame: Frame) -> None:
        branch(frame)

    @ours.flow
    def pipeline() -> None:
        inner(load())

    pipeline()
    above = told.run("pipeline")
    assert told.run("inner").parent == told.run("load").parent == above.id
    assert told.run("branch").parent == told.run("inner").id
    assert told.run("leaf").parent == told.run("branch").id
    assert told.run("leaf").root == above.id
    # Prefect itself forgets where a value comes from once it is passed to a subflow.
    assert {("load", "value", told.run("load").id)} == told.run("inner").waited_for
    assert {("load", "value", told.run("load").id)} == told.run("branch").waited_for


def test_the_flows_own_result_is_published_where_a_task_wrote_it(told: Told) -> None:
    @ours.task
    def make() -> Path:
        Path("a.txt").write_text("a")
        return Path("a.txt")

    @ours.flow
    def pipeline() -> list[Path]:
        Path("b.txt").write_text("b")
        return [make(), Path("b.txt")]

    pipeline()
    outputs = told.run("pipeline").events[-1]["outputs"]
    roles = {Path(found["name"]).name: found["facets"]["lamin_artifact"].get("role") for found in outputs}
    assert roles == {"a.txt": "published", "b.txt": None}


def test_a_failure_carries_its_message_and_the_users_part_of_the_trace(told: Told) -> None:
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
    run = told.run("bad")
    assert (run.kinds, run.message) == (["START", "FAIL"], "LookupError: no such luck")
    trace = run.facets["errorMessage"]["stackTrace"]
    assert "in bad" in trace
    assert "lamin_prefect/listener.py" not in trace
    assert told.run("pipeline").kinds == ["START", "FAIL"]
    assert told.of("never") == []


def test_a_timeout_is_a_failure(told: Told) -> None:
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
    assert {run.message for run in [*told.runs("slow"), told.run("slow_async")]} == {"timed out after 0.2 s"}
    assert {kind for run in told.runs("slow") for kind in run.kinds} == {"START", "FAIL"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_cuts_a_run_short_aborts_it(told: Told, error: type[BaseException]) -> None:
    @ours.task
    def stopped() -> None:
        raise error()

    @ours.flow
    def pipeline() -> None:
        stopped()

    with pytest.raises(error):
        pipeline()
    for job in ("stopped", "pipeline"):
        run = told.run(job)
        assert (run.kinds, run.message) == (["START", "ABORT"], error.__name__)


def test_states_and_futures_that_are_returned_decide_the_end(told: Told) -> None:
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
    assert told.run("by-future").kinds == ["START", "FAIL"]
    assert told.run("by-states").kinds == ["START", "FAIL"]
    assert told.run("says_failed").message == "said so"
    assert told.run("all-good").kinds == ["START", "COMPLETE"]


def test_a_rollback_marks_what_was_written(told: Told) -> None:
    from prefect.transactions import transaction

    @ours.task
    def write() -> Path:
        Path("a.txt").write_text("a")
        return Path("a.txt")

    @write.on_rollback
    def remove(txn: Any) -> None:
        Path("a.txt").unlink()

    @ours.flow
    def pipeline() -> None:
        with transaction():
            write()
            raise ValueError("undo")

    with pytest.raises(ValueError, match="undo"):
        pipeline()
    assert not Path("a.txt").exists()
    run = told.run("write")
    assert run.kinds == ["START", "COMPLETE", "RUNNING"]
    assert run.events[2]["outputs"][0]["facets"]["lamin_artifact"]["role"] == "rolled_back"


def test_with_options_keeps_the_recording_and_changes_the_name(told: Told) -> None:
    @ours.task
    def step(number: int) -> int:
        return number

    @ours.flow
    def pipeline() -> int:
        return step.with_options(name="other", retries=1).with_options(tags=["x"])(1)

    assert pipeline.with_options(name="renamed")() == 1
    run = told.run("other")
    assert run.kinds == ["START", "COMPLETE"]
    assert run.job == "test_prefect_recording.py:renamed:other"
    assert run.facets["lamin_run"]["details"]["tags"] == ["x"]


def test_methods_are_recorded_without_their_object(told: Told) -> None:
    class Study:
        @ours.task
        def step(self, number: int) -> int:
            return number

        @ours.task
        @staticmethod
        def still(number: int) -> int:
            return number

        @ours.flow
        def pipeline(self) -> int:
            return self.step(1) + Study.still(2)

    assert Study().pipeline() == 3
    assert told.run("step").params == {"number": 1}
    assert told.run("still").params == {"number": 2}


def test_a_function_called_past_prefect_is_not_a_run(told: Told) -> None:
    @ours.task
    def twice(number: int) -> int:
        return number if number > 1 else twice.fn(number * 2)

    @ours.flow
    def pipeline() -> int:
        return twice(1)

    assert twice.fn(1) == 2
    assert pipeline() == 2
    assert told.run("twice").kinds == ["START", "COMPLETE"]


def test_a_task_of_ours_in_a_flow_of_prefects_own(told: Told) -> None:
    import prefect
    from prefect.context import FlowRunContext

    ids = []

    @ours.task
    def step() -> None: ...

    @prefect.flow
    def plain() -> None:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        ids.append(str(context.flow_run.id))
        step()

    plain()
    run = told.run("step")
    assert (run.parent, run.root, run.job) == (ids[0], ids[0], "test_prefect_recording.py:plain:step")


def test_child_processes_find_their_parent(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamin_core.propagation import parent_from_environment

    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", "snakemake/Snakefile:map/0194e0a0-0000-7000-8000-000000000000")
    show = [sys.executable, "-c", "import os; print(os.environ['OPENLINEAGE_PARENT_ID'].split('/')[-1])"]

    @ours.task
    def step() -> list[str]:
        ours = {**os.environ, **lamin_prefect.environment()}
        return [subprocess.check_output(show, env=env, text=True).strip() for env in (None, ours)]

    @ours.flow
    def pipeline() -> list[str]:
        return step()

    told_to_children = pipeline()
    flow = told.run("pipeline")
    assert told_to_children == [flow.id, told.run("step").id]
    assert (flow.parent, flow.root) == ("0194e0a0-0000-7000-8000-000000000000",) * 2
    parent = parent_from_environment()
    assert parent is not None
    assert parent.name == "Snakefile:map"


def test_an_error_of_ours_is_a_warning_and_nothing_more(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lamin_prefect import capture

    def broken(*anything: Any) -> None:
        raise RuntimeError("our fault")

    monkeypatch.setattr(capture, "in_result", broken)

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
    assert [run.kinds for run in told.runs("step")] == [["START", "COMPLETE"]] * 2
    monkeypatch.setenv("LAMIN_STRICT", "1")
    with pytest.raises(Exception, match="no instance here"):
        pipeline()


def test_saying_something_outside_of_a_run_is_a_warning(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lamin_core.errors import NotTracked

    assert lamin_prefect.read("a.txt") == "a.txt"
    assert "no flow or task" in caplog.text
    monkeypatch.setenv("LAMIN_STRICT", "1")
    with pytest.raises(NotTracked):
        lamin_prefect.wrote("a.txt")


def test_events_are_json_of_the_standard(told: Told) -> None:
    @ours.flow
    def pipeline() -> None: ...

    pipeline()
    start, end = told.of("pipeline")
    assert start["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/")
    assert json.loads(json.dumps(end)) == end
    assert start["run"]["facets"]["processing_engine"]["name"] == "prefect"
