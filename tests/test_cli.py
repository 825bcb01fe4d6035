"""The command line: what it prints, with which exit code, and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.runtime import current
from tests.support import commands
from tests.support.commands import Done


def lamin(
    *arguments: str, code: int = 0, **options: Any
) -> Done | subprocess.CompletedProcess[str]:
    """Run the command, in a process of its own where it needs one, and check its exit code."""
    if options or "--debug" in arguments:
        return commands.lamin(*arguments, code=code, **options)
    return commands.typed(*arguments, code=code)


@pytest.fixture
def story(in_tmp_path: Path) -> Path:
    """An instance in which a script turned `in.csv` into `out.csv`, twice with other bytes."""
    init("./data")
    (in_tmp_path / "in.csv").write_text("x\n1\n")
    ln.Artifact("in.csv").save()
    for text in ("x\n2\n", "x\n3\n"):
        with ln.run("double.py", params={"factor": 2}, kind="script"):
            ln.Artifact.get(key="in.csv").load()
            (in_tmp_path / "out.csv").write_text(text)
            ln.Artifact("out.csv").save()
    disconnect()
    return in_tmp_path


def test_lineage_as_json_has_the_documented_fields(story: Path) -> None:
    seen = json.loads(lamin("lineage", "out.csv", "--json").stdout)
    assert set(seen) == {
        *("artifacts", "runs", "jobs", "edges", "declared"),
        *("dependencies", "contains", "truncated"),
    }
    artifact = next(
        row for row in seen["artifacts"] if row["key"] == "out.csv" and row["version"] == "0001"
    )
    assert set(artifact) == {"uid", "key", "version", "hash", "hash_type", "size", "path"}
    assert artifact["path"] == str(story / "out.csv")
    run = seen["runs"][0]
    assert set(run) == {
        *("uid", "external_id", "name", "transform", "transform_key", "engine", "parent", "status"),
        *("cached", "attempt", "started_at", "finished_at", "params", "collection"),
    }
    assert (run["engine"], run["status"], run["cached"], run["attempt"]) == (
        "python",
        "completed",
        False,
        1,
    )
    assert run["started_at"].endswith("+00:00")
    assert run["params"] == {"factor": 2}
    assert {
        (edge["direction"], set(edge) == {"run", "artifact", "direction", "role"})
        for edge in seen["edges"]
    } == {
        ("input", True),
        ("output", True),
    }
    uids = {row["uid"] for row in seen["artifacts"]}, {run["uid"] for run in seen["runs"]}
    assert all(edge["artifact"] in uids[0] and edge["run"] in uids[1] for edge in seen["edges"])


def test_up_and_down_limit_the_steps(story: Path) -> None:
    def keys(*arguments: str) -> set[str]:
        seen = json.loads(lamin("lineage", *arguments, "--json").stdout)
        artifacts = {f"{artifact['key']} {artifact['version']}" for artifact in seen["artifacts"]}
        return artifacts | {run["transform_key"] for run in seen["runs"]}

    assert keys("out.csv", "--up", "0", "--down", "0") == {"out.csv 0001"}
    assert keys("out.csv", "--up", "1", "--down", "0") == {"out.csv 0001", "double.py"}
    assert keys("out.csv", "--up", "2", "--down", "0") == {
        "out.csv 0001",
        "double.py",
        "in.csv 0000",
    }
    assert keys("out.csv", "--down", "0") == {"out.csv 0001", "double.py", "in.csv 0000"}
    assert keys("in.csv", "--down", "1") == {"in.csv 0000", "double.py"}
    assert keys("in.csv") == {"in.csv 0000", "double.py", "out.csv 0000", "out.csv 0001"}
    assert keys("--all") == keys("in.csv")


def test_lineage_on_a_terminal_is_a_tree(story: Path) -> None:
    lines = lamin("lineage", "out.csv").stdout.splitlines()
    assert lines[0] == "out.csv  v0001"
    assert lines[1].startswith("└─ run ")
    assert "of double.py · python · completed" in lines[1]
    assert lines[2] == "   └─ in.csv  v0000"
    down = lamin("lineage", "in.csv", "--down", "9").stdout
    assert "out.csv  v0000" in down


def test_artifact_is_found_by_key_path_or_uid(story: Path) -> None:
    uid = json.loads(lamin("artifacts", "--json").stdout)[0]["uid"]
    (story / "below").mkdir()
    for name in ("out.csv", "./out.csv", str(story / "out.csv"), uid, uid[:16]):
        assert lamin("lineage", name).stdout.startswith("out.csv  v0001")
    assert lamin("lineage", "../out.csv", cwd=story / "below").stdout.startswith("out.csv  v0001")


def test_runs_and_artifacts_are_listed_newest_first(story: Path) -> None:
    runs = json.loads(lamin("runs", "--json").stdout)
    assert [run["transform_key"] for run in runs] == ["double.py", "double.py"]
    assert runs[0]["started_at"] > runs[1]["started_at"]
    assert [artifact["key"] for artifact in json.loads(lamin("artifacts", "--json").stdout)] == [
        "out.csv",
        "out.csv",
        "in.csv",
    ]
    assert "double.py" in lamin("runs").stdout
    assert "out.csv" in lamin("artifacts").stdout
    assert lamin("lineage", "--all").stdout.splitlines()[1].split() == ["none", "0", "0", "1", "0"]


def test_export_and_replay_copy_the_whole_lineage(story: Path) -> None:
    exported = lamin("events", "export").stdout
    lines = exported.splitlines()
    assert all({"run", "job", "dataset"} & set(json.loads(line)) for line in lines)
    (story / "copy").mkdir()
    lamin("init", "--storage", "./data", cwd=story / "copy")
    report = json.loads(
        lamin("events", "replay", "-", "--json", cwd=story / "copy", input=exported).stdout
    )
    assert (report["taken"], report["known"]) == (len(lines), 0)
    assert (
        f"0 taken, {len(lines)} known"
        in lamin("events", "replay", "-", cwd=story / "copy", input=exported).stdout
    )

    def plain(folder: Path) -> list[tuple[str, Any]]:
        seen = json.loads(lamin("lineage", "--all", "--json", cwd=folder).stdout)
        paths = {
            artifact["uid"]: (artifact["path"], artifact["version"])
            for artifact in seen["artifacts"]
        }
        return sorted(
            (edge["run"], *paths[edge["artifact"]], edge["direction"]) for edge in seen["edges"]
        )

    assert plain(story / "copy") == plain(story)


def test_replay_ingests_readable_lines_and_reports_the_others(story: Path) -> None:
    (story / "events.ndjson").write_bytes(b'{"broken": \n\n{}\n')
    done = lamin("events", "replay", "events.ndjson", code=1)
    assert "0 taken, 0 known already, 1 put aside" in done.stdout
    assert "line 1" in done.stderr
    (story / "empty.ndjson").touch()
    assert "0 taken" in lamin("events", "replay", "empty.ndjson").stdout
    assert "cannot be read" in lamin("events", "replay", "nowhere.ndjson", code=3).stderr


def test_replay_without_files_ingests_the_spool(story: Path) -> None:
    spool = story / ".lamin" / "spool"
    spool.mkdir()
    (spool / "waiting.ndjson").write_text(lamin("events", "export").stdout)
    lamin("events", "replay")
    assert not list(spool.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["lineage", "ouut.csv"], 3, "nearest: out.csv"),
        (["lineage"], 2, "lamin lineage --all"),
        (["lineage", "out.csv", "--up", "-1"], 2, "Invalid value"),
        (["nonsense"], 2, "Commands are: "),
        (["init", "--storage", "./other"], 4, "already has an instance"),
        (["--debug", "lineage", "none"], 1, "Traceback"),
    ],
)
def test_errors_have_a_message_and_a_hint(
    story: Path, arguments: list[str], code: int, message: str
) -> None:
    done = lamin(*arguments, code=code)
    assert message in done.stderr
    assert done.stdout == ""


def test_commands_without_an_instance_name_init(in_tmp_path: Path) -> None:
    for arguments in (
        ["runs"],
        ["artifacts"],
        ["lineage", "--all"],
        ["info"],
        ["events", "export"],
        ["serve"],
    ):
        assert "lamin init --storage ./data" in lamin(*arguments, code=3).stderr


@pytest.mark.parametrize(
    "name", ["with space.txt", "quo'te\".txt", "ünïcode-☃.txt", "new\nline.txt", "-dash.txt"]
)
def test_unusual_names_are_printed_on_one_line_and_found(in_tmp_path: Path, name: str) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    (in_tmp_path / name).write_text("x")
    ln.connect()
    ln.Artifact(in_tmp_path / name).save()
    current.set_current_instance(None)
    assert len(lamin("lineage", "--", name).stdout.splitlines()) == 1
    assert json.loads(lamin("artifacts", "--json").stdout)[0]["key"] == name
    assert len(lamin("artifacts").stdout.splitlines()) == 2


def test_info_names_the_current_instance(story: Path) -> None:
    facts = json.loads(lamin("info", "--json").stdout)
    assert facts["instance"] == str(story / ".lamin")
    assert facts["version"] == ln.__version__
    other = lamin("info", "--json", cwd="/", env={**os.environ, "LAMIN_INSTANCE": str(story)})
    assert json.loads(other.stdout) == facts


def test_closed_output_pipe_is_not_an_error(story: Path) -> None:
    ln.ULabel.from_values([f"label {number}" for number in range(3000)], create=True).save()
    disconnect()
    lamin_core = f"{sys.executable} -m lamin_core"
    for command_line in (
        "artifacts",
        "list ulabels --limit 3000",
        "list ulabels --limit 3000 --json",
        "events export",
    ):
        piped = ["bash", "-o", "pipefail", "-c", f"{lamin_core} {command_line} | head -c 1"]
        done = subprocess.run(piped, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command_line


def test_unwritable_standard_output_is_reported(story: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lamin_core", "runs"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "lamin: standard output cannot be written: No space left on device",
    )


def test_version_command_imports_nothing_heavy() -> None:
    code = """
import sys
from lamin_core.cli import lamin
lamin(["--version"], standalone_mode=False)
print([m for m in ("sqlalchemy", "pandas", "alembic", "fsspec", "starlette") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
