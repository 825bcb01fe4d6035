"""The contract of an adapter, in Nextflow."""

from __future__ import annotations

import subprocess
from pathlib import Path

from openlineage.lamin.testing.contract import AdapterContract
from tests.contract.nextflow.playing import COMMAND, PIPELINES, TIMEOUT, environment


class TestContract(AdapterContract):
    """`lamin nextflow run` keeps it."""

    engine = "nextflow"

    def execute(
        self, pipeline: str, workdir: Path, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Play this pipeline in Nextflow 24.10.0, wherever it has to come from."""
        runtime = {
            name: environment(workdir)[name] for name in ("PATH", "XDG_CACHE_HOME", "NXF_OPTS")
        }
        return subprocess.run(
            [*COMMAND, "run", str(PIPELINES / f"{pipeline}.nf")],
            cwd=workdir,
            env={**env, **runtime},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
