"""The comparison with LaminDB runs, small, for our side: the figures of a release come from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "against_lamindb"


def test_run_without_the_workloads_names_their_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "--bench", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f"not a folder with the workloads: '{tmp_path}'" in done.stderr


@pytest.mark.skipif(
    not (ROOT.parent / "shared" / "bench").is_dir(), reason="the workloads lie beside the checkout"
)
@pytest.mark.parametrize("workload", ["w_c_save_small", "w_f_query", "w_g_lineage"])
def test_workload_runs_without_error(
    workload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "BACKEND": "lamin_core",
        "SCALE": "0.01",
        "INNER_REPEATS": "1",
        "TMP": str(tmp_path),
    }.items():
        monkeypatch.setenv(f"BENCH_{name}", value)
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), f"{workload}.py"],
        capture_output=True,
        text=True,
        timeout=200,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert "error" not in result, done.stderr
    assert "error" not in json.dumps(result["metrics"])
