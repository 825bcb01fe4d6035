"""Runs real Snakemake with `--logger lamin` and gives back what happened and what was told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
# `--logger` takes every word up to the next option: targets must not follow it.
COMMAND = [sys.executable, "-m", "snakemake", "--logger", "lamin", "--cores", "2"]
Event = dict[str, Any]
INSTALLS_NOTHING = """#!/bin/bash
case "$*" in
--version) echo conda 25.1.0 ;;
"info --json") echo '{"conda_prefix": "'$(cd "$(dirname "$0")/.." && pwd)'", "platform": "linux-64"}' ;;
"config --get"*) echo '{"get": {"channel_priority": "strict"}}' ;;
"env create"*) mkdir -p "${@: -1}" ;;
esac
"""
"""What Snakemake calls `conda`: it makes an empty environment, for packages are no matter of these tests."""


@dataclass(frozen=True)
class Played:
    """One invocation: exit code, what the terminal showed, and the events in the order they were delivered."""

    code: int
    shown: str
    events: list[Event]

    def events_of(self, step: str, *kinds: str) -> list[Event]:
        """The events of a rule (of these kinds), or of the workflow where `step` is empty."""
        return [
            event
            for event in self.events
            if rule(event) == step and (not kinds or event["eventType"] in kinds)
        ]

    def only_event(self, step: str, kind: str) -> Event:
        """The only event of this kind of a rule."""
        (event,) = self.events_of(step, kind)
        return event

    def story(self) -> list[tuple[str, str]]:
        """Every event as its kind and its rule."""
        return [(event["eventType"], rule(event)) for event in self.events]


def environment(folder: Path) -> dict[str, str]:
    """The environment of this process, with the spool in a folder and both source roots on Python's path."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "integrations")])
    return {**os.environ, "PYTHONPATH": paths, "LAMIN_SPOOL": str(folder / "spool")}


def write(folder: Path, snakefile: str, name: str = "Snakefile") -> Path:
    """A Snakefile of this text in a folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(snakefile, encoding="utf-8")
    return path


def play(folder: Path, *options: str, **variables: str) -> Played:
    """Run the Snakefile of this folder; only what this invocation told is in the answer."""
    old_files = set((folder / "spool").glob("*.ndjson"))
    done = subprocess.run(
        [*COMMAND, *options],
        cwd=folder,
        env={**environment(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Played(done.returncode, done.stderr + done.stdout, spooled(folder, old_files))


def spooled(folder: Path, old_files: set[Path] | None = None) -> list[Event]:
    """The events in the spool of this folder, but for those in the `known` files."""
    files = sorted(set((folder / "spool").glob("*.ndjson")) - (old_files or set()))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def rule(event: Event) -> str:
    """The rule that an event is about; empty for the workflow."""
    name: str = event["job"]["name"]
    return name.rpartition(":")[2] if ":" in name else ""


def names(event: Event, side: str) -> list[str]:
    """Names of the datasets on one side, without their folder."""
    return [Path(dataset["name"]).name for dataset in event[side]]


def dataset(event: Event, side: str, name: str) -> dict[str, Any]:
    """What is told of the content of one dataset."""
    (entry,) = (each for each in event[side] if Path(each["name"]).name == name)
    content: dict[str, Any] = entry["facets"]["lamin_artifact"]
    return content


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
