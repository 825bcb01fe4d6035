"""The walkthrough as a notebook, executed by a real kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.support.walkthrough_notebook import NOTEBOOK, PAGE, notebook_of


def test_notebook_equals_the_page() -> None:
    expected = nbformat.writes(notebook_of(PAGE.read_text("utf-8")))
    assert NOTEBOOK.read_text("utf-8").strip() == expected.strip(), (
        "write it anew: python -m tests.support.walkthrough_notebook"
    )


def test_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    path = tmp_path / "introduction.ipynb"
    shutil.copy(NOTEBOOK, path)
    command = ["lamin", "init", "--storage", "./lamin-intro", "--modules", "bionty"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=240)
    notebook = nbformat.read(path, 4)
    client = nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3")
    client.execute(cwd=str(tmp_path), env={**os.environ, "JPY_SESSION_NAME": str(path)})
    printed = [
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    assert any("my_curated_dataset.parquet" in text for text in printed)
    assert any("(6, 4)" in text for text in printed)
    listing = ["lamin", "artifacts", "--json"]
    artifacts = subprocess.run(listing, cwd=tmp_path, check=True, capture_output=True).stdout
    assert b"my_curated_dataset.parquet" in artifacts
    assert b"introduction.ipynb" not in artifacts  # the code is no input of its run
