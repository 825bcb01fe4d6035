"""Notebooks, executed by a real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import lamin_core as ln
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance
from lamin_core.tracking import notebooks
from tests.support.commands import typed

Execute = Callable[..., None]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: kernels are slow to start, and what they do is the same on both databases."""
    return f"sqlite:///{tmp_path / 'registry.db'}"


@pytest.fixture
def execute(instance: Instance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Execute:
    """Write a notebook with these cells, run it as Jupyter's server would, and save it with its outputs."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    def executed(*cells: str, fails: bool = False) -> None:
        notebook = new_notebook(
            cells=[new_markdown_cell("# Count genes\n\nand more"), *map(new_code_cell, cells)]
        )
        path = Path("counts.ipynb").absolute()
        nbformat.write(notebook, path)
        client = nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", allow_errors=fails
        )
        client.execute(cwd=str(path.parent), env={**os.environ, "JPY_SESSION_NAME": str(path)})
        nbformat.write(notebook, path)

    return executed


def test_notebook_run_has_its_source_and_html_report(instance: Instance, execute: Execute) -> None:
    execute(
        "import lamin_core as ln\nrun = ln.track(params={'n': 1})",
        "print('a' + 'bc')",
        "ln.finish()",
    )
    run = ln.Run.one()
    assert (run.status, run.params, run.transform.key, run.transform.kind) == (
        "completed",
        {"n": 1},
        "counts.ipynb",
        "notebook",
    )
    assert run.transform.description == "Count genes"
    source = json.loads(run.transform.source_code or "")
    assert [cell["source"] for cell in source["cells"]][2] == "print('a' + 'bc')"
    assert [cell.get("outputs", []) for cell in source["cells"]] == [[]] * 4
    nbformat.validate(nbformat.reads(run.transform.source_code, 4))
    page = run.report.load(is_run_input=False)
    assert run.report.suffix == ".html"
    assert "Count genes" in page
    assert run.cli_args is None


def test_outputs_do_not_make_a_notebook_version_and_changed_cells_do(
    instance: Instance, execute: Execute
) -> None:
    cells = ["import lamin_core as ln\nrun = ln.track()", "1 + 1", "_ = ln.finish()"]
    execute(*cells)
    subprocess.run(  # the saved file now has outputs and counts
        [sys.executable, "-c", "import lamin_core as ln; ln.track(path='counts.ipynb')"], check=True
    )
    assert [transform.version for transform in ln.Transform.all()] == ["0000"]
    execute(*cells[:2], "3 + 3", cells[2])
    assert ln.Transform.filter(key="counts.ipynb").count() == 2
    assert ln.Run.filter(transform__version_tag=None).count() == 3


def test_notebook_saved_during_the_run_is_the_source(instance: Instance, execute: Execute) -> None:
    change = (
        "import json, pathlib\npath = pathlib.Path('counts.ipynb')\nread = json.loads(path.read_text())\n"
        "read['cells'][1]['source'] += '\\n# saved later'\npath.write_text(json.dumps(read))"
    )
    execute("import lamin_core as ln\nrun = ln.track()", change, "_ = ln.finish()")
    run = ln.Run.one()
    assert "# saved later" in (run.transform.source_code or "")
    assert (run.transform.version, ln.Transform.count()) == ("0000", 1)


@pytest.mark.parametrize(
    ("last", "status"),
    [("1 / 0", "failed"), ("try:\n    1 / 0\nexcept Exception:\n    pass", "completed")],
)
def test_end_of_the_kernel_ends_the_run(
    instance: Instance, execute: Execute, last: str, status: str
) -> None:
    execute("import lamin_core as ln\nrun = ln.track()", last, fails=True)
    run = ln.Run.one()
    assert (run.status, run.error) == (
        status,
        "ZeroDivisionError: division by zero" if status == "failed" else None,
    )


def test_notebook_run_by_nbconvert_is_recognized(instance: Instance, execute: Execute) -> None:
    execute("import lamin_core as ln\nrun = ln.track()", "_ = ln.finish()")
    Path("counts.ipynb").rename("moved.ipynb")
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--to",
        "notebook",
        "--execute",
        "--inplace",
        "moved.ipynb",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {run.transform.key for run in ln.Run.all()} == {
        "moved.ipynb"
    }  # renamed: its cells are the same
    assert ln.Transform.count() == 1


def test_notebook_can_be_loaded_edited_and_tracked_again(instance: Instance) -> None:
    path = Path("counts.ipynb").absolute()
    nbformat.write(
        new_notebook(cells=[new_markdown_cell("# Count genes"), new_code_cell("1 + 1")]), path
    )
    first = ln.track(path=path).transform
    ln.finish()
    path.unlink()
    typed("load", "transform", first.key)
    assert path.read_text() == first.source_code
    nbformat.validate(nbformat.read(path, 4))
    assert ln.track(path=path).transform.uid == first.uid
    ln.finish()
    notebook = nbformat.read(path, 4)
    notebook.cells.append(new_code_cell("2 + 2"))
    nbformat.write(notebook, path)
    changed = ln.track(path=path).transform
    ln.finish()
    assert (changed.uid[:12], changed.version, first.version) == (first.uid[:12], "0001", "0000")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3}', "{"])
def test_text_that_is_not_a_notebook_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not a notebook: "):
        notebooks.source(text)
