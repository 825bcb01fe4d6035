"""Measures what users wait for, on the machine it runs on: `make bench`.

Imports, one transaction, taking in the events of a large workflow, and walking its graph; SQLite on this disk. The
numbers are for comparing two states of the code on one machine, not for promising.
"""

from __future__ import annotations

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
from lamin_core.instance import Instance
from lamin_core.uids import derived_run_id
from openlineage.lamin import events
from openlineage.lamin.events import Dataset, Event, Job, Run
from openlineage.lamin.registry import RegistrySink

STEPS = 500
"""Steps of the workflow: each reads what the one before wrote."""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print one line for each measure: the median of several, and the unit."""
    for module in ("lamin_core", "lamin_core.cli", "openlineage.lamin.delivery"):
        report(f"import {module}", median(partial(fresh, f"import {module}")) - median(partial(fresh, "")))
    with tempfile.TemporaryDirectory() as folder:
        Instance.create(Path(folder), "data").db.dispose()
        code = f"import os; os.chdir({folder!r}); import lamin_core as ln; ln.ULabel.filter(name='x').first()"
        report("import, connect, the first query", median(partial(fresh, code)) - median(partial(fresh, "")))
    with tempfile.TemporaryDirectory() as folder:
        report("one small file saved in a run", saved(Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        instance = Instance.create(Path(folder), str(Path(folder, "data")))
        sink = RegistrySink(instance.folder)
        report("one event, one transaction", median(each(sink, iter(list(chain("single", 60)))), 100))
        batch = list(chain("batch", STEPS))
        taken = seconds(lambda: sink.emit(*batch))
        print(f"{f'{len(batch)} events at once':42} {len(batch) / taken:10.0f} events/s")
        taken = seconds(lambda: sink.emit(*batch))
        print(f"{'the same again (all known)':42} {len(batch) / taken:10.0f} events/s")
        last = instance.lineage.find(str(Path(folder, "batch", f"{STEPS - 1}.txt")))
        report(f"what made the last of {STEPS} files", median(lambda: instance.lineage.around(last)))
        report("the whole graph", median(instance.lineage.everything))
        sink.close()
        instance.db.dispose()


def saved(folder: Path) -> float:
    """The median of many, each with bytes and a key of its own; the first ones warm up."""
    instance = ln.setup.init(folder / "data", path=folder)
    ln.track(ln.Transform(key="bench").save())
    times = []
    source = folder.parent / f"{folder.name}.txt"
    for number in range(200):
        source.write_text(f"{number}" * 200)
        times.append(seconds(lambda: ln.Artifact(source, key=f"small/{number}.txt").save()))  # noqa: B023
    ln.finish()
    source.unlink()
    ln.setup.disconnect()
    instance.db.dispose()
    return statistics.median(times[10:])


def chain(name: str, steps: int) -> Iterator[Event]:
    """The events of a workflow whose steps hand one file on."""
    for step in range(steps):
        job = Job("bench", f"{name}:step", "rule", source="cp a b")
        run = Run(derived_run_id("bench", name, str(step)), job, "bench", "1", params={"step": step})
        at = BEGIN + timedelta(seconds=step)
        read = [file(name, step - 1)] if step else []
        yield events.start(run, at, inputs=read)
        yield events.complete(run, at + timedelta(seconds=1), outputs=[file(name, step)])


def file(name: str, step: int) -> Dataset:
    """A file that only the registry knows."""
    return Dataset("file", f"/{name}/{step}.txt", hash=f"{step:064x}", hash_type="blake3", size=step)


def each(sink: RegistrySink, ready: Iterator[Event]) -> Callable[[], None]:
    """Emits the next event at each call."""
    return lambda: sink.emit(next(ready))


def fresh(statement: str) -> None:
    """Run this in a new Python."""
    subprocess.run([sys.executable, "-I", "-c", statement], check=True)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def median(work: Callable[[], object], times: int = 7) -> float:
    """How long it usually takes."""
    return statistics.median(seconds(work) for _ in range(times))


def report(what: str, taken: float) -> None:
    """One line."""
    print(f"{what:42} {taken * 1000:10.1f} ms")


if __name__ == "__main__":
    main()
