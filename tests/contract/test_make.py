"""The contract of an adapter, in GNU make: the adapter that `docs/new-engine.md` shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from openlineage.lamin.testing.contract import AdapterContract

ROOT = Path(__file__).parents[2]
ADAPTER = ROOT / "example_pipelines" / "make_adapter"
PIPELINES = Path(__file__).parent / "make"


class TestContract(AdapterContract):
    """`python -m lamin_make` keeps it."""

    engine = "make"

    def execute(
        self, pipeline: str, workdir: Path, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Play the Makefile of this pipeline."""
        return subprocess.run(
            [sys.executable, "-m", "lamin_make", "-f", str(PIPELINES / f"{pipeline}.mk"), "-j2"],
            cwd=workdir,
            env={**env, "PYTHONPATH": str(ADAPTER)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


def test_new_engine_page_shows_the_whole_adapter() -> None:
    page = (ROOT / "docs" / "new-engine.md").read_text("utf-8")
    shown = dict(
        re.findall(r"<!-- test: file (lamin_make/\S+) -->\n```\w+\n(.*?)```\n", page, re.DOTALL)
    )
    files = {
        str(path.relative_to(ADAPTER)): path.read_text("utf-8")
        for path in (ADAPTER / "lamin_make").iterdir()
        if path.is_file()
    }
    assert shown == files
    assert sum(len(text.splitlines()) for text in files.values()) < 300


def test_doctests_of_the_example_adapter_pass() -> None:
    script = (
        "import doctest, lamin_make.translate as module; assert doctest.testmod(module).failed == 0"
    )
    subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ADAPTER)}, check=True
    )
