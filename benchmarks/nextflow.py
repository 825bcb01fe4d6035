"""Measures what lineage costs a Nextflow pipeline of many tasks, in real Nextflow, and prints the medians as JSON.

    python benchmarks/nextflow.py [--tasks 500] [--rounds 3]

- `plain`, `elsewhere`, `lineage`: seconds from start to end of the head job: without us; with events sent to a receiver
  that only takes them, as one on another machine is no load here; with events sent to `lamin serve` on this machine;
  one after the other in turn, each in a folder of its own;
- `with_metrics`: the same as `lineage` with `LAMIN_NEXTFLOW_METRICS=true`;
- `overhead_...`: how much longer, as a part of `plain`;
- `startup`, `per_task`: what `elsewhere` takes longer than `plain` for one task, in seconds, and for each further
  one, in milliseconds;
- `complete_after`: seconds after the end of the head job until the registry has every task as completed, of the
  slowest round;
- `stopped_after`: seconds from Ctrl-C to the end of a pipeline with two tasks running;
- `jar`: kB of the plugin; `load`: of the machine at the start.

The tasks do nothing but `echo`, on as many slots as there are processors or more: the worst case, where every
millisecond of ours shows. The figures to reach: `overhead_elsewhere` below 0.03, `complete_after` and `stopped_after`
below 5, `jar` at most 150.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamin_core.instance.setup import init
from lamin_core.models import Run
from lamin_nextflow import build, runtime

PIPELINE = """
nextflow.enable.dsl = 2
params.tasks = 2
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
    STEP(Channel.of(1..params.tasks))
}}
"""
CASES = ("plain", "elsewhere", "lineage", "with_metrics")
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
    (folder / "main.nf").write_text(PIPELINE.format(script="echo hello > out.txt"))
    (folder / "slow.nf").write_text(PIPELINE.format(script="sleep 600; touch out.txt"))
    (folder / "nextflow.config").write_text(CONFIG)
    registry = folder / "registry"
    registry.mkdir()
    os.chdir(registry)
    init(registry)
    port = _free_port()
    server = [sys.executable, "-m", "lamin_core", "serve", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    times: dict[tuple[str, int], list[float]] = {(case, tasks): [] for case in CASES}
    times |= {("plain", 1): [], ("elsewhere", 1): []}
    late: list[float] = []
    with (
        subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        _taking() as elsewhere,
    ):
        try:
            _wait_for(port)
            for round_number in range(1, rounds + 1):
                for (case, count), seconds in times.items():
                    address = elsewhere if case == "elsewhere" else url
                    began = time.monotonic()
                    _nextflow(folder, case, address, "main.nf", count).wait()
                    ended = time.monotonic()
                    seconds.append(ended - began)
                    if case == "lineage":
                        late.append(_until_complete(tasks * (2 * round_number - 1), ended))
            stopped = _stopped_after(folder, url)
        finally:
            process.terminate()
    figures = _figures(times, tasks)
    return {**figures, "complete_after": max(late), "stopped_after": stopped}


def _figures(times: dict[tuple[str, int], list[float]], tasks: int) -> dict[str, float]:
    medians = {key: statistics.median(seconds) for key, seconds in times.items()}
    figures = {case: medians[case, tasks] for case in CASES}
    for case in CASES[1:]:
        figures[f"overhead_{case}"] = figures[case] / figures["plain"] - 1
    startup = medians["elsewhere", 1] - medians["plain", 1]
    rest = figures["elsewhere"] - figures["plain"] - startup
    return {**figures, "startup": startup, "per_task": 1000 * rest / max(1, tasks - 1)}


@contextmanager
def _taking() -> Iterator[str]:
    """The address of a receiver that takes everything, and does nothing with it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _nextflow(
    folder: Path, case: str, url: str, script: str, tasks: int = 2
) -> subprocess.Popen[bytes]:
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
    arguments = ["-c", str(folder / "nextflow.config"), "run", str(folder / script)]
    return subprocess.Popen(
        [*nextflow.command, *arguments, "--tasks", str(tasks)],
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
