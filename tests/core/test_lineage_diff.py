"""Two runs side by side: what is compared, and how it is told, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.cli import lineage as commands
from lamin_core.enums import RunStatus
from lamin_core.errors import NotFound
from lamin_core.ingest.facts import DatasetFacts, RunFacts, TransformFacts
from lamin_core.ingest.record import record
from lamin_core.instance.instance import Instance
from lamin_core.lineage.diff import Changes, File, Snapshot, diff
from tests.core.test_lineage_questions import invoke, invoke_json

Write = Callable[[str, str], Path]
AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_diff_compares_every_part_of_two_python_runs(instance: Instance, write: Write) -> None:
    def run(alpha: float, source: str, extra: dict[str, Any], text: str) -> ln.Run:
        transform = ln.Transform(key="fit.py", source_code=source).save()
        new_run = ln.Run(transform, params={"alpha": alpha, "seed": 1, **extra}).save()
        ln.Artifact("in.txt", run=False).save()
        write("out.txt", text)
        write("same.txt", "s")
        for name in ("out.txt", "same.txt"):
            ln.Artifact(name, run=new_run).save()
        new_run.input_artifacts.add(ln.Artifact.get(key="in.txt"))
        return new_run.complete()

    write("in.txt", "a")
    first, second = (
        run(0.1, "a = 1\nb = 2\n", {"old": True}, "b"),
        run(0.2, "a = 1\nb = 3\n", {"new": None}, "c"),
    )
    difference = first.diff(second)
    assert difference.runs == (first.uid, second.uid)
    assert difference.status == ("completed", "completed")
    assert difference.params == Changes({"new": None}, {"old": True}, {"alpha": (0.1, 0.2)})
    assert difference.code.splitlines()[2:] == ["@@ -1,2 +1,2 @@", " a = 1", "-b = 2", "+b = 3"]
    assert [(file.state, file.name) for file in difference.inputs] == [("same", "in.txt")]
    assert [(file.state, file.name) for file in difference.outputs] == [
        ("changed", "out.txt"),
        ("same", "same.txt"),
    ]
    assert difference.duration[0] == pytest.approx(first.duration)

    seen, _ = invoke_json(commands.diff, first.uid, second.uid)
    assert seen["params"] == {
        "added": {"new": None},
        "removed": {"old": True},
        "changed": {"alpha": [0.1, 0.2]},
    }
    assert (
        seen["outputs"][0]["first"]["hash"]
        == "blake3:" + ln.Artifact.filter(key="out.txt").first().hash
    )
    text = invoke(commands.diff, first.uid, "fit.py").stdout
    assert text == f"{first.diff('fit.py')}\n"
    for line in (
        "  ~ alpha: 0.1 → 0.2",
        "  - old: True",
        "  + new: None",
        "  -b = 2",
        "  = in.txt",
        "  = same.txt",
    ):
        assert line in text.splitlines()
    with pytest.raises(NotFound, match="no run is called"):
        first.diff("nobody")


def test_diff_compares_runs_from_events(instance: Instance) -> None:
    def told_of(number: int, *outputs: tuple[str, str]) -> RunFacts:
        at = AT + timedelta(hours=number)
        files = [
            DatasetFacts("output", f"/w/{name}", at + timedelta(minutes=1), hash, "blake3", 1)
            for name, hash in outputs
        ]
        return RunFacts(
            f"run-{number}",
            TransformFacts("planted", "align", source=f"v{number}", source_hash=f"{number:064x}"),
            "snakemake",
            RunStatus.COMPLETED if number == 1 else RunStatus.FAILED,
            engine_version=f"9.{number}",
            started_at=at,
            finished_at=at + timedelta(minutes=number),
            params={"threads": number},
            datasets=(DatasetFacts("input", "/w/in.txt", at), *files),
        )

    with instance.db.writing() as session:
        record(
            session,
            [
                told_of(1, ("a", "1" * 64), ("b", "2" * 64)),
                told_of(2, ("a", "3" * 64), ("c", "2" * 64)),
            ],
        )
    difference = instance.lineage.diff("run-1", "run-2")
    assert (difference.engine, difference.engine_version) == (
        ("snakemake", "snakemake"),
        ("9.1", "9.2"),
    )
    assert (difference.status, difference.duration) == (("completed", "failed"), (60.0, 120.0))
    assert difference.params.changed == {"threads": (1, 2)}
    assert difference.code.endswith("-v1\n+v2")
    assert difference.environment is None
    assert [file.state for file in difference.inputs] == ["same"]
    assert [(file.state, Path(file.name).name) for file in difference.outputs] == [
        ("changed", "a"),
        ("moved", "b"),
    ]
    text = str(difference)
    assert "environment: not known of both, so not compared" in text
    assert "  ~ /w/a  111111111111 → 333333333333" in text
    assert "  > /w/b → /w/c" in text


def snapshot(**values: Any) -> Snapshot:
    """A run of nothing, but for these values."""
    plain: dict[str, Any] = {
        "uid": "r" * 16,
        "transform": "a.py",
        "version": "t0",
        "source": "x",
        "engine": "python",
        "engine_version": None,
        "status": "completed",
        "duration": 1.0,
        "params": {},
        "environment": None,
        "inputs": (),
        "outputs": (),
    }
    return Snapshot(**{**plain, **values})


def test_diff_names_added_removed_and_changed_packages() -> None:
    system = {"python": "3.11", "platform": "linux"}
    first = snapshot(environment={**system, "packages": {"pandas": "2.1", "old": "1"}})
    second = snapshot(
        environment={**system, "python": "3.12", "packages": {"pandas": "2.2", "new": "1"}}
    )
    environment_changes = diff(first, second).environment
    assert environment_changes is not None
    assert environment_changes["system"].changed == {"python": ("3.11", "3.12")}
    assert environment_changes["packages"] == Changes(
        {"new": "1"}, {"old": "1"}, {"pandas": ("2.1", "2.2")}
    )
    assert not environment_changes["conda"]
    assert "  ~ pandas: '2.1' → '2.2'" in str(diff(first, second)).splitlines()


def test_diff_of_a_run_with_itself_is_empty() -> None:
    run_snapshot = snapshot(
        params={"a": 1}, environment={"packages": {"x": "1"}}, inputs=(File("i", "u", None),)
    )
    difference = diff(run_snapshot, run_snapshot)
    assert not difference.params
    assert (difference.code, [file.state for file in difference.inputs]) == ("", ["same"])
    assert not any((difference.environment or {}).values())


def test_diff_of_params_distinguishes_types_of_equal_value() -> None:
    assert diff(snapshot(params={"a": 1}), snapshot(params={"a": True})).params.changed == {
        "a": (1, True)
    }


def test_diff_of_code_without_sources_is_none() -> None:
    assert diff(snapshot(), snapshot(version="t1", source=None)).code is None


def test_diff_of_files_without_hash_compares_versions() -> None:
    first, second = (snapshot(outputs=(File("o", uid, None),)) for uid in ("u0", "u1"))
    assert [file.state for file in diff(first, second).outputs] == ["changed"]
    assert [file.state for file in diff(first, first).outputs] == ["same"]


def test_diff_escapes_control_characters() -> None:
    shown = str(
        diff(snapshot(), snapshot(params={"a\x1b[2J": 1}, outputs=(File("x\ny", "u", None),)))
    )
    assert "\x1b" not in shown
    assert "  + x\\ny" in shown.splitlines()
