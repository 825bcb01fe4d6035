"""The time of `lamin import nextflow` for a run of many tasks: a launch folder with trace, history and work folders.

    python benchmarks/nextflow_import.py [--tasks 10000] [--store]

Every task reads one file and writes one; with `--store` there is a lineage store (25.04) in place of the trace. Seconds
for reading, for hashing and translating, and for one transaction into a fresh SQLite instance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from lamin_core.instance.setup import disconnect, init
from lamin_nextflow.finished.contents import Contents
from lamin_nextflow.finished.importing import imported
from lamin_nextflow.finished.sources import finished_runs
from lamin_nextflow.finished.translate import events

SESSION = "5e4e310d-950e-4763-9085-9065a57a3283"
WRAPPER = """#!/bin/bash
### ---
### name: '{name}'
### outputs:
### - 'out.txt'
### ...
nxf_stage() {{
    true
    # stage input files
    rm -f in.txt
    ln -s {source} in.txt
}}
"""


def launch_folder(folder: Path, tasks: int, *, store: bool) -> None:
    """Write what a run of this many tasks leaves, each reading the one data file."""
    data = folder / "data.txt"
    data.write_text("data\n")
    (folder / "main.nf").write_text("workflow {}\n")
    (folder / ".nextflow").mkdir()
    started = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
    cells = [started, "600s", "brave_darwin", "OK", "fd3f", SESSION, "nextflow run main.nf"]
    (folder / ".nextflow" / "history").write_text("\t".join(cells) + "\n")
    rows = ["task_id\thash\tname\tstatus\texit\tsubmit\tduration"]
    for number in range(tasks):
        task_hash = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
        name = f"STEP ({number})"
        work = folder / "work" / task_hash[:2] / task_hash[2:]
        work.mkdir(parents=True)
        (work / "in.txt").symlink_to(data)
        (work / "out.txt").write_text(f"result {number}\n")
        (work / ".exitcode").write_text("0")
        (work / ".command.run").write_text(WRAPPER.format(name=name, source=data))
        submit = int(time.time() * 1000)
        rows.append(
            f"{number}\t{task_hash[:2]}/{task_hash[2:8]}\t{name}\tCOMPLETED\t0\t{submit}\t60000"
        )
        if store:
            write_records(folder / ".lineage", work, task_hash, name, data)
    if store:
        write_run(folder / ".lineage", folder)
    else:
        (folder / "trace.txt").write_text("\n".join(rows) + "\n")


def write_run(store: Path, folder: Path) -> None:
    """The record of the run."""
    workflow = {"scriptFiles": [{"path": f"file://{folder}/main.nf"}]}
    record(
        store / ("f" * 32), "WorkflowRun", sessionId=SESSION, name="brave_darwin", workflow=workflow
    )


def write_records(store: Path, work: Path, task_hash: str, name: str, data: Path) -> None:
    """The records of a task and of its file."""
    run, task = f"lid://{'f' * 32}", f"lid://{task_hash}"
    stat = os.stat(work / "out.txt")
    modified = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat()
    source = [{"type": "path", "name": "in", "value": [{"path": f"file://{data}"}]}]
    output = [{"type": "path", "name": None, "value": f"{task}/out.txt"}]
    record(store / task_hash, "TaskRun", name=name, input=source, workflowRun=run)
    record(
        store / f"{task_hash}#output", "TaskOutput", taskRun=task, createdAt=modified, output=output
    )
    record(
        store / task_hash / "out.txt",
        "FileOutput",
        path=str(work / "out.txt"),
        source=task,
        size=stat.st_size,
        modifiedAt=modified,
    )


def record(folder: Path, kind: str, **fields: object) -> None:
    """A record in the envelope of 25.04."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": "lineage/v1beta1", "kind": kind, **fields})
    (folder / ".data.json").write_text(text)


def measure(folder: Path) -> dict[str, float]:
    """Seconds for each part."""
    read = Contents().read
    begin = time.perf_counter()
    runs = finished_runs(folder, read)
    reading = time.perf_counter() - begin
    begin = time.perf_counter()
    number = sum(1 for run in runs for _ in events(run, read))
    translating = time.perf_counter() - begin
    begin = time.perf_counter()
    (result,) = imported(runs, read)
    writing = time.perf_counter() - begin
    return {
        "tasks": result.tasks,
        "events": number,
        "reading": round(reading, 1),
        "hashing and translating": round(translating, 1),
        "translating again and writing": round(writing, 1),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project = Path(name, "project")
        launch = Path(name, "launch")
        project.mkdir()
        launch.mkdir()
        launch_folder(launch, options.tasks, store=options.store)
        os.chdir(project)
        instance = init("data")
        figures = {**measure(launch), "load": os.getloadavg()[0]}
        print(json.dumps(figures))
        disconnect()
        instance.db.dispose()


if __name__ == "__main__":
    main()
