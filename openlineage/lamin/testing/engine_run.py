"""A canonical pipeline, played in a real engine with a registry beside it, and what can be asked of it afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import uvicorn

from lamin_core.instance.instance import Instance
from lamin_core.lineage.view import View, view
from lamin_core.server.serve import configured, listen
from openlineage.lamin.export.events import received
from openlineage.lamin.http.app import application

INPUT = "one\ntwo\nthree\n"
Execute = Callable[[str, Path, dict[str, str]], "subprocess.CompletedProcess[str]"]
_OURS = ("LAMIN_", "OPENLINEAGE_")


@dataclass(frozen=True)
class Performance:
    """A finished engine run: the process, and the folder in which it ran, with its instance and its spool."""

    workdir: Path
    process: subprocess.CompletedProcess[str]

    @property
    def spool(self) -> Path:
        """The folder of events that wait for a registry."""
        return self.workdir / "spool"

    @cached_property
    def view(self) -> View:
        """The registry, as `lamin lineage --all --json` shows it."""
        return view(self._instance.lineage.everything())

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The events that the registry took."""
        with self._instance.db.reading() as session:
            return [json.loads(line) for line in received(session)]

    @cached_property
    def spooled(self) -> list[dict[str, Any]]:
        """The events that found no registry."""
        files = sorted(self.spool.glob("*.ndjson"))
        return [
            json.loads(line) for file in files for line in file.read_bytes().split(b"\n") if line
        ]

    @cached_property
    def _instance(self) -> Instance:
        return Instance.open(self.workdir / ".lamin")

    def steps(self, name: str) -> list[dict[str, Any]]:
        """The runs of this step: those whose transform's key ends in its name, ignoring case."""
        return [run for run in self.view["runs"] if _last(run["transform_key"]) == name]

    def step(self, name: str) -> dict[str, Any]:
        """The only run of this step."""
        matches = self.steps(name)
        assert len(matches) == 1, f"{len(matches)} runs of {name}: {self.explained()}"
        return matches[0]

    def workflow(self) -> dict[str, Any]:
        """The only run without a parent."""
        roots = [run for run in self.view["runs"] if run["parent"] is None]
        assert len(roots) == 1, f"{len(roots)} runs without parent: {self.explained()}"
        return roots[0]

    def files(self, run: Mapping[str, Any], direction: str) -> set[str]:
        """The names of the files on this side of the run."""
        ids = {
            edge["artifact"]
            for edge in self.view["edges"]
            if edge["run"] == run["uid"]
            and edge["direction"] == direction
            and edge["role"] != "rolled_back"
        }
        return {
            os.path.basename(artifact["path"])
            for artifact in self.view["artifacts"]
            if artifact["uid"] in ids
        }

    def feeds(self, earlier: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
        """Whether an artifact that the earlier run wrote is one that the later run read."""
        wrote = {
            e["artifact"]
            for e in self.view["edges"]
            if e["run"] == earlier["uid"] and e["direction"] == "output"
        }
        read = {
            e["artifact"]
            for e in self.view["edges"]
            if e["run"] == later["uid"] and e["direction"] == "input"
        }
        return bool(wrote & read)

    def explained(self) -> str:
        """The text that a failed assertion shows."""
        runs = [(run["transform_key"], run["status"], run["name"]) for run in self.view["runs"]]
        return f"runs {runs}\nexit {self.process.returncode}\n{self.process.stdout}\n{self.process.stderr}"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A real server over the instance in this folder, while it lasts; its address."""
    instance = Instance.open(folder / ".lamin")
    server = uvicorn.Server(configured(application(instance.db)))
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    instance.db.dispose()


def play(execute: Execute, pipeline: str, workdir: Path, **environment: str) -> Performance:
    """Run the pipeline in a fresh folder with an instance of its own; `environment` is added to that of the process."""
    workdir.mkdir(parents=True, exist_ok=True)
    Instance.create(workdir, workdir / "data")
    (workdir / "input.txt").write_text(INPUT)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    # What is asked of the registry afterwards has to be there, however busy the machine.
    env = {
        **inherited,
        "LAMIN_SPOOL": str(workdir / "spool"),
        "LAMIN_PATIENCE": "60",
        **environment,
    }
    return Performance(workdir, execute(pipeline, workdir, env))


def _last(key: str) -> str:
    return key.replace(".", ":").rpartition(":")[2].lower()
