"""The contract of an adapter, in Snakemake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from openlineage.lamin.testing.contract import AdapterContract

PIPELINES = Path(__file__).parent / "snakemake"


class TestContract(AdapterContract):
    """`snakemake --logger lamin` keeps it."""

    engine = "snakemake"

    def execute(
        self, pipeline: str, workdir: Path, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Play the Snakefile of this pipeline."""
        return subprocess.run(
            [
                *(sys.executable, "-m", "snakemake"),
                *("--snakefile", str(PIPELINES / f"{pipeline}.smk")),
                *("--cores", "2", "--logger", "lamin"),
            ],
            cwd=workdir,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
