"""Whole scripts in processes of their own: exit codes, signals, other processes, sinks that are down or hang."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["tests.support.prefect_server"]


class Scripts:
    """Runs scripts in a folder, and reads what they recorded."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.environment = {**os.environ, **environment, "LAMIN_SPOOL": str(self.spool)}

    def start(self, text: str, **environment: str) -> subprocess.Popen[str]:
        """Start the script."""
        (self.folder / "script.py").write_text(text)
        return subprocess.Popen(
            [sys.executable, "script.py"],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        process = self.start(text, **environment)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def events(self) -> list[dict[str, Any]]:
        """The recorded events in the order of their times."""
        lines = [
            line for file in self.spool.glob("*.ndjson") for line in file.read_text().splitlines()
        ]
        return sorted(map(json.loads, lines), key=lambda event: str(event["eventTime"]))

    def kinds(self, job: str) -> list[str]:
        """The kinds of event of the flow or task with this name."""
        return [
            event["eventType"]
            for event in self.events()
            if f"/{event['job']['name']}".endswith(f"/script.py:{job}")
        ]


@pytest.fixture
def scripts(prefect_environment: dict[str, str], tmp_path: Path) -> Scripts:
    """A folder to run scripts in."""
    return Scripts(tmp_path, prefect_environment)


PIPELINE = """
from __future__ import annotations
from pathlib import Path
from lamin_prefect import flow, task

@task
def write(name: str) -> Path:
    Path(name).write_text("written")
    return Path(name)

@flow
def pipeline() -> None:
    write("a.txt")

if __name__ == "__main__":
    pipeline()
    print("done")
"""


def test_import_of_the_package_imports_neither_prefect_nor_a_database() -> None:
    code = "import sys, lamin_prefect; print(sorted({'prefect', 'sqlalchemy'} & set(sys.modules)), dir(lamin_prefect))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ['current_run', ")


def test_plain_tasks_in_other_processes_have_their_name_and_source(scripts: Scripts) -> None:
    done = scripts.run(
        """
from prefect import flow, task
from prefect.task_runners import ProcessPoolTaskRunner

@task
def double(number: int) -> int:
    return 2 * number

@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def pipeline() -> int:
    return double.submit(2).result()

if __name__ == "__main__":
    print(pipeline())
""",
        PREFECT_PLUGINS_ENABLED="1",
        LAMIN_PREFECT="1",
    )
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
    assert scripts.kinds("pipeline:double") == ["START", "COMPLETE"]
    job = next(
        event["job"] for event in scripts.events() if event["job"]["name"].endswith(":double")
    )
    assert "return 2 * number" in job["facets"]["sourceCode"]["sourceCode"]
    assert job["facets"]["sourceCodeLocation"]["url"].endswith("/script.py")


def test_tasks_in_other_processes_are_recorded(scripts: Scripts) -> None:
    done = scripts.run(
        """
from __future__ import annotations
import os
from pathlib import Path
from lamin_prefect import current_run, flow, task
from prefect.task_runners import ProcessPoolTaskRunner

HOME = os.getpid()

@task(outputs="said_{number}.txt")
def work(source: Path, number: int) -> Path:
    assert os.getpid() != HOME and current_run() is not None
    Path(f"said_{number}.txt").write_text("said")
    target = Path(f"done_{number}.txt")
    target.write_text(source.read_text() * number)
    return target

@task(retries=1)
def fails(number: int) -> None:
    raise ValueError(f"no luck with {number}")

@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
def pipeline(source: Path) -> list[str]:
    futures = [work.submit(source, number) for number in (1, 2)]
    bad = fails.submit(3)
    bad.wait()
    return [future.result().name for future in futures]

if __name__ == "__main__":
    Path("in.txt").write_text("x")
    print(pipeline("in.txt"))
"""
    )
    assert (done.returncode, done.stdout) == (0, "['done_1.txt', 'done_2.txt']\n"), done.stderr
    events = scripts.events()
    flow = next(
        event["run"]["runId"] for event in events if event["job"]["name"] == "script.py:pipeline"
    )
    ends = [
        event
        for event in events
        if event["job"]["name"] == "script.py:pipeline:work" and event["outputs"]
    ]
    assert sorted(
        sorted(Path(dataset["name"]).name for dataset in event["outputs"]) for event in ends
    ) == [
        ["done_1.txt", "said_1.txt"],
        ["done_2.txt", "said_2.txt"],
    ]
    parents = [event["run"]["facets"]["parent"] for event in ends]
    assert {(parent["run"]["runId"], parent["root"]["run"]["runId"]) for parent in parents} == {
        (flow, flow)
    }
    assert scripts.kinds("pipeline:fails") == ["START", "FAIL", "START", "FAIL"]


@pytest.mark.parametrize("decorators", ["prefect", "lamin_prefect"])
def test_interrupt_ends_the_process_as_without_recording(scripts: Scripts, decorators: str) -> None:
    process = scripts.start(
        f"""
import time
from pathlib import Path
from {decorators} import flow, task

@task
def slow() -> None:
    Path("started").touch()
    time.sleep(60)

@flow
def pipeline() -> None:
    slow()

if __name__ == "__main__":
    pipeline()
"""
    )
    _wait_for(scripts.folder / "started", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, err
    assert err.rstrip().endswith("KeyboardInterrupt")
    ours = decorators == "lamin_prefect"
    assert scripts.kinds("pipeline:slow") == (["START", "ABORT"] if ours else [])
    assert scripts.kinds("pipeline") == (["START", "ABORT"] if ours else [])


def test_start_events_of_a_killed_process_are_recorded(scripts: Scripts) -> None:
    process = scripts.start(
        """
import time
from pathlib import Path
from lamin_prefect import flow, task

@task
def slow() -> None:
    time.sleep(1)
    Path("started").touch()
    time.sleep(60)

@flow
def pipeline() -> None:
    slow()

if __name__ == "__main__":
    pipeline()
"""
    )
    _wait_for(scripts.folder / "started", process)
    process.kill()
    process.communicate(timeout=60)
    assert scripts.kinds("pipeline") == scripts.kinds("pipeline:slow") == ["START"]


def test_exit_code_of_the_user_is_unchanged(scripts: Scripts) -> None:
    done = scripts.run(
        """
import sys
from lamin_prefect import flow

@flow
def pipeline() -> None:
    sys.exit(3)

if __name__ == "__main__":
    pipeline()
"""
    )
    assert done.returncode == 3, done.stderr
    assert scripts.kinds("pipeline") == ["START", "ABORT"]


def test_unreachable_sink_costs_one_warning(scripts: Scripts) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        done = scripts.run(PIPELINE, OPENLINEAGE_URL=f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert done.stderr.count("lineage is kept in") == 1
    assert scripts.kinds("pipeline:write") == ["START", "COMPLETE"]


def test_hanging_sink_does_not_delay_the_job(scripts: Scripts) -> None:
    def seconds(**environment: str) -> float:
        began = time.monotonic()
        done = scripts.run(PIPELINE, **environment)
        assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
        return time.monotonic() - began

    free = seconds()
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as server:  # takes the connection, and never answers
        duration = seconds(
            OPENLINEAGE_URL=f"http://127.0.0.1:{server.getsockname()[1]}", LAMIN_PATIENCE="2"
        )
    assert duration < free + 10
    assert scripts.kinds("pipeline:write") == ["START", "COMPLETE"] * 2


def test_script_from_standard_input_and_module_are_recorded(scripts: Scripts) -> None:
    (scripts.folder / "steps.py").write_text(PIPELINE)
    for arguments in (["-"], ["-m", "steps"]):
        done = subprocess.run(
            [sys.executable, *arguments],
            input=PIPELINE,
            cwd=scripts.folder,
            env=scripts.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    names = {event["job"]["name"] for event in scripts.events()}
    assert names == {
        "__main__:pipeline",
        "__main__:pipeline:write",
        "steps.py:pipeline",
        "steps.py:pipeline:write",
    }


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
