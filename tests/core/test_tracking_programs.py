"""`lamin run`: real programs as runs, what they read and wrote, and how they ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from tests.support.commands import typed

Write = Callable[[str, str], Path]
LAMIN = [sys.executable, "-m", "lamin_core"]


@pytest.fixture
def folder(in_tmp_path: Path) -> Path:
    """A folder with an instance on SQLite, where the database is not the point."""
    ln.setup.init("./data")
    return in_tmp_path


def _edges(run: ln.Run) -> tuple[list[str | None], list[str | None]]:
    sides = run.input_artifacts, run.output_artifacts
    first, second = (sorted(artifact.key for artifact in artifacts) for artifacts in sides)
    return first, second


def test_files_named_by_arguments_are_inputs_and_outputs(instance: Instance, write: Write) -> None:
    write("in.txt", "b\na\n")
    write("both.txt", "x\n")
    write("elsewhere.txt", "not an argument\n")
    typed("run", "sort", "--output=out.txt", "in.txt")
    run = ln.Run.filter().one()
    assert (run.status, run.engine, run.transform.key, run.cli_args) == (
        *("completed", "shell", "sort"),
        "sort --output=out.txt in.txt",
    )
    assert _edges(run) == (["in.txt"], ["out.txt"])
    assert ln.Artifact.get(key="in.txt").run is None
    typed("run", "sed", "-i", "s/x/y/", "both.txt")  # it reads what it writes over
    assert _edges(ln.Run.filter(transform__key="sed").one()) == (["both.txt"], ["both.txt"])


def test_script_is_the_transform_and_parent_of_started_processes(
    instance: Instance, write: Write
) -> None:
    write("child.py", "import lamin_core as ln\nln.track()\n")
    write("child.csv", "x\n")
    save = 'import lamin_core as ln; ln.Artifact("child.csv").save()'
    ask = 'import lamin_core as ln; assert ln.context.run.name == "daily"'
    python = sys.executable
    lines = (
        "set -e",
        f"{python} child.py",
        f"{python} -c '{save}'",
        f"(cd / && {python} -c '{ask}')",
    )
    source = "\n".join([*lines, "mkdir plots", "echo 1 > plots/a.txt"])
    write("job.sh", source)
    ln.Artifact(write("known.txt", "1"), key="raw/known.txt", run=False).save()
    options = [
        "--input",
        "raw/known.txt",
        "--output",
        "plots",
        "--name",
        "daily",
        "--param",
        "alpha=0.5",
    ]
    done = subprocess.run(
        [*LAMIN, "run", *options, "job.sh", "--", "--token=secret"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    run = ln.Run.filter(name="daily").one()
    assert (run.transform.source_code, run.transform.language, run.params) == (
        source,
        "shell",
        {"alpha": 0.5},
    )
    assert run.cli_args == "job.sh --token=***"
    assert _edges(run) == (["raw/known.txt"], ["child.csv", "plots"])
    assert [child.transform.key for child in run.children] == ["child.py"]


@pytest.mark.parametrize(
    ("command", "code", "status", "message"),
    [
        (["false"], 1, "failed", "exit code 1"),
        (["bash", "-c", "kill -TERM $$"], 143, "aborted", "ended by SIGTERM"),
        (["bash", "-c", "kill -KILL $$"], 137, "failed", "exit code 137"),
        (["--output", "nothing.txt", "true"], 3, "failed", "there is no 'nothing.txt'"),
    ],
)
def test_lamin_run_exits_with_the_code_of_the_program(
    folder: Path, command: list[str], code: int, status: str, message: str
) -> None:
    typed("run", *command, code=code)
    run = ln.Run.filter().one()
    assert run.status == status
    assert message in run.error


def test_program_runs_and_has_its_exit_code_if_the_database_cannot_be_used(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rename = (
        "import sqlite3; sqlite3.connect('.lamin/lamin.db').execute('ALTER TABLE {} RENAME TO {}')"
    )
    breaks = rename.format("run", "gone")
    typed("run", "sh", "-c", f'{sys.executable} -c "{breaks}"; exit 3', code=3)
    assert "lineage is incomplete: the database" in caplog.text
    typed("run", "sh", "-c", "echo ran > ran.txt; exit 4", code=4)
    assert "the program is not recorded: the database" in caplog.text
    assert Path("ran.txt").read_text() == "ran\n"
    subprocess.run([sys.executable, "-c", rename.format("gone", "run")], check=True)
    assert ln.Run.filter().one().status == "running"


def test_python_script_has_an_environment_and_other_programs_have_none(
    folder: Path, write: Write
) -> None:
    write("fit.py", "import sys; print(open(sys.argv[1]).read())\n")
    write("raw.csv", "x\n")
    typed("run", "fit.py", "raw.csv")
    typed("run", "true")
    fit, plain = ln.Run.all().order_by("started_at")
    assert "sqlalchemy" in {name.lower() for name in fit.environment.packages}
    assert plain.environment is None
    assert (fit.transform.key, _edges(fit)) == ("fit.py", (["raw.csv"], []))


def test_script_with_a_shebang_is_run_by_its_interpreter(folder: Path, write: Write) -> None:
    write("other.py", "#!/bin/cat\nand this is no Python\n").chmod(0o755)
    done = subprocess.run([*LAMIN, "run", "other.py"], capture_output=True, text=True, check=True)
    assert done.stdout == "#!/bin/cat\nand this is no Python\n"
    run = ln.Run.filter().one()
    assert (run.transform.key, run.transform.source_code, run.environment) == (
        "other.py",
        done.stdout,
        None,
    )


def test_failed_program_has_inputs_but_no_outputs(folder: Path, write: Write) -> None:
    write("in.txt", "1\n")
    write("half.sh", "cat $1 > $2; exit 3\n")
    typed("run", "half.sh", "in.txt", "half.txt", code=3)
    assert _edges(ln.Run.filter().one()) == (["in.txt"], [])


def test_missing_program_or_input_is_refused_before_anything_runs(folder: Path) -> None:
    assert "no program is called 'nix'" in typed("run", "nix", code=3).stderr
    assert (
        "no artifact or run is called 'gone.csv'"
        in typed("run", "--input", "gone.csv", "touch", "x", code=3).stderr
    )
    assert "PROGRAM" in typed("run", code=2).stderr
    assert ln.Run.count() == 0
    assert not Path("x").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_is_forwarded_to_the_program_and_ends_the_run(folder: Path, number: int) -> None:
    wait = "trap 'exit 130' INT; trap 'exit 143' TERM; echo in; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [*LAMIN, "run", "bash", "-c", wait], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        os.kill(process.pid, number)
        assert process.wait(30) == 128 + number
    assert ln.Run.filter().one().status == "aborted"


def test_run_of_a_killed_lamin_process_is_lost(folder: Path) -> None:
    command = [*LAMIN, "run", "bash", "-c", "echo in; read x"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        process.kill()
    assert json.loads(typed("runs", "--json").stdout)[0]["status"] == "lost"
