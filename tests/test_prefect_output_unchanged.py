"""Whole scripts with Prefect alone, with our decorators, and with the plugin: the same output, log and states."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["tests.support.prefect_server"]

PLUGIN = {"PREFECT_PLUGINS_ENABLED": "1", "LAMIN_PREFECT": "1"}
RECORDED = [("lamin_prefect", {}), ("prefect", PLUGIN), ("lamin_prefect", PLUGIN)]
IDS = ["decorators", "plugin", "both"]

SCRIPT = """
from pathlib import Path
from DECORATORS import flow, task
import asyncio

@task(log_prints=True, task_run_name="loud")
def loud(raw: Path) -> str:
    print("printed by a task that says so")
    return raw.read_text()

@task(task_run_name="inherits", persist_result=True)
def inherits(text: str) -> Path:
    print("printed by a task of a flow that says so")
    Path("out.txt").write_text(text)
    return Path("out.txt")

@task(log_prints=True, task_run_name="items")
def items():
    for number in range(2):
        print("item", number)
        yield number

@task(retries=1, task_run_name="fails")
def fails(text: str) -> None:
    inner(text)

@task(task_run_name="broken")
def broken():
    yield 1
    raise LookupError("after one item")

@task(task_run_name="fails_async")
async def fails_async() -> None:
    raise KeyError("async")

def inner(text: str) -> None:
    raise ValueError(f"not a table: {text!r}")

@flow(flow_run_name="second")
async def second() -> None:
    await fails_async()

@flow(log_prints=True, flow_run_name="first")
def first(raw: Path) -> None:
    text = loud(raw)
    print(inherits(text).name, list(items()))
    try:
        list(broken())
    except LookupError as error:
        print("caught", error)
    fails(text)

if __name__ == "__main__":
    print(asyncio.run(second(return_state=True)).name)
    first(Path("raw.txt"))
"""


@dataclass
class Scripts:
    """Runs a script in a folder of its own."""

    folder: Path
    environment: dict[str, str]

    def run(
        self, text: str, decorators: str, variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the script with the decorators of this module to its end."""
        (self.folder / "script.py").write_text(text.replace("DECORATORS", decorators))
        environment = {**os.environ, **self.environment, "LAMIN_SPOOL": str(self.folder / "spool")}
        return subprocess.run(
            [sys.executable, "script.py"],
            cwd=self.folder,
            env={**environment, **(variables or {})},
            capture_output=True,
            text=True,
            timeout=180,
        )

    def events(self) -> list[dict[str, Any]]:
        """The recorded events in the order of their times."""
        files = (self.folder / "spool").glob("*.ndjson")
        lines = [line for file in files for line in file.read_text().splitlines()]
        return sorted(map(json.loads, lines), key=lambda event: str(event["eventTime"]))

    def ends(self) -> list[tuple[str, str, list[str]]]:
        """The recorded ends of runs: job, kind of end, outputs."""
        return [
            (
                event["job"]["name"].rpartition(":")[2],
                event["eventType"],
                [Path(dataset["name"]).name for dataset in event["outputs"]],
            )
            for event in self.events()
            if event["eventType"] != "START"
        ]


@pytest.fixture
def scripts(prefect_environment: dict[str, str], tmp_path: Path) -> Scripts:
    (tmp_path / "raw.txt").write_text("raw")
    return Scripts(tmp_path, {**prefect_environment, "PREFECT_LOGGING_LEVEL": "INFO"})


def visible(done: subprocess.CompletedProcess[str]) -> tuple[int, str, list[str]]:
    """The visible output of a script, without times, ids and other things that differ between runs."""
    log = re.sub(r"(?m)^\d\d:\d\d:\d\d\.\d+ \|", "|", done.stderr)
    log = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", log)
    log = re.sub(r"0x[0-9a-f]+", "ADDRESS", log)
    return done.returncode, done.stdout, [line for line in log.splitlines() if _is_stable(line)]


def _is_stable(line: str) -> bool:
    return not re.search(r"EventsWorker|lineage is kept|APILogWorker", line)


@pytest.mark.parametrize(("decorators", "variables"), RECORDED, ids=IDS)
def test_script_output_is_unchanged_and_recorded_once(
    scripts: Scripts, decorators: str, variables: dict[str, str]
) -> None:
    plain = visible(scripts.run(SCRIPT, "prefect"))
    assert scripts.events() == []
    assert plain[0] == 1
    log = "\n".join(plain[2])
    assert "| INFO    | Task run 'inherits' - printed by a task of a flow" in log
    assert "in inner" in log
    ours = visible(scripts.run(SCRIPT, decorators, variables))
    assert ours == plain
    assert sorted(scripts.ends()) == [
        ("broken", "FAIL", []),
        ("fails", "FAIL", []),
        ("fails", "FAIL", []),
        ("fails_async", "FAIL", []),
        ("first", "FAIL", []),
        ("inherits", "COMPLETE", ["out.txt"]),
        ("items", "COMPLETE", []),
        ("loud", "COMPLETE", []),
        ("second", "FAIL", []),
    ]


SERVED = """
import time
from pathlib import Path
from prefect import flow, task

@task
def copy(raw: str) -> str:
    Path("out.txt").write_text(Path(raw).read_text())
    return "out.txt"

@flow
def served(raw: str, seconds: int = 0) -> str:
    result = copy(raw)
    Path("started").touch()
    time.sleep(seconds)
    return result

if __name__ == "__main__":
    served.serve(name="NAME")
"""

ORDER = """
import sys, time
from pathlib import Path
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

for _ in range(100):
    try:
        print(run_deployment(sys.argv[1], parameters={"raw": "raw.txt"}, timeout=100).state.name)
        break
    except ObjectNotFound:
        time.sleep(1)
Path("started").unlink()
run = run_deployment(sys.argv[1], parameters={"raw": "raw.txt", "seconds": 300}, timeout=0)
while not Path("started").exists():
    time.sleep(0.1)
with get_client(sync_client=True) as client:
    client.set_flow_run_state(run.id, Cancelling())
    while client.read_flow_run(run.id).state.name != "Cancelled":
        time.sleep(0.2)
print("Cancelled")
"""


def test_served_flow_of_plain_prefect_code_is_recorded_even_if_cancelled(scripts: Scripts) -> None:
    name = scripts.folder.name.replace("_", "-")
    (scripts.folder / "served.py").write_text(SERVED.replace("NAME", name))
    environment = {**os.environ, **scripts.environment, **PLUGIN}
    environment["LAMIN_SPOOL"] = str(scripts.folder / "spool")
    with subprocess.Popen(
        [sys.executable, "served.py"],
        cwd=scripts.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as serving:
        try:
            done = subprocess.run(
                [sys.executable, "-c", ORDER, f"served/{name}"],
                cwd=scripts.folder,
                env={**os.environ, **scripts.environment},
                capture_output=True,
                text=True,
                timeout=240,
            )
        finally:
            serving.terminate()
            serving.wait(60)
    assert done.stdout == "Completed\nCancelled\n", done.stderr
    assert sorted(scripts.ends()) == [
        ("copy", "COMPLETE", ["out.txt"]),
        ("copy", "COMPLETE", ["out.txt"]),
        ("served", "ABORT", []),
        ("served", "COMPLETE", ["out.txt", "started"]),
    ]
