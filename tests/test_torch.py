"""Collections in the DataLoader of PyTorch, with and without workers, in the environment that has it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import lamin_core as ln
from lamin_core.instance.instance import Instance

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-torch" / "bin" / "python"
TORCH = Path("/usr/lib/python3/dist-packages/torch")
GENES = ["b", "c"]
LABELS = ["T", "T", "B", "T", "T", "NK", "T", "B", "T"]
CODES = {"B": 0, "NK": 1, "T": 2}


def _cells(rows: range, genes: list[str], *, is_sparse: bool) -> anndata.AnnData:
    """Cells whose values say their number and their gene: 10 * number + the gene's place in the alphabet."""
    values = np.array([[10 * row + "abcd".index(gene) for gene in genes] for row in rows])
    matrix = values.astype("float32")
    obs = pd.DataFrame(
        {"label": pd.Categorical([LABELS[row] for row in rows]), "n": list(rows)},
        index=[f"cell{row}" for row in rows],
    )
    return anndata.AnnData(
        scipy.sparse.csr_matrix(matrix) if is_sparse else matrix,
        obs=obs,
        var=pd.DataFrame(index=genes),
    )


def _documented_block() -> str:
    """The code for PyTorch on the page on curation."""
    page = (ROOT / "docs" / "curation.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(from torch.*?)```", page, re.DOTALL)
    return str(blocks[0])


@pytest.mark.skipif(
    not (PYTHON.exists() and TORCH.exists()),
    reason="PyTorch of Debian 12 and .venv-torch are not installed",
)
def test_data_loader_returns_every_row_once_with_its_values(
    embedded: Instance, tmp_path: Path
) -> None:
    members = [
        _cells(range(4), ["a", "b", "c"], is_sparse=False),
        _cells(range(4, 7), ["c", "b", "d"], is_sparse=True),
        _cells(range(7, 9), ["b", "c"], is_sparse=False),
    ]
    artifacts = [
        ln.Artifact.from_anndata(member, key=f"{number}.h5ad").save()
        for number, member in enumerate(members)
    ]
    ln.Collection(artifacts, key="cells").save()
    (tmp_path / "block.py").write_text(_documented_block(), "utf-8")
    done = subprocess.run(
        [
            PYTHON,
            "-W",
            "error::ResourceWarning",
            ROOT / "tests/support/torch_loaders.py",
            "cells",
            "block.py",
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    expected = [[row, [10 * row + 1, 10 * row + 2], CODES[LABELS[row]]] for row in range(9)]
    assert results["encoders"] == CODES
    for name in ("in process", "workers", "parallel"):
        assert results[name] == expected, name
    assert sorted(results["shuffled"]) == expected
    assert results["shuffled"] != expected
    assert results["closed"]
    assert results["parent stays closed"]
    # Each label is drawn in a third of the rows; without the weights it would be 67, 400 and 133 rows.
    assert all(140 < count < 260 for count in Counter(results["weighted"]).values())
    assert results["block"] == ["X", "_store_idx", "label", "n"]
