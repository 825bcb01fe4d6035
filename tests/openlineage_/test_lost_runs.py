"""Runs whose process is gone: what was told before it went changes nothing, what it has told of its end holds."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

from sqlalchemy import select

from lamin_core.instance.instance import Instance
from lamin_core.models import Run
from lamin_core.runtime import process
from openlineage.lamin.emit.events import Event, complete, running, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild
from openlineage.lamin.receive.registry_sink import RegistrySink
from tests.support.servers import Server

from .conftest import at, run_of

# No kernel gives this id, so nobody has it.
GONE = replace(process.current(), pid=2**22 + 1)


def ingest_events(instance: Instance, *events: Event) -> None:
    ingest(instance.db, map(parse, events))


def states(instance: Instance) -> set[tuple[str, str | None, int | None]]:
    """Status, reason and process of the runs."""
    with instance.db.reading() as session:
        return {(run.status, run.error, run.pid) for run in session.scalars(select(Run))}


def state(instance: Instance) -> tuple[str, str | None, int | None]:
    """The state of the only run."""
    (result,) = states(instance)
    return result


def test_late_events_of_a_lost_run_do_not_revive_it(instance: Instance) -> None:
    run = run_of(1, "job", process=GONE)
    ingest_events(instance, start(run, at(0)))
    assert instance.runs.find_lost() == 1
    lost = "lost", "the process ended without reporting the end of its run", GONE.pid
    assert state(instance) == lost
    ingest_events(instance, running(run, at(1)))
    assert state(instance) == lost
    rebuild(instance.db)
    assert state(instance) == lost
    ingest_events(instance, complete(run, at(2)))
    assert state(instance) == ("completed", None, GONE.pid)
    assert instance.runs.find_lost() == 0


def test_run_continued_by_another_process_is_running(instance: Instance) -> None:
    run = run_of(1, "job", process=GONE)
    ingest_events(instance, start(run, at(0)))
    assert instance.runs.find_lost() == 1
    ingest_events(instance, start(replace(run, process=process.current()), at(5)))
    assert state(instance) == ("running", None, process.current().pid)
    assert instance.runs.find_lost() == 0


def test_registry_sink_marks_runs_of_ended_processes_lost(
    instance: Instance,
) -> None:
    ingest_events(instance, start(run_of(1, "job", process=GONE), at(0)))
    ingest_events(instance, start(run_of(2, "work", process=process.current()), at(0)))
    RegistrySink(instance.folder).close()
    assert {(status, pid) for status, _, pid in states(instance)} == {
        ("lost", GONE.pid),
        ("running", process.current().pid),
    }


def test_order_of_arrival_does_not_change_the_final_status(instance: Instance) -> None:
    for number, order in enumerate(permutations(range(3))):
        run = run_of(number, "job", process=GONE)
        story = [start(run, at(0)), running(run, at(1)), complete(run, at(2))]
        for index in order:
            ingest_events(instance, story[index])
            instance.runs.find_lost()
    assert states(instance) == {("completed", None, GONE.pid)}


def test_invalid_process_facets_are_ignored(instance: Instance) -> None:
    odd: list[Any] = [
        {"pid": 1},
        {"host": "a"},
        {"host": "a", "pid": 2**40},
        {"host": "a", "pid": "7"},
        [],
    ]
    for number, process_facet in enumerate(odd):
        event = start(run_of(number, "job"), at(0))
        event["run"]["facets"]["lamin_process"] = process_facet
        ingest_events(instance, event)
    assert states(instance) == {("running", None, None)}


def test_server_marks_lost_runs_of_its_machine(instance: Instance, in_tmp_path: Path) -> None:
    ingest_events(instance, start(run_of(1, "job", process=GONE), at(0)))
    with Server(in_tmp_path) as server:
        deadline = time.monotonic() + 30
        while server.runs() != {"job": "lost"}:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert state(instance)[0] == "lost"
