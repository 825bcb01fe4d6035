"""Files that a run opens are its inputs and outputs, without being named: scripts, functions, `lamin run`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from tests.support.commands import lamin, on_terminal, typed

Write = Callable[[str, str], Path]
Versions = set[tuple[str | None, str]]


def _edges(run: ln.Run) -> tuple[Versions, Versions]:
    sides = run.input_artifacts, run.output_artifacts
    first, second = ({(artifact.key, artifact.version) for artifact in side} for side in sides)
    return first, second


def _script(write: Write, text: str, **environment: str) -> ln.Run:
    """The run of a script that is tracked from its first line on, in a process of its own."""
    path = write("job.py", f"import lamin_core as ln\nln.track()\n{text}\n")
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        cwd=path.parent,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return ln.Run.filter(transform__key="job.py").order_by("-started_at")[0]


def test_files_opened_by_a_script_are_its_inputs_and_outputs(
    instance: Instance, write: Write
) -> None:
    write("raw.txt", "b\n")
    write("update.txt", "1\n")
    write("appended.txt", "1\n")
    write("same.txt", "1\n")
    text = """
import os, tempfile
raw = open("raw.txt").read()
open("out.txt", "w").write(raw)
open("out.txt").read()
old = open("update.txt").read()
open("update.txt", "w").write(old + "2")
open("appended.txt", "a").write("2")
open("same.txt", "r+").close()
open("removed.txt", "w").close()
os.remove("removed.txt")
open(".atomic.tmp", "w").write("whole")
os.replace(".atomic.tmp", "atomic.txt")
open(".cache", "w").close()
tempfile.NamedTemporaryFile()
try:
    open("missing.txt")
except FileNotFoundError:
    pass
"""
    inputs, outputs = _edges(_script(write, text))
    read = {"raw.txt", "update.txt", "appended.txt", "same.txt"}
    assert inputs == {(key, "0000") for key in read}
    written = {("update.txt", "0001"), ("appended.txt", "0001")}
    assert outputs == {("out.txt", "0000"), ("atomic.txt", "0000"), *written}


def test_file_overwritten_by_every_run_is_not_an_input(instance: Instance, write: Write) -> None:
    write("raw.txt", "1\n")
    for count in ("1", "2"):
        run = _script(write, f'open("out.txt", "w").write(open("raw.txt").read() + "{count}")')
    assert _edges(run) == ({("raw.txt", "0000")}, {("out.txt", "0001")})


@pytest.mark.parametrize(
    ("library", "write_and_read"),
    [
        ("numpy", 'L.save("new.npy", L.load("old.npy"))'),
        ("pandas", 'L.read_parquet("old.parquet").to_parquet("new.parquet")'),
        ("pandas", 'L.read_csv("old.csv").to_csv("new.csv")'),
        (
            "pyarrow.parquet",
            'L.parquet.write_table(L.parquet.read_table("old.parquet"), "new.parquet")',
        ),
        (
            "pyarrow.feather",
            'L.feather.write_feather(L.feather.read_table("old.arrow"), "new.arrow")',
        ),
        ("h5py", 'L.File("old.h5").close(); L.File("new.h5", "w").close()'),
        ("anndata", 'L.read_h5ad("old.h5ad").write_h5ad("new.h5ad")'),
        ("zarr", 'L.save("new.zarr", L.load("old.zarr"))'),
    ],
    ids=lambda value: value if value.replace(".", "").isalnum() else value[2:14],
)
def test_files_opened_by_a_library_are_recorded(
    in_tmp_path: Path, write: Write, library: str, write_and_read: str
) -> None:
    pytest.importorskip(library)
    ln.setup.init("./data")
    _write_old_files(library)
    run = _script(write, f"import {library}; import {library.split('.')[0]} as L\n{write_and_read}")
    (read, written) = ({key for key, _ in side} for side in _edges(run))
    suffix = write_and_read.split("old", 1)[1].split('"')[0]
    assert (read, written) == ({f"old{suffix}"}, {f"new{suffix}"})


def _write_old_files(library: str) -> None:
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2]})
    np.save("old.npy", np.zeros(3))
    frame.to_csv("old.csv")
    frame.to_parquet("old.parquet")
    frame.to_feather("old.arrow")
    if library in ("h5py", "anndata"):
        import anndata
        import h5py

        h5py.File("old.h5", "w").close()
        anndata.AnnData(np.zeros((2, 2))).write_h5ad("old.h5ad")
    if library == "zarr":
        import zarr

        zarr.save("old.zarr", np.zeros(3))  # type: ignore[arg-type]


def test_each_step_has_its_opened_files(instance: Instance, write: Write) -> None:
    write("raw.txt", "1\n")

    @ln.step
    def clean() -> None:
        Path("clean.txt").write_text(Path("raw.txt").read_text())

    @ln.step
    def fit() -> None:
        Path("fit.txt").write_text(Path("clean.txt").read_text())

    @ln.flow
    def pipeline() -> None:
        clean()
        fit()

    pipeline()
    edges = {run.name.rsplit(".", 1)[1]: _edges(run) for run in ln.Run.all()}
    assert edges == {
        "pipeline": (set(), set()),
        "clean": ({("raw.txt", "0000")}, {("clean.txt", "0000")}),
        "fit": ({("clean.txt", "0000")}, {("fit.txt", "0000")}),
    }


def test_files_of_threads_and_forked_processes_belong_to_the_run(
    instance: Instance, write: Write
) -> None:
    text = """
import multiprocessing, threading
def save(name): open(name, "w").write(name)
thread = threading.Thread(target=save, args=["thread.txt"])
process = multiprocessing.get_context("fork").Process(target=save, args=["process.txt"])
for worker in (process, thread):
    worker.start()
    worker.join()
"""
    _, outputs = _edges(_script(write, text))
    assert {key for key, _ in outputs} == {"thread.txt", "process.txt"}


def test_saved_or_loaded_file_is_recorded_only_as_that_artifact(
    instance: Instance, write: Write
) -> None:
    write("known.txt", "1\n")
    ln.Artifact("known.txt", run=False).save()
    text = """
open("table.txt", "w").write("1")
ln.Artifact("table.txt", key="tables/a.txt").save()
open(ln.Artifact.get(key="known.txt").cache()).read()
"""
    inputs, outputs = _edges(_script(write, text))
    assert (inputs, outputs) == ({("known.txt", "0000")}, {("tables/a.txt", "0000")})


def test_files_are_not_watched_if_the_setting_is_off(instance: Instance, write: Write) -> None:
    run = _script(write, 'open("out.txt", "w").close()', LAMIN_WATCH_FILES="no")
    assert _edges(run) == (set(), set())


def test_failed_run_has_inputs_but_no_outputs(instance: Instance, write: Write) -> None:
    write("raw.txt", "1\n")

    @ln.flow
    def fails() -> None:
        Path("out.txt").write_text(Path("raw.txt").read_text())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert _edges(ln.Run.filter().one()) == ({("raw.txt", "0000")}, set())


def test_recorded_files_are_reported_on_a_terminal_but_not_in_a_log(
    in_tmp_path: Path, write: Write
) -> None:
    ln.setup.init("./data")
    script = write("job.py", 'import lamin_core as ln\nln.track()\nopen("a.txt", "w").write("1")\n')
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    shown, code = on_terminal(sys.executable, str(script))
    assert code == 0
    assert "noted: 0 inputs, 1 output of run " in shown


def test_copy_of_an_input_has_the_original_as_input(instance: Instance, write: Write) -> None:
    ln.Artifact(write("raw.csv", "n\n3\n"), key="raw.csv").save()

    @ln.step
    def copy_artifact(source: ln.Artifact) -> ln.Artifact:
        Path("a.csv").write_bytes(source.cache().read_bytes())
        return ln.Artifact("a.csv", key="out/a.csv").save()

    @ln.step
    def copy_file() -> None:
        Path("c.csv").write_bytes(Path("b.csv").read_bytes())

    @ln.flow
    def main() -> None:
        copy_artifact(ln.Artifact.get(key="raw.csv"))
        copy_file()

    write("b.csv", "n\n3\n")
    main()
    typed("run", "cp", "c.csv", "d.csv")
    edges = {run.name.rpartition(".")[2]: _edges(run) for run in ln.Run.all()}
    copied = edges.pop("copy_artifact")
    assert edges == {
        "main": (set(), set()),
        "copy_file": ({("b.csv", "0000")}, {("c.csv", "0000")}),
        "cp": ({("c.csv", "0000")}, {("d.csv", "0000")}),
    }
    assert copied == ({("raw.csv", "0000")}, {("out/a.csv", "0000")})


# `lamin run`.


def test_argument_rewritten_by_a_program_is_an_input_and_an_output(
    instance: Instance, write: Write
) -> None:
    write("x.txt", "b\na\n")
    typed("run", "sort", "--output=x.txt", "x.txt")
    assert _edges(ln.Run.filter().one()) == ({("x.txt", "0000")}, {("x.txt", "0001")})


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        (["sed", "-i", "s/a/b/", "x.txt"], True),
        (["bash", "-c", 'echo more >> "$0"', "x.txt"], True),
        (["--output", "x.txt", "bash", "-c", "sort -o x.txt x.txt"], True),
        (["cp", "new.txt", "x.txt"], False),
        (["bash", "-c", 'echo new > "$0"', "x.txt"], False),
        (["--output", "x.txt", "bash", "-c", "echo new > x.txt"], False),
    ],
)
def test_file_rewritten_by_a_program_is_an_input_only_if_it_was_read(
    in_tmp_path: Path, write: Write, command: list[str], reads: bool
) -> None:
    ln.setup.init("./data")
    write("x.txt", "c\na\n")
    write("new.txt", "new and longer\n")
    typed("run", "--output", "x.txt", "true")
    typed("run", *command)
    inputs, outputs = _edges(ln.Run.all().order_by("-started_at")[0])
    assert {version for version in inputs if version[0] == "x.txt"} == (
        {("x.txt", "0000")} if reads else set()
    )
    assert outputs == {("x.txt", "0001")}


def test_python_program_is_watched_unless_no_watch_is_given(
    instance: Instance, write: Write
) -> None:
    write("raw.txt", "1\n")
    write("fit.py", "import child\nprint(open('raw.txt').read(), file=open('out.txt', 'w'))\n")
    write("child.py", "import sys\nassert not [path for path in sys.path if 'watching' in path]\n")
    lamin("run", "fit.py")
    edges = _edges(ln.Run.filter().one())
    assert edges == ({("raw.txt", "0000")}, {("out.txt", "0000")})
    lamin("run", "--no-watch", "fit.py")
    assert _edges(ln.Run.all().order_by("-started_at")[0]) == (set(), set())


def test_sitecustomize_of_the_user_is_run(in_tmp_path: Path, write: Write) -> None:
    ln.setup.init("./data")
    write("own/sitecustomize.py", "print('mine')\n")
    write("fit.py", "import sitecustomize\nprint(sitecustomize.__file__)\n")
    environment = {**os.environ, "PYTHONPATH": str(in_tmp_path / "own")}
    done = lamin("run", "fit.py", env=environment)
    own = str(in_tmp_path / "own" / "sitecustomize.py")
    assert done.stdout.splitlines() == ["mine", "mine", own]  # of `lamin`, and of the program


def test_tracked_script_under_lamin_run_has_its_files_itself(
    in_tmp_path: Path, write: Write
) -> None:
    ln.setup.init("./data")
    write("fit.py", "import lamin_core as ln\nln.track()\nopen('out.txt', 'w').write('1')\n")
    lamin("run", "fit.py")
    edges = {run.engine: _edges(run) for run in ln.Run.all()}
    assert edges == {"python": (set(), {("out.txt", "0000")}), "shell": (set(), set())}


_PIPELINE = "sort raw.txt > sorted.txt; sed -i s/a/z/ sorted.txt; mv sorted.txt final.txt"


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_watch_option_records_files_of_any_program(instance: Instance, write: Write) -> None:
    write("raw.txt", "b\na\n")
    typed("run", "--watch", "bash", "-c", _PIPELINE)
    typed("run", "bash", "-c", _PIPELINE)
    watched, plain = map(_edges, ln.Run.all().order_by("started_at"))
    assert watched == ({("raw.txt", "0000")}, {("final.txt", "0000")})
    assert plain == (set(), set())


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_watch_option_works_with_a_blank_in_the_path_of_the_cache(
    in_tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_tmp_path / "a cache"))
    ln.setup.init("./data")
    write("raw.txt", "b\na\n")
    typed("run", "--watch", "bash", "-c", _PIPELINE)
    assert _edges(ln.Run.filter().one()) == ({("raw.txt", "0000")}, {("final.txt", "0000")})


def test_strace_is_used_if_there_is_no_compiler(
    in_tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    ln.setup.init("./data")
    write("raw.txt", "b\na\n")
    tools = in_tmp_path / ".tools"
    _only_these_programs(tools, monkeypatch, "strace", "bash", "sort", "sed", "mv")
    typed("run", "--watch", "bash", "-c", _PIPELINE)
    assert _edges(ln.Run.filter().one()) == ({("raw.txt", "0000")}, {("final.txt", "0000")})


def test_watch_without_compiler_and_strace_is_refused_before_anything_runs(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ln.setup.init("./data")
    _only_these_programs(in_tmp_path / ".tools", monkeypatch, "touch")
    done = typed("run", "--watch", "touch", "x.txt", code=5)
    assert "no program can be watched here" in done.stderr
    assert not Path("x.txt").exists()


def _only_these_programs(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    folder.mkdir()
    for name in names:
        program = shutil.which(name)
        assert program is not None
        (folder / name).symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
