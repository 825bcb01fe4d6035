"""Flows and tasks that other processes run: workers, task servers, Dask, a machine without the database."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from tests.support.namespaces import island, refusal
from tests.support.servers import Server

pytest_plugins = ["tests.support.prefect_server"]

PLUGIN = {"PREFECT_PLUGINS_ENABLED": "1", "LAMIN_PREFECT": "1"}
_PATIENCE = 240
"""Seconds that Prefect gets to start a process and to end it."""


@dataclass
class Machine:
    """Runs processes in a folder, and reads what they recorded."""

    folder: Path
    environment: dict[str, str]
    prefix: list[str] = field(default_factory=list)
    """The beginning of each command."""

    def run(self, *arguments: str, **variables: str) -> str:
        """Run Python to its end; what it printed."""
        done = subprocess.run(
            [*self.prefix, sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, *arguments: str, **variables: str) -> Iterator[None]:
        """Run Python in here, and end it afterwards."""
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.environment | variables,
                stdout=log,
                stderr=log,
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)

    def wait_for(self, *ends: tuple[str, str]) -> list[dict[str, Any]]:
        """The events, as soon as these kinds of event of these jobs are among them."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            events = self.events()
            if set(ends) <= {(_name(event), event["eventType"]) for event in events}:
                return events
            time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text()[-4000:])

    def wait_for_file(self, name: str) -> None:
        """Wait until there is this file."""
        deadline = time.monotonic() + _PATIENCE
        while not (self.folder / name).exists():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-4000:]
            time.sleep(0.2)

    def events(self) -> list[dict[str, Any]]:
        """The events recorded so far, in the order of their times."""
        files = (self.folder / "spool").glob("*.ndjson")
        lines = [line for file in files for line in file.read_text().splitlines(keepends=True)]
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return sorted(whole, key=lambda event: str(event["eventTime"]))


def _name(event: dict[str, Any]) -> str:
    return str(event["job"]["name"].rpartition(":")[2])


def _outputs(event: dict[str, Any]) -> list[str]:
    return [Path(dataset["name"]).name for dataset in event["outputs"]]


@pytest.fixture
def machine(prefect_environment: dict[str, str], tmp_path: Path) -> Machine:
    spool = {"LAMIN_SPOOL": str(tmp_path / "spool"), "PREFECT_LOGGING_LEVEL": "INFO"}
    return Machine(tmp_path, {**os.environ, **prefect_environment, **spool})


FLOW = """
import time
from pathlib import Path
from prefect import flow, task

@task
def copy(raw: str) -> str:
    Path("out.txt").write_text(Path(raw).read_text())
    return "out.txt"

@flow
def study(raw: str, seconds: int = 0) -> str:
    result = copy(raw)
    Path("started").touch()
    time.sleep(seconds)
    return result
"""

DEPLOY = """
import sys
from pathlib import Path
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate

pool = sys.argv[1]
with get_client(sync_client=True) as client:
    client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
study = flow.from_source(source=str(Path.cwd()), entrypoint="study.py:study")
study.to_deployment(
    name=pool, work_pool_name=pool, version="7", job_variables={"working_dir": str(Path.cwd())}
).apply()
"""

ORDER = """
import sys, time
from pathlib import Path
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.states import Cancelling

deployment = sys.argv[1]
print(run_deployment(deployment, parameters={"raw": "raw.txt"}, timeout=200).state.name)
Path("started").unlink()
run = run_deployment(deployment, parameters={"raw": "raw.txt", "seconds": 300}, timeout=0)
while not Path("started").exists():
    time.sleep(0.1)
with get_client(sync_client=True) as client:
    client.set_flow_run_state(run.id, Cancelling())
"""


def test_worker_records_the_runs_of_a_deployment_and_their_cancellation(machine: Machine) -> None:
    pool = machine.folder.name.replace("_", "-")
    (machine.folder / "raw.txt").write_text("raw")
    (machine.folder / "study.py").write_text(FLOW)
    machine.run("-c", DEPLOY, pool)
    with machine.running("-m", "prefect", "worker", "start", "--pool", pool, **PLUGIN):
        assert machine.run("-c", ORDER, f"study/{pool}") == "Completed\n"
        events = machine.wait_for(("study", "ABORT"))
    complete = next(event for event in events if event["eventType"] == "COMPLETE")
    assert (_name(complete), _outputs(complete)) == ("copy", ["out.txt"])
    ends = [event["eventType"] for event in events if _name(event) == "study"]
    assert sorted(ends) == ["ABORT", "COMPLETE", "START", "START"]
    details = events[0]["run"]["facets"]["lamin_run"]["details"]
    assert (details["work_pool"], details["deployment"]) == (pool, pool)
    assert details["deployment_version"]


TASKS = """
import os, sys
from pathlib import Path
from prefect.task_worker import serve
if os.environ["DECORATORS"] == "lamin":
    from lamin_prefect import task
else:
    from prefect import task

@task
def copy(raw: str) -> str:
    Path("out.txt").write_text(Path(raw).read_text())
    return "out.txt"

if __name__ == "__main__":
    serve(copy) if sys.argv[1] == "serve" else copy.delay("raw.txt")
"""


def test_delayed_task_is_recorded_if_its_server_is(machine: Machine) -> None:
    (machine.folder / "raw.txt").write_text("raw")
    (machine.folder / "tasks.py").write_text(TASKS)
    with machine.running("tasks.py", "serve", **PLUGIN, DECORATORS="lamin"):
        machine.run("tasks.py", "delay", DECORATORS="prefect")
        events = machine.wait_for(("copy", "COMPLETE"))
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]
    assert events[0]["job"]["name"] == "tasks.py:copy"
    assert [Path(dataset["name"]).name for dataset in events[1]["inputs"]] == ["raw.txt"]
    assert _outputs(events[1]) == ["out.txt"]


def test_delayed_task_runs_on_a_server_that_does_not_record(machine: Machine) -> None:
    (machine.folder / "raw.txt").write_text("raw")
    (machine.folder / "tasks.py").write_text(TASKS)
    with machine.running("tasks.py", "serve", DECORATORS="prefect"):
        machine.run("tasks.py", "delay", DECORATORS="lamin", **PLUGIN)
        machine.wait_for_file("out.txt")
    assert machine.events() == []


FORKING = """
import multiprocessing
from pathlib import Path
from lamin_prefect import flow, task

def write(number: int) -> int:
    Path(f"part{number}.txt").write_text("x" * number)
    return number

@task
def spread() -> list[int]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(write, range(1, 4))

@flow
def pipeline() -> None:
    spread.submit().result()
    spread.submit().result()

if __name__ == "__main__":
    pipeline()
    print(spread())
"""


def test_fork_pool_in_a_task_makes_no_additional_runs(machine: Machine) -> None:
    (machine.folder / "forking.py").write_text(FORKING)
    assert machine.run("forking.py").splitlines()[-1] == "[1, 2, 3]"
    events = machine.events()
    ends = [(_name(event), _outputs(event)) for event in events if event["eventType"] == "COMPLETE"]
    parts = ["part1.txt", "part2.txt", "part3.txt"]
    assert [(name, sorted(outputs)) for name, outputs in ends if name == "spread"] == [
        ("spread", parts)
    ] * 3
    assert len(events) == 8
    alone = [event["job"]["name"] for event in events if "parent" not in event["run"]["facets"]]
    assert {name.rpartition("/")[2] for name in alone} == {
        "forking.py:pipeline",
        "forking.py:spread",
    }


CLUSTER = """
import os
from pathlib import Path
from DECORATORS import flow, task
RUNNER

HOME = os.getpid()

@task
def write(raw: Path, number: int) -> Path:
    assert os.getpid() != HOME
    target = raw.with_name(f"part{number}.txt")
    target.write_text(raw.read_text() * number)
    return target

@task
def size(path: Path) -> int:
    return len(path.read_text())

@task(retries=1)
def fails() -> None:
    raise ValueError("no luck")

@flow(task_runner=runner)
def study(raw: str) -> int:
    fails.submit().wait()
    sizes = [size.submit(write.submit(Path(raw), number)) for number in (1, 2)]
    return sum(future.result() for future in sizes)

if __name__ == "__main__":
    print(study(str(Path("raw.txt").absolute())))
"""
RUNNERS = {
    "dask": """
from prefect_dask import DaskTaskRunner
options = {"n_workers": 1, "threads_per_worker": 2, "processes": True, "dashboard_address": None}
runner = DaskTaskRunner(cluster_kwargs=options)
""",
    "ray": """
from prefect_ray import RayTaskRunner
runner = RayTaskRunner(init_kwargs={"num_cpus": 1, "include_dashboard": False})
""",
}


@pytest.mark.parametrize(("decorators", "variables"), [("lamin_prefect", {}), ("prefect", PLUGIN)])
@pytest.mark.parametrize("cluster", RUNNERS)
def test_tasks_on_a_cluster_are_recorded(
    machine: Machine, cluster: str, decorators: str, variables: dict[str, str]
) -> None:
    pytest.importorskip(f"prefect_{cluster}")
    script = CLUSTER.replace("DECORATORS", decorators).replace("RUNNER", RUNNERS[cluster])
    (machine.folder / "clustered.py").write_text(script)
    (machine.folder / "raw.txt").write_text("raw")
    lines = machine.run("clustered.py", **variables).splitlines()
    assert "9" in lines  # what Ray prints of its workers may follow
    events = machine.events()
    flow = next(event for event in events if _name(event) == "study")["run"]["runId"]
    tasks = [event for event in events if _name(event) != "study"]
    assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in tasks} == {flow}
    ends = sorted(
        (_name(event), [Path(dataset["name"]).name for dataset in event["inputs"]], _outputs(event))
        for event in tasks
        if event["eventType"] == "COMPLETE"
    )
    assert ends == [
        ("size", ["part1.txt"], []),
        ("size", ["part2.txt"], []),
        ("write", ["raw.txt"], ["part1.txt"]),
        ("write", ["raw.txt"], ["part2.txt"]),
    ]
    attempts = [event["eventType"] for event in tasks if _name(event) == "fails"]
    assert sorted(attempts) == ["FAIL", "FAIL", "START", "START"]


ARRIVAL = """
import pickle, sys
pickle.loads(bytes.fromhex(sys.argv[1]))
from prefect.task_engine import SyncTaskRunEngine
print("lamin_prefect.recording" in sys.modules, SyncTaskRunEngine.start.__code__.co_filename)
"""


def test_task_sent_to_another_process_is_recorded(machine: Machine) -> None:
    from lamin_prefect.declarations import Recorded

    declaration = pickle.dumps(Recorded("task", "source"))
    is_loaded, file = machine.run("-c", ARRIVAL, declaration.hex()).split()
    assert file.endswith("declarations.py")
    assert is_loaded == "False"  # what records it is loaded when the first run begins


REMOTE = """
import sys
from pathlib import Path
from lamin_prefect import flow, task

@task
def write() -> Path:
    Path("remote.txt").write_text("x")
    return Path("remote.txt")

@flow
def pipeline() -> None:
    write()

if __name__ == "__main__":
    pipeline()
    print("lamin_core.db.database" in sys.modules)
"""


def test_machine_without_the_database_records_over_http(
    instance: Instance,
    prefect_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, reason = tmp_path_factory.mktemp("machine"), refusal()
    (folder / "remote.py").write_text(REMOTE)
    with ExitStack() as stack:
        server = stack.enter_context(Server(instance.folder.parent))
        machine = Machine(folder, {**os.environ, **prefect_environment})
        if not reason:
            prefect = urlsplit(prefect_environment["PREFECT_API_URL"]).port
            assert prefect is not None
            # Neither the network nor the files of the registry: only the two servers.
            machine.prefix = stack.enter_context(island(instance.folder, server.port, prefect))
            registry = f"import os; print(os.listdir({str(instance.folder)!r}))"
            assert machine.run("-c", registry) == "[]\n"
        assert machine.run("remote.py", OPENLINEAGE_URL=server.url).endswith("False\n")
    run = ln.Run.get(transform__key__endswith=":write")
    assert (run.status, run.parent.transform.key) == (
        "completed",
        f"{folder.name}/remote.py:pipeline",
    )
    (written,) = run.output_artifacts
    assert written.path == folder / "remote.txt"
    if reason:
        pytest.skip(f"passed, but on this network: no namespaces ({reason})")
