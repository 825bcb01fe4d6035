"""What recording costs a flow of Prefect: `python benchmarks/prefect.py [--tasks N] [--rounds N]`.

Plain Prefect and Prefect with recording take turns, each flow in a process of its own, against one server that is
started here. `task` is the time of the process for each task, in milliseconds: on the clock, and of the CPU.
`mapped` is one flow of many mapped tasks: how many runs were recorded, and the memory that the process has grown by.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FLOW = """
import json, os, resource, sys, time
began = time.process_time()
from DECORATORS import flow, task
imported = time.process_time() - began
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

@task
def step(number: int) -> int:
    return number + 1

@flow
def direct(count: int) -> None:
    for number in range(count):
        step(number)

@flow
def mapped(count: int) -> None:
    step.map(range(count)).wait()

if __name__ == "__main__":
    run = {"direct": direct, "mapped": mapped}[sys.argv[1]]
    count = int(sys.argv[2])
    with temporary_settings(updates={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        run(3)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        run(count)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    print(json.dumps({"wall": 1000 * wall / count, "cpu": 1000 * cpu / count, "import": 1000 * imported,
                      "grown": grown / 1024}))
"""
DECORATORS = {"plain": "prefect", "recorded": "lamin_prefect"}
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}


@contextmanager
def server(folder: Path) -> Iterator[dict[str, str]]:
    """The variables that point Prefect to a server, which runs in here."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, **_QUIET, "PREFECT_HOME": str(folder / "home")}
    application = ("--factory", "prefect.server.api.server:create_app", "--port", str(port))
    command = [sys.executable, "-m", "uvicorn", *application, "--log-level", "critical"]
    url = f"http://127.0.0.1:{port}/api"
    with subprocess.Popen(command, env=environment) as process:
        try:
            _wait_for(f"{url}/health")
            yield {**environment, "PREFECT_API_URL": url}
        finally:
            process.kill()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 (our own server)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"nobody answers at {url}")


def measured(
    side: str, flow: str, count: int, folder: Path, environment: dict[str, str]
) -> dict[str, float]:
    """The figures of one process, and how many runs it has recorded."""
    script = folder / f"{side}.py"
    script.write_text(FLOW.replace("DECORATORS", DECORATORS[side]))
    with tempfile.TemporaryDirectory(dir=folder) as spool:
        done = subprocess.run(
            [sys.executable, str(script), flow, str(count)],
            env={**environment, "LAMIN_SPOOL": spool},
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        events = [line for file in Path(spool).glob("*.ndjson") for line in file.open()]
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**figures, "runs": sum('"COMPLETE"' in line for line in events)}


def main() -> None:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--mapped", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds: dict[str, list[dict[str, float]]] = {side: [] for side in DECORATORS}
    mapped = {}
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as environment:
        for _ in range(options.rounds):
            for side, results in rounds.items():
                results.append(measured(side, "direct", options.tasks, Path(name), environment))
        for side in DECORATORS:
            mapped[side] = measured(side, "mapped", options.mapped, Path(name), environment)
    report: dict[str, object] = {"load": os.getloadavg()[0]}
    for side, results in rounds.items():
        for figure in ("wall", "cpu", "import"):
            report[f"{side} {figure}"] = statistics.median(result[figure] for result in results)
        report[f"{side} mapped"] = mapped[side]
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
