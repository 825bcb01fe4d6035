"""Real engines that are killed outright: who asks next on that machine finds their runs lost, and nobody elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import update

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.models import Run
from openlineage.lamin.receive.rebuild import rebuild
from tests.contract.nextflow import playing
from tests.contract.snakemake.playing import COMMAND, ROOT
from tests.support.commands import lamin
from tests.support.servers import Server

pytest_plugins = ["tests.support.prefect_server"]

SNAKEFILE = """
rule all:
    input: "b.txt"

rule quick:
    output: "a.txt"
    shell: "touch {output}"

rule slow:
    input: "a.txt"
    output: "b.txt"
    shell: "while [ ! -e go ]; do sleep 0.1; done; touch {output}"
"""

NEXTFLOW = """
process quick {
    output: path 'a.txt'
    script: "touch a.txt"
}

process slow {
    input: path a
    script: "while [ ! -e ${launchDir}/go ]; do sleep 0.1; done"
}

workflow { slow(quick()) }
"""

FLOW = """
import time
from pathlib import Path
from lamin_prefect import flow, task

@task
def quick() -> Path:
    Path("a.txt").touch()
    return Path("a.txt")

@task
def slow(path: Path) -> None:
    while not Path("go").exists():
        time.sleep(0.1)

@flow
def main() -> None:
    slow(quick())

if __name__ == "__main__":
    main()
"""


@contextmanager
def started(*command: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """An engine at work, in a session of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "integrations")])
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    quiet = subprocess.DEVNULL
    engine = subprocess.Popen(
        command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        yield engine
    finally:
        end(engine)


def end(engine: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()


def statuses() -> dict[str, str]:
    """The status of each run, by the last word of its transform's key."""
    return {run.transform.key.rpartition(":")[2]: run.status for run in ln.Run.all()}


def wait_for(expected: dict[str, str]) -> None:
    deadline = time.monotonic() + 60
    while (actual := statuses()) != expected:
        assert time.monotonic() < deadline, actual
        time.sleep(0.1)


def snakemake(_: pytest.FixtureRequest) -> tuple[list[str], dict[str, str], str]:
    Path("Snakefile").write_text(SNAKEFILE)
    return COMMAND, {}, "Snakefile"


def prefect(request: pytest.FixtureRequest) -> tuple[list[str], dict[str, str], str]:
    Path("flow.py").write_text(FLOW)
    return [sys.executable, "flow.py"], request.getfixturevalue("prefect_environment"), "main"


def nextflow(_: pytest.FixtureRequest) -> tuple[list[str], dict[str, str], str]:
    Path("main.nf").write_text(NEXTFLOW)
    variables = playing.environment(Path.cwd())
    del variables["LAMIN_SPOOL"]
    return [*playing.COMMAND, "run", "main.nf"], variables, "main.nf"


Engine = Callable[[pytest.FixtureRequest], tuple[list[str], dict[str, str], str]]


@pytest.mark.parametrize("engine", [snakemake, prefect, nextflow])
def test_runs_of_a_killed_engine_are_marked_lost(
    engine: Engine, instance: Instance, request: pytest.FixtureRequest
) -> None:
    command, variables, top = engine(request)
    with started(*command, **variables) as process:
        wait_for({top: "running", "quick": "completed", "slow": "running"})
        assert instance.runs.find_lost() == 0
        end(process)
        set_other_host(True)
        assert instance.runs.find_lost() == 0
        set_other_host(False)
        listed = json.loads(lamin("runs", "--json").stdout)
    assert {row["status"] for row in listed} == {"completed", "lost"}
    lost = {top: "lost", "quick": "completed", "slow": "lost"}
    assert statuses() == lost
    rebuild(instance.db)
    assert statuses() == lost


def set_other_host(is_so: bool) -> None:
    """Have the registry believe that all of it happens on another machine, or not any more."""
    host = ln.Run.filter(transform__key__endswith="slow").one().host
    instance = ln.connect()
    with instance.db.writing() as session:
        session.execute(update(Run).values(host=f"{host}-b" if is_so else host.removesuffix("-b")))


def test_next_start_of_snakemake_ends_the_killed_runs(
    instance: Instance, request: pytest.FixtureRequest
) -> None:
    command, _, top = snakemake(request)
    with started(*command) as process:
        wait_for({top: "running", "quick": "completed", "slow": "running"})
        end(process)
    assert statuses()["slow"] == "running", "nobody has looked"
    target = [*command[:3], "a.txt", "--nolock", *command[3:]]  # it is there: nothing to be done
    with started(*target) as process:
        assert process.wait(60) == 0
    runs = [(run.transform.key, run.status) for run in ln.Run.all().order_by("id")]
    assert sorted(runs) == [
        *[(top, "completed"), (top, "lost")],
        *[(f"{top}:quick", "completed"), (f"{top}:slow", "lost")],
    ]


def test_late_end_events_replace_the_lost_status(
    instance: Instance, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    command, _, top = snakemake(request)
    spool = tmp_path / "waiting"
    with Server(tmp_path) as server:
        with started(*command, OPENLINEAGE_URL=server.url, LAMIN_SPOOL=str(spool)) as process:
            wait_for({top: "running", "quick": "completed", "slow": "running"})
            server.kill()
            Path("go").touch()
            assert process.wait(60) == 0
        assert instance.runs.find_lost() == 2
        assert statuses() == {top: "lost", "quick": "completed", "slow": "lost"}
    lamin("events", "replay", env={"LAMIN_SPOOL": str(spool)})
    assert statuses() == {top: "completed", "quick": "completed", "slow": "completed"}
    assert {run.error for run in ln.Run.all()} == {None}
    assert instance.runs.find_lost() == 0
