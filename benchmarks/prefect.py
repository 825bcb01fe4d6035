"""What recording costs a flow of Prefect: `python benchmarks/prefect.py [--tasks N] [--rounds N]`.

The sides take turns, each flow in a process of its own, against one server that is started here:

- `plain`: Prefect alone;
- `buffered`: recorded, each event on disk before the task goes on, with no registry to take it;
- `durable`: recorded into an instance, which has every run when the flow returns;
- `openlineage`: Prefect alone, with the listener of openlineage-prefect beside it, which
  `--listener PYTHON` names, an interpreter that has it. `listener cpu` is its own CPU time for each
  task, after its start.

`wall` and `cpu` are the time of the process for each task, in milliseconds: on the clock, and of the CPU; `runs` the
task runs that were recorded. `mapped` is one flow of many mapped tasks: how much memory (MiB) the process has grown by
at most (`peak`), and for good (`grown`). `import` is what importing `lamin_prefect` adds to the import of Prefect with
its engine, in milliseconds of the CPU. `loop` is an async task that is passed a large file: the longest pause of the
event loop (seconds), and how long the flow took, also in a second process, which finds the digest of the first.
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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

FLOW = """
import gc, json, resource, sys, time
from DECORATORS import flow, task
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
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

def run(flow, count):
    # Of a deployment: a run without one ends the listener of openlineage-prefect.
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(flow), flow.name)
        flow_run = client.create_flow_run_from_deployment(deployment, parameters={"count": count})
    run_flow(flow, flow_run=flow_run, parameters={"count": count})

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / (1 << 20)

if __name__ == "__main__":
    flow = {"direct": direct, "mapped": mapped}[sys.argv[1]]
    count = int(sys.argv[2])
    with temporary_settings(updates={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        run(flow, 3)
        before, peak = memory(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        run(flow, count)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
        gc.collect()
    print(json.dumps({"wall": 1000 * wall / count, "cpu": 1000 * cpu / count, "peak": peak,
                      "grown": memory() - before}))
"""
LOOP = """
import asyncio, json, sys, time
from pathlib import Path
from DECORATORS import flow, task
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

@task
async def look(raw: Path) -> int:
    return raw.stat().st_size

async def watch(pauses):
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        pauses.append(time.perf_counter() - before)

@flow
async def looking(raw: str) -> float:
    pauses = []
    watching = asyncio.create_task(watch(pauses))
    await look(Path(raw))
    await asyncio.sleep(0.05)
    watching.cancel()
    return max(pauses)

if __name__ == "__main__":
    with temporary_settings(updates={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        began = time.perf_counter()
        longest = asyncio.run(looking(sys.argv[1]))
        print(json.dumps({"pause": longest, "flow": time.perf_counter() - began}))
"""
IMPORT = """
import time
import prefect.assets, prefect.flow_engine, prefect.task_engine
began = time.process_time()
from lamin_prefect import flow, task
print(1000 * (time.process_time() - began))
"""
LISTENER = """
import asyncio
from openlineage_prefect.prefect_adapter.listener import PrefectOpenLineageListener
asyncio.run(PrefectOpenLineageListener().collect_and_process_runs())
"""
COUNT = "import lamin_core as ln; print(ln.Run.filter(transform__key__endswith=':step', status='completed').count())"
DECORATORS = {
    "plain": "prefect",
    "buffered": "lamin_prefect",
    "durable": "lamin_prefect",
    "openlineage": "prefect",
}
WARM_UP = 3
"""Tasks before the measured ones."""
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}
Figures = dict[str, float]


@contextmanager
def server(folder: Path) -> Iterator[dict[str, str]]:
    """The variables that point Prefect to a server, which runs in here."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, **_QUIET, "PREFECT_HOME": str(folder / "home")}
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
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


def printed(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    """The last line that Python prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()[-1]


def measured(
    side: str, flow: str, count: int, environment: dict[str, str], listener: str
) -> Figures:
    """The figures of one process, and how many task runs have been recorded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench.py").write_text(FLOW.replace("DECORATORS", DECORATORS[side]))
        arguments = ["bench.py", flow, str(count)]
        if side == "openlineage":
            return _beside_a_listener(listener, arguments, folder, environment)
        if side == "durable":
            printed(
                ["-c", "import lamin_core as ln; print(ln.setup.init('.'))"], folder, environment
            )
            figures: Figures = json.loads(printed(arguments, folder, environment))
            return {**figures, "runs": int(printed(["-c", COUNT], folder, environment))}
        spool = {"LAMIN_SPOOL": str(folder / "spool")}
        figures = json.loads(printed(arguments, folder, environment | spool))
        return {**figures, "runs": _completed((folder / "spool").glob("*.ndjson"), ":step")}


def _beside_a_listener(
    python: str, arguments: list[str], folder: Path, environment: dict[str, str]
) -> Figures:
    """The figures of plain Prefect; of the listener the CPU time for each task, and the runs that it has written."""
    log = folder / "listener.ndjson"
    file = {"TYPE": "file", "LOG_FILE_PATH": str(log), "APPEND": "true"}
    transport = {f"OPENLINEAGE__TRANSPORT__{name}": value for name, value in file.items()}
    process = subprocess.Popen(
        [python, "-c", LISTENER],
        env=environment | transport,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(10)  # it says nothing when it listens, and begins with the events of the last minute
    before, began = _cpu_time(process.pid), datetime.now(UTC)
    figures: Figures = json.loads(printed(arguments, folder, environment))
    size, deadline = -1, time.monotonic() + 120
    while (
        size != (size := log.stat().st_size if log.exists() else 0) and time.monotonic() < deadline
    ):
        time.sleep(5)
    listened = 1000 * (_cpu_time(process.pid) - before) / (int(arguments[-1]) + WARM_UP)
    process.terminate()
    process.wait()
    return {**figures, "listener cpu": listened, "runs": _completed([log], "step", began)}


def _cpu_time(pid: int) -> float:
    """The seconds of the CPU that a process has used by now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _completed(files: Iterable[Path], job: str, began: datetime | None = None) -> int:
    """The number of runs of this job that have completed since then."""
    events = [json.loads(line) for file in files if file.exists() for line in file.open()]
    return sum(
        event["eventType"] == "COMPLETE"
        and job in event["job"]["name"]
        and (began is None or datetime.fromisoformat(event["eventTime"]) >= began)
        for event in events
    )


def loop(megabytes: int, environment: dict[str, str]) -> dict[str, Figures]:
    """The longest pause of the event loop while a large file is hashed; `again` is another process."""
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = {"LAMIN_SPOOL": str(folder / "spool")}
        with (folder / "raw.bin").open("wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(1 << 20))
        for title, module in {"plain": "prefect", "recorded": "lamin_prefect"}.items():
            (folder / f"{title}.py").write_text(LOOP.replace("DECORATORS", module))
        for title, script in (("plain", "plain"), ("recorded", "recorded"), ("again", "recorded")):
            arguments = [f"{script}.py", str(folder / "raw.bin")]
            results[title] = json.loads(printed(arguments, folder, environment | spool))
    return results


def main() -> None:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--mapped", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--listener", default="", metavar="PYTHON")
    options = parser.parse_args()
    sides = [side for side in DECORATORS if side != "openlineage" or options.listener]
    rounds: dict[str, list[Figures]] = {side: [] for side in sides}
    report: dict[str, object] = {"load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as environment:
        imports = [float(printed(["-c", IMPORT], Path(name), environment)) for _ in range(5)]
        report["import"] = statistics.median(imports)
        for _ in range(options.rounds):
            for side in sides:
                rounds[side].append(
                    measured(side, "direct", options.tasks, environment, options.listener)
                )
        for side, results in rounds.items():
            report[side] = {
                figure: statistics.median(result[figure] for result in results)
                for figure in results[0]
            }
        report["mapped"] = {
            side: measured(side, "mapped", options.mapped, environment, options.listener)
            for side in sides
        }
        report["loop"] = loop(options.megabytes, environment)
    report["load after"] = os.getloadavg()[0]
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
