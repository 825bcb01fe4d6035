"""Runs of plain Python: what they are of, what they read and wrote, and how they end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import NotTracked
from lamin_core.instance.instance import Instance

Write = Callable[[str, str], Path]


def _script(
    write: Write, name: str, text: str, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    path = write(name, "import lamin_core as ln\n" + text)
    return subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=check, cwd=path.parent
    )


def test_rerun_is_a_new_run_of_the_same_transform(instance: Instance, write: Write) -> None:
    for _ in range(2):
        _script(write, "a.py", "ln.track(params={'alpha': 1, 'api_key': 'k'})\nln.finish()\n")
    first, second = ln.Run.all().to_list()
    assert first.transform_id == second.transform_id
    assert first.uid != second.uid
    assert (first.status, first.engine, first.transform.key, first.transform.kind) == (
        "completed",
        "python",
        "a.py",
        "script",
    )
    assert first.params == {"alpha": 1, "api_key": "***"}
    assert first.environment.packages["sqlalchemy"]
    assert first.environment_id == second.environment_id


def test_changed_code_is_a_new_version_of_the_transform(instance: Instance, write: Write) -> None:
    _script(write, "a.py", "ln.track()\nln.finish()\n")
    _script(write, "a.py", "ln.track()\nln.finish()  # changed\n")
    old, new = ln.Transform.filter(key="a.py").order_by("number")
    assert (old.version, new.version, old.stem_uid == new.stem_uid) == ("0000", "0001", True)
    assert (old.is_latest, new.is_latest) == (False, True)
    assert ln.Transform.get(key="a.py").uid == new.uid


def test_loaded_artifact_is_an_input_and_saved_artifact_an_output(
    instance: Instance, write: Write
) -> None:
    source = ln.Artifact(write("a.csv", "x\n1\n")).save()
    run = ln.track(ln.Transform(key="t").save())
    assert (ln.context.run.uid, ln.context.transform.key) == (run.uid, "t")
    ln.Artifact.get(key="a.csv").load()
    output = ln.Artifact(write("b.csv", "x\n2\n")).save()
    output.load()
    ln.finish()
    assert [artifact.uid for artifact in run.input_artifacts] == [source.uid]
    assert [artifact.uid for artifact in run.output_artifacts] == [output.uid]
    assert output.run.uid == run.uid
    assert source.run is None


def test_same_bytes_written_by_two_runs_are_an_output_of_both(
    instance: Instance, write: Write
) -> None:
    with ln.run("one") as first:
        artifact = ln.Artifact(write("a.txt", "x")).save()
    with ln.run("two") as second:
        again = ln.Artifact(write("a.txt", "x")).save()
    assert again.uid == artifact.uid
    assert {run.uid for run in artifact.output_of_runs} == {first.uid, second.uid}
    assert artifact.run.uid == first.uid


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [
        ("ln.finish()", 0, "completed"),
        ("pass", 0, "completed"),
        ("raise ValueError('no luck')", 1, "failed"),
    ],
)
def test_run_of_a_script_has_the_status_of_its_exit(
    instance: Instance, write: Write, end: str, code: int, status: str
) -> None:
    done = _script(write, "a.py", f"ln.track()\n{end}\n", check=False)
    assert done.returncode == code
    run = ln.Run.one()
    assert run.status == status
    assert run.finished_at is not None
    assert (run.error == "ValueError: no luck") is (status == "failed")


def test_run_of_a_killed_script_is_marked_lost(instance: Instance, write: Write) -> None:
    done = _script(
        write,
        "a.py",
        "import os, signal\nln.track()\nos.kill(os.getpid(), signal.SIGKILL)\n",
        check=False,
    )
    assert done.returncode == -9
    assert ln.Run.one().status == "running"
    assert instance.runs.find_lost() == 1
    assert ln.Run.one().status == "lost"


def test_script_started_by_a_tracked_run_is_its_child(instance: Instance, write: Write) -> None:
    parent = ln.track(ln.Transform(key="parent").save())
    _script(write, "child.py", "ln.track()\nln.finish()\n")
    ln.finish()
    child = ln.Run.filter(transform__key="child.py").one()
    assert child.parent.uid == parent.uid
    assert [run.uid for run in parent.children] == [child.uid]


def test_steps_are_children_of_the_flow_and_fail_with_their_message(instance: Instance) -> None:
    @ln.step
    def halve(number: int) -> float:
        return 1 / number

    @ln.flow()
    def main(number: int, other: str = "x") -> float:
        return halve(number)

    assert main(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        main(0)
    flows = ln.Run.filter(transform__kind="flow").order_by("started_at").to_list()
    steps = ln.Run.filter(transform__kind="step").order_by("started_at").to_list()
    assert [run.status for run in flows + steps] == ["completed", "failed"] * 2
    assert [step.parent.uid for step in steps] == [run.uid for run in flows]
    assert flows[0].params == {"number": 2, "other": "x"}
    assert "ZeroDivisionError" in steps[1].error
    assert ln.Transform.filter(kind="step").count() == 1


def test_concurrent_async_flows_have_separate_runs(instance: Instance, write: Write) -> None:
    write("a.txt", "a"), write("b.txt", "b")

    @ln.flow
    async def save(name: str) -> str:
        await asyncio.sleep(0.01)
        return ln.Artifact(name).save().run.uid

    async def both() -> tuple[str, str]:
        return await asyncio.gather(save("a.txt"), save("b.txt"))

    assert len(set(asyncio.run(both()))) == 2


def test_step_and_finish_without_a_run_raise_not_tracked(instance: Instance) -> None:
    @ln.step
    def alone() -> None: ...

    with pytest.raises(NotTracked, match="needs a run"):
        alone()
    with pytest.raises(NotTracked, match=r"call ln.track\(\) first"):
        ln.finish()


def test_final_status_of_a_run_does_not_change(instance: Instance) -> None:
    run = ln.Run(ln.Transform(key="t").save()).save()
    assert run.status == "running"
    assert run.fail("no luck").status == "failed"
    assert run.complete().status == "failed"
    assert ln.Run.one().error == "no luck"


def test_file_older_than_the_run_is_not_its_output(instance: Instance, write: Write) -> None:
    path = write("raw.csv", "x\n1\n")
    os.utime(path, (1, 1))
    ln.Artifact(path).save()
    run = ln.track(ln.Transform(key="t").save())
    ln.Artifact(path).save().load()
    ln.finish()
    assert [artifact.key for artifact in run.input_artifacts] == ["raw.csv"]
    assert run.output_artifacts.count() == 0


def test_second_track_ends_the_first_run(instance: Instance) -> None:
    first = ln.track(ln.Transform(key="t").save())
    second = ln.track(ln.Transform(key="t").save())
    ln.finish()
    assert ln.Run.get(first.uid).status == "completed"
    assert second.parent is None
