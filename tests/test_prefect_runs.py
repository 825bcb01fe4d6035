"""Which runs there are of flows and tasks, and what is above them: attempts, cached results, subflows, processes."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

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
HERE = f"/tests/{Path(__file__).name}"
"""How names of jobs of this file begin, after the name of the repository or without one."""


class Frame:
    """Stands for a data frame: a value without a file, of which there is only one."""


def test_runs_have_ids_names_and_parents_of_prefect(recorded: RecordedEvents) -> None:
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
    flow, task = recorded.run("nightly"), recorded.run("clean")
    assert f"/{flow.job}".endswith(f"{HERE}:nightly")
    assert f"/{task.job}".endswith(f"{HERE}:nightly:clean")
    assert (flow.id, flow.name) == (str(seen["flow"].id), "tonight")
    assert (task.id, task.name) == (str(seen["task"].id), seen["task"].name)
    assert flow.kinds == task.kinds == ["START", "COMPLETE"]
    assert (flow.parent, task.parent, task.root) == (None, flow.id, flow.id)
    facets = task.events[0]["job"]["facets"]
    assert facets["sourceCode"]["sourceCode"].lstrip().startswith("@ours.task\n")
    assert facets["documentation"]["description"] == "Wash it."
    assert facets["jobType"]["jobType"] == "TASK"


def test_parameters_are_json_and_large_objects_are_summarized(recorded: RecordedEvents) -> None:
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
        tell(
            3,
            path=Path("a/b"),
            frame=Wide(),
            db_password="hunter2",
            many=list(range(1000)),
            odd=float("nan"),
        )

    pipeline()
    params = recorded.run("tell").params
    assert params["others"].pop("frame").endswith(".Wide>")
    assert params == {
        "alpha": 3,
        "label": "x y",
        "others": {"path": "a/b", "db_password": "***", "many": "<list of 1000>", "odd": "nan"},
    }


def test_every_attempt_of_a_task_is_a_run(recorded: RecordedEvents) -> None:
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
    runs = recorded.runs("flaky")
    assert [run.kinds for run in runs] == [
        ["START", "FAIL"],
        ["START", "FAIL"],
        ["START", "COMPLETE"],
    ]
    assert [run.attempt for run in runs] == [1, 2, 3]
    assert [run.message for run in runs] == ["ValueError: try 1", "ValueError: try 2", None]
    assert len({run.id for run in runs}) == 3
    assert all(UUID(run.id) for run in runs)
    # Who uses the result waited for the attempt that gave it.
    assert recorded.run("use").waited_for == {("flaky", "value", runs[2].id)}


def test_every_attempt_of_a_flow_is_a_run(recorded: RecordedEvents) -> None:
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
    first, second = recorded.runs("pipeline")
    assert (first.kinds, second.kinds) == (["START", "FAIL"], ["START", "COMPLETE"])
    assert first.id != second.id
    assert [run.parent for run in recorded.runs("step")] == [first.id, second.id]


def test_cached_result_is_a_cached_run_with_its_files(recorded: RecordedEvents) -> None:
    from prefect.cache_policies import INPUTS

    @ours.task(cache_policy=INPUTS, persist_result=True)
    def copy(source: Path, marker: str) -> Path:
        Path("copy.txt").write_text(source.read_text())
        return Path("copy.txt")

    @ours.flow
    def pipeline() -> list[str]:
        return [
            copy(Path("a.txt"), marker, return_state=True).name
            for marker in (str(recorded.spool), str(recorded.spool))
        ]

    Path("a.txt").write_text("a")
    assert pipeline() == ["Completed", "Cached"]
    ran, cached = recorded.runs("copy")
    assert (ran.cached, cached.cached) == (False, True)
    assert cached.kinds == ["START", "COMPLETE"]
    assert (cached.inputs, cached.outputs) == (["a.txt"], ["copy.txt"])
    assert cached.parent == recorded.run("pipeline").id


def test_cache_policy_set_by_options_is_recognized(recorded: RecordedEvents) -> None:
    from prefect.cache_policies import INPUTS

    @ours.task
    def plain(marker: str) -> int:
        return 1

    @ours.flow
    def by_options() -> None:
        cached_task = plain.with_options(name="kept", cache_policy=INPUTS, on_completion=[])
        cached_task(f"{recorded.spool} options")
        cached_task(f"{recorded.spool} options")

    tries: list[int] = []

    @ours.flow(persist_result=True, retries=1)
    def by_flow() -> None:
        tries.append(1)
        plain(f"{recorded.spool} flow")
        if len(tries) < 2:
            raise ValueError("again")

    by_options()
    by_flow()
    assert [run.cached for run in recorded.runs("kept")] == [False, True]
    assert [run.cached for run in recorded.runs("plain")] == [False, True]


def test_mapped_tasks_are_runs_of_one_job(recorded: RecordedEvents) -> None:
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
    runs = recorded.runs("work")
    assert len({run.job for run in runs}) == 1
    assert sorted(run.params["part"]["n"] for run in runs) == [1, 2, 3]
    assert {run.parent for run in runs} == {recorded.run("pipeline").id}
    assert recorded.run("gather").waited_for == {("work", "value", run.id) for run in runs}
    from lamin_prefect.recording import Recording

    remaining = [value for value in gc.get_objects() if type(value) is Recording]
    assert not any(recording.run._masked for recording in remaining)


def test_wait_for_is_a_dependency_of_order(recorded: RecordedEvents) -> None:
    @ours.task
    def before() -> None: ...

    @ours.task
    def after() -> None: ...

    @ours.flow
    def pipeline() -> None:
        after(wait_for=[before.submit()])

    pipeline()
    assert recorded.run("after").waited_for == {("before", "order", recorded.run("before").id)}


def test_tasks_connected_by_a_file_have_no_other_dependency(recorded: RecordedEvents) -> None:
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
    run = recorded.run("use")
    assert run.waited_for == set()
    assert (
        run.events[1]["inputs"][0]["name"] == recorded.run("make").events[1]["outputs"][0]["name"]
    )


def test_subflows_and_nested_tasks_have_their_parents(recorded: RecordedEvents) -> None:
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
    above = recorded.run("pipeline")
    assert recorded.run("inner").parent == recorded.run("load").parent == above.id
    assert recorded.run("branch").parent == recorded.run("inner").id
    assert recorded.run("leaf").parent == recorded.run("branch").id
    assert recorded.run("leaf").root == above.id
    # Prefect itself forgets where a value comes from once it is passed to a subflow.
    assert {("load", "value", recorded.run("load").id)} == recorded.run("inner").waited_for
    assert {("load", "value", recorded.run("load").id)} == recorded.run("branch").waited_for


def test_with_options_changes_the_name_and_is_recorded(recorded: RecordedEvents) -> None:
    @ours.task
    def step(number: int) -> int:
        return number

    @ours.flow
    def pipeline() -> int:
        return step.with_options(name="other", retries=1).with_options(tags=["x"])(1)

    assert pipeline.with_options(name="renamed")() == 1
    run = recorded.run("other")
    assert run.kinds == ["START", "COMPLETE"]
    assert f"/{run.job}".endswith(f"{HERE}:renamed:other")
    assert [tag["key"] for tag in run.facets["tags"]["tags"]] == ["x"]


def test_methods_are_recorded_without_self(recorded: RecordedEvents) -> None:
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
    assert recorded.run("step").params == {"number": 1}
    assert recorded.run("still").params == {"number": 2}


def test_direct_call_of_fn_is_not_a_run(recorded: RecordedEvents) -> None:
    @ours.task
    def twice(number: int) -> int:
        return number if number > 1 else twice.fn(number * 2)

    @ours.flow
    def pipeline() -> int:
        return twice(1)

    assert twice.fn(1) == 2
    assert pipeline() == 2
    assert recorded.run("twice").kinds == ["START", "COMPLETE"]


def test_lamin_task_in_a_plain_prefect_flow_is_recorded(recorded: RecordedEvents) -> None:
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
    run = recorded.run("step")
    assert (run.parent, run.root) == (ids[0], ids[0])
    assert f"/{run.job}".endswith(f"{HERE}:plain:step")


def test_child_processes_get_their_parent(
    recorded: RecordedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamin_core.runtime.parent_context import parent_from_environment

    monkeypatch.setenv(
        "OPENLINEAGE_PARENT_ID", "snakemake/Snakefile:map/0194e0a0-0000-7000-8000-000000000000"
    )
    show = [
        sys.executable,
        "-c",
        "import os; print(os.environ['OPENLINEAGE_PARENT_ID'].split('/')[-1])",
    ]

    @ours.task
    def step() -> list[str]:
        ours = {**os.environ, **lamin_prefect.environment()}
        return [subprocess.check_output(show, env=env, text=True).strip() for env in (None, ours)]

    @ours.flow
    def pipeline() -> list[str]:
        return step()

    told_to_children = pipeline()
    flow = recorded.run("pipeline")
    assert told_to_children == [flow.id, recorded.run("step").id]
    assert (flow.parent, flow.root) == ("0194e0a0-0000-7000-8000-000000000000",) * 2
    parent = parent_from_environment()
    assert parent is not None
    assert parent.name == "Snakefile:map"
