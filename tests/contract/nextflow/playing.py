"""Runs real Nextflow by `lamin nextflow` and gives back what happened and what was told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PIPELINES = Path(__file__).parent
COMMAND = [sys.executable, "-m", "lamin_core", "nextflow"]
# Read before any test has a home of its own: Nextflow's jars are fetched once for all sessions, and
# verified each time.
CACHE = Path.home() / ".cache"
# A Java that has just started compiles for a short life.
SHORT_LIVED = "-XX:TieredStopAtLevel=1"
TIMEOUT = 240
Event = dict[str, Any]
_TERMINAL = ("COMPLETE", "FAIL", "ABORT")


@dataclass(frozen=True)
class Played:
    """One invocation: exit code, what the terminal showed, and the events in the order they were delivered."""

    code: int
    shown: str
    events: list[Event]

    def events_of(self, step: str, *kinds: str) -> list[Event]:
        """The events of a process (of these kinds), or of the workflow where `step` is empty."""
        return [
            event
            for event in self.events
            if process(event) == step and (not kinds or event["eventType"] in kinds)
        ]

    def only_event(self, step: str, kind: str) -> Event:
        """The only event of this kind of a process."""
        events = self.events_of(step, kind)
        assert len(events) == 1, (
            f"{len(events)} of {kind} for {step or 'the workflow'}; {self.shown}"
        )
        return events[0]

    def published(self, step: str) -> list[str]:
        """The files that are told to be published from this process."""
        return sorted(
            Path(each["name"]).name
            for event in self.events_of(step)
            for each in event["outputs"]
            if each["facets"].get("lamin_artifact", {}).get("role") == "published"
        )


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """The environment of this process, with the spool in a folder, our Nextflow and nobody else's."""
    path = os.pathsep.join(_without_nextflow(os.environ["PATH"].split(os.pathsep)))
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "integrations")]),
        "XDG_CACHE_HOME": str(CACHE),
        "NXF_OPTS": SHORT_LIVED,
        "LC_ALL": "C.UTF-8",
        "LAMIN_SPOOL": str(folder / "spool"),
        **variables,
    }


def _without_nextflow(folders: list[str]) -> Iterator[str]:
    return (folder for folder in folders if not shutil.which("nextflow", path=folder))


def play(folder: Path, *arguments: str, input: str = "", **variables: str) -> Played:
    """Run `lamin nextflow` with these arguments; only what this invocation told is in the answer."""
    old_files = set((folder / "spool").glob("*.ndjson"))
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(folder, **variables),
        input=input,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Played(done.returncode, done.stderr + done.stdout, spooled(folder, old_files))


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    """Begin to run `lamin nextflow` with these arguments, in a session of its own."""
    with open(folder / "shown.txt", "wb") as shown:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=environment(folder, **variables),
            stdin=subprocess.DEVNULL,
            stdout=shown,
            stderr=shown,
            start_new_session=True,
        )


def spooled(folder: Path, old_files: set[Path] | frozenset[Path] = frozenset()) -> list[Event]:
    """The whole events in the spool of this folder, but for those in the `known` files."""
    files = sorted(set((folder / "spool").glob("*.ndjson")) - old_files)
    return [event for file in files for event in whole_lines(file)]


def whole_lines(file: Path) -> list[Event]:
    """The events in a file that may still be being written."""
    return [
        json.loads(line)
        for line in file.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]


def process(event: Event) -> str:
    """The process that an event is about, in lower case; empty for the workflow."""
    name: str = event["job"]["name"]
    return name.rpartition(":")[2].lower() if ":" in name else ""


def names(event: Event, side: str) -> list[str]:
    """Names of the datasets on one side, without their folder."""
    return sorted(Path(dataset["name"]).name for dataset in event[side])


def datasets(events: list[Event]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every dataset told of: its name and its content."""
    for event in events:
        for each in (*event["inputs"], *event["outputs"]):
            if "lamin_artifact" in each["facets"]:  # else only its workflow output is told
                yield each["name"], each["facets"]["lamin_artifact"]


def run(event: Event) -> dict[str, Any]:
    """What is told of the run beyond the standard: name, params, attempt, details."""
    facet: dict[str, Any] = event["run"]["facets"]["lamin_run"]
    return facet


def source(event: Event) -> str:
    """The code of the job."""
    text: str = event["job"]["facets"]["sourceCode"]["sourceCode"]
    return text


def message(event: Event) -> str:
    """Why it failed or was stopped."""
    text: str = event["run"]["facets"]["errorMessage"]["message"]
    return text


def is_end(event: Event) -> bool:
    """Whether its run has ended with it."""
    return event["eventType"] in _TERMINAL
