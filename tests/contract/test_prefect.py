"""The contract of an adapter, in Prefect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from openlineage.lamin.testing.contract import AdapterContract

PIPELINES = Path(__file__).parent / "prefect"

pytest_plugins = ["tests.support.prefect_server"]


class TestContract(AdapterContract):
    """Flows and tasks of `lamin_prefect` keep it, on a real server."""

    engine = "prefect"
    server: ClassVar[dict[str, str]]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _server(cls, prefect_environment: dict[str, str]) -> None:
        cls.server = prefect_environment

    def execute(
        self, pipeline: str, workdir: Path, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run the script of this pipeline."""
        return subprocess.run(
            [sys.executable, str(PIPELINES / f"{pipeline}.py")],
            cwd=workdir,
            env={**env, **self.server},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
