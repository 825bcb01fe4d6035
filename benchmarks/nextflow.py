"""Measures what lineage costs a Nextflow pipeline of many tasks, in real Nextflow, and prints the medians as JSON.

    python benchmarks/nextflow.py [--tasks 500] [--rounds 3]

- `plain`, `lineage`: seconds from start to end of the head job, without us and with events sent to `lamin serve`;
  one after the other in turn, each in a folder of its own;
- `with_metrics`: the same as `lineage` with `LAMIN_NEXTFLOW_METRICS=true`;
- `overhead`, `overhead_with_metrics`: how much longer, as a part of `plain`;
- `complete_after`: seconds after the end of the head job until the registry has every task as completed, of the
  slowest round;
- `stopped_after`: seconds from Ctrl-C to the end of a pipeline with two tasks running;
- `jar`: kB of the plugin; `load`: of the machine at the start.

The figures to reach: `overhead` below 0.03, `complete_after` and `stopped_after` below 5, `jar` at most 150.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lamin_core.instance.setup import init
from lamin_core.models import Run
from lamin_nextflow import build, runtime

PIPELINE = """
nextflow.enable.dsl = 2
process STEP {{
    input:
    val x
    output:
    path 'out.txt'
    script:
    '''
    {script}
    '''
}}
workflow {{
    STEP(Channel.of(1..{tasks}))
}}
"""
CONFIG = "executor { cpus = 4; pollInterval = '100ms' }\n"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        figures = _measure(Path(name), arguments.tasks, arguments.rounds)
    figures["jar"] = build.observer_jar().stat().st_size / 1000
    figures["load"] = load
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


def _measure(folder: Path, tasks: int, rounds: int) -> dict[str, float]:
    (folder / "main.nf").write_text(PIPELINE.format(script="echo hello > out.txt", tasks=tasks))
    (folder / "slow.nf").write_text(PIPELINE.format(script="sleep 600; touch out.txt", tasks=2))
    (folder / "nextflow.config").write_text(CONFIG)
    registry = folder / "registry"
    registry.mkdir()
    os.chdir(registry)
    init(registry)
    port = _free_port()
    server = [sys.executable, "-m", "lamin_core", "serve", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    times: dict[str, list[float]] = {"plain": [], "lineage": [], "with_metrics": []}
    late: list[float] = []
    with subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            for round_number in range(1, rounds + 1):
                for case, seconds in times.items():
                    began = time.monotonic()
                    _nextflow(folder, case, url, "main.nf").wait()
                    ended = time.monotonic()
                    seconds.append(ended - began)
                    if case == "lineage":
                        late.append(_until_complete(tasks * (2 * round_number - 1), ended))
            stopped = _stopped_after(folder, url)
        finally:
            process.terminate()
    figures = {case: statistics.median(seconds) for case, seconds in times.items()}
    figures["overhead"] = figures["lineage"] / figures["plain"] - 1
    figures["overhead_with_metrics"] = figures["with_metrics"] / figures["plain"] - 1
    return {**figures, "complete_after": max(late), "stopped_after": stopped}


def _nextflow(folder: Path, case: str, url: str, script: str) -> subprocess.Popen[bytes]:
    observer = None if case == "plain" else build.observer_jar()
    nextflow = runtime.fetched("24.10.0", observer)
    work = Path(tempfile.mkdtemp(dir=folder))
    variables = {
        "OPENLINEAGE_URL": url,
        "LAMIN_SPOOL": str(folder / "spool"),
        "NXF_ANSI_LOG": "false",
    }
    if case == "with_metrics":
        variables["LAMIN_NEXTFLOW_METRICS"] = "true"
    return subprocess.Popen(
        [*nextflow.command, "-c", str(folder / "nextflow.config"), "run", str(folder / script)],
        cwd=work,
        env={**os.environ, **nextflow.environment, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _until_complete(tasks: int, ended: float) -> float:
    """Seconds since the end, when the registry has all tasks; raises when it has not after a minute."""
    while Run.filter(status="completed", transform__key="main.nf:STEP").count() < tasks:
        if time.monotonic() - ended > 60:
            raise TimeoutError(f"{tasks} tasks are not in the registry")
        time.sleep(0.05)
    return time.monotonic() - ended


def _stopped_after(folder: Path, url: str) -> float:
    process = _nextflow(folder, "lineage", url, "slow.nf")
    while Run.filter(status="running", transform__key="slow.nf:STEP").count() < 2:
        time.sleep(0.1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait()
    return time.monotonic() - began


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("lamin serve did not start")


if __name__ == "__main__":
    main()
