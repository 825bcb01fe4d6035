"""Measures what users wait for: `python benchmarks/core.py`.

Imports, one save, many at once, taking in the events of a workflow, and walking its graph; SQLite
on this disk. Prints JSON: medians, in milliseconds where the name says nothing else.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.uids import derived_run_id
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Event, Job, Run
from openlineage.lamin.receive.registry_sink import RegistrySink

MODULES = ("lamin_core", "lamin_core.cli", "openlineage.lamin.emit.default_sink")
STEPS = 500
"""Steps of the workflow: each reads what the one before wrote."""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        Instance.create(Path(folder), "data").db.dispose()
        code = f"import os; os.chdir({folder!r}); import lamin_core as ln; ln.ULabel.filter(name='x').first()"
        idle = median(partial(run_python, ""))
        figures = {
            f"import {module}": median(partial(run_python, f"import {module}")) - idle
            for module in MODULES
        }
        figures["import, connect, the first query"] = median(partial(run_python, code)) - idle
    for measure in (saved, taken_in):
        with tempfile.TemporaryDirectory() as folder:
            figures |= measure(Path(folder))
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


def saved(folder: Path) -> dict[str, float]:
    """Small files, one by one and all at once, each with bytes and a key of its own; the first ones warm up."""
    instance = ln.setup.init(folder / "data", path=folder)
    ln.track(ln.Transform(key="bench").save())
    times, source = [], folder / "one.txt"
    for number in range(200):
        source.write_text(f"{number}" * 200)
        times.append(milliseconds(lambda: ln.Artifact(source, key=f"small/{number}.txt").save()))  # noqa: B023
    for number in range(500):
        (folder / "many").mkdir(exist_ok=True)
        (folder / "many" / f"{number}.txt").write_text(f"many {number}" * 200)
    at_once = milliseconds(lambda: ln.save(ln.Artifact.from_dir(folder / "many")))
    ln.finish()
    ln.setup.disconnect()
    instance.db.dispose()
    return {
        "a small file saved in a run": statistics.median(times[10:]),
        "a file among 500": at_once / 500,
    }


def taken_in(folder: Path) -> dict[str, float]:
    """Events, and the graph that they make."""
    instance = Instance.create(folder, str(folder / "data"))
    sink = RegistrySink(instance.folder)
    figures = {
        "one event, one transaction": median(each(sink, iter(list(chain("single", 60)))), 100)
    }
    batch = list(chain("batch", STEPS))
    for what in ("events a second, in batches", "the same again, all known, a second"):
        figures[what] = len(batch) / milliseconds(lambda: sink.emit(*batch)) * 1000
    last = instance.lineage.find(str(folder / "batch" / f"{STEPS - 1}.txt"))
    figures[f"what made the last of {STEPS} files"] = median(lambda: instance.lineage.around(last))
    figures["the whole graph"] = median(instance.lineage.everything)
    sink.close()
    instance.db.dispose()
    return figures


def chain(name: str, steps: int) -> Iterator[Event]:
    """The events of a workflow whose steps hand one file on."""
    for step in range(steps):
        job = Job("bench", f"{name}:step", "rule", source="cp a b")
        run = Run(
            derived_run_id("bench", name, str(step)), job, "bench", "1", params={"step": step}
        )
        at = BEGIN + timedelta(seconds=step)
        read = [file(name, step - 1)] if step else []
        yield events.start(run, at, inputs=read)
        yield events.complete(run, at + timedelta(seconds=1), outputs=[file(name, step)])


def file(name: str, step: int) -> Dataset:
    """A file that only the registry knows."""
    return Dataset(
        "file", f"/{name}/{step}.txt", hash=f"{step:064x}", hash_type="blake3", size=step
    )


def each(sink: RegistrySink, ready: Iterator[Event]) -> Callable[[], None]:
    """Emits the next event at each call."""
    return lambda: sink.emit(next(ready))


def run_python(statement: str) -> None:
    """Run this in a new Python."""
    subprocess.run([sys.executable, "-I", "-c", statement], check=True)


def milliseconds(work: Callable[[], object]) -> float:
    """The time of one call, in milliseconds."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def median(work: Callable[[], object], times: int = 7) -> float:
    """The median time, in milliseconds."""
    return statistics.median(milliseconds(work) for _ in range(times))


if __name__ == "__main__":
    main()
