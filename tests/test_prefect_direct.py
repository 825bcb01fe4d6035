"""The direct Python API inside of Prefect: what it reads and writes belongs to the task that does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lamin_core as ln
from lamin_core.instance.instance import Instance
from openlineage.lamin.receive.rebuild import rebuild

pytest_plugins = ["tests.support.prefect_server"]

SCRIPT = """
from lamin_prefect import flow, task
import lamin_core as ln
import subprocess, sys

@ln.step
def inside() -> None:
    ln.Artifact(open("inner.txt", "w").name, description="of the step").save()

@task
def write() -> None:
    with open("made.csv", "w") as file:
        file.write("x\\n1\\n")
    ln.Artifact("made.csv").save()
    inside()

@task
def read() -> None:
    ln.Artifact.get(key="made.csv").load()
    if {tracked}:
        run = ln.track(ln.Transform(key="by hand"))
        ln.Artifact.get(key="made.csv").load()
        ln.finish()

@flow
def main() -> None:
    write()
    read.submit().wait()

if __name__ == "__main__":
    main()
    assert ln.context.run is None
"""


def _run(name: str) -> ln.Run:
    run: ln.Run = ln.Run.filter(transform__key__endswith=name).one()
    return run


def test_tracking_in_a_prefect_task_belongs_to_the_task(
    instance: Instance, prefect_environment: dict[str, str]
) -> None:
    Path("script.py").write_text(SCRIPT.format(tracked=True))
    done = subprocess.run(
        [sys.executable, "script.py"],
        capture_output=True,
        text=True,
        env={**os.environ, **prefect_environment},
    )
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        write, read, main = _run(":write"), _run(":read"), _run(":main")
        assert [artifact.key for artifact in write.output_artifacts] == ["made.csv"]
        assert [artifact.key for artifact in read.input_artifacts] == ["made.csv"]
        assert {run.status for run in ln.Run.all()} == {"completed"}
        assert main.output_artifacts.count() == 0
        assert [run.name.rpartition(".")[2] for run in write.children] == ["inside"]
        assert [run.transform.key for run in read.children] == ["by hand"]
        assert [artifact.key for artifact in read.children.first().input_artifacts] == ["made.csv"]
        assert (write.engine, write.origin) == ("prefect", "event")
        assert (write.parent.uid, read.parent.uid) == (main.uid, main.uid)
        assert ln.Artifact.get(key="made.csv").run.uid == write.uid
        rebuild(instance.db)  # and stays so
