"""Edits by people of records from events, and later events about the same records."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.models import Run, now
from openlineage.lamin.emit.events import Dataset, Event, complete, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild

from .conftest import at, run_of

FILE = Dataset("file", "/x/out.txt", "1" * 64, "blake3", 1)


def ingest_events(instance: Instance, *events: Event) -> None:
    receipt = ingest(instance.db, map(parse, events))
    assert not receipt.quarantined


def ingest_run(
    instance: Instance, number: int, began_at: datetime, reads: list[Dataset], writes: list[Dataset]
) -> None:
    run = run_of(number, "job")
    ingest_events(
        instance,
        start(run, began_at, reads),
        complete(run, began_at + timedelta(seconds=1), reads, writes),
    )


def version_states() -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Versions that are shown, and those in the trash, each with whether it is the latest."""
    shown, hidden = ln.Artifact.filter().order_by("uid"), ln.Artifact.trash().order_by("uid")
    return [(version.version, version.is_latest) for version in shown], [
        (version.version, version.is_latest) for version in hidden
    ]


def test_read_of_a_trashed_version_is_recorded_and_leaves_it_in_the_trash(
    connected: Instance,
) -> None:
    ingest_run(connected, 1, at(0), [], [FILE])
    ln.Artifact.get(key="x/out.txt").delete()
    ingest_run(connected, 2, now() + timedelta(minutes=1), [FILE], [])
    assert ln.Run.filter().count() == 2
    assert version_states() == ([], [("0000", False)])
    assert ln.Artifact.trash().one().input_of_runs.count() == 1
    rebuild(connected.db)
    assert version_states() == ([], [("0000", False)])


def test_later_write_of_a_trashed_version_restores_it(connected: Instance) -> None:
    ingest_run(connected, 1, at(0), [], [FILE])
    ln.Artifact.get(key="x/out.txt").delete()
    ingest_run(connected, 2, at(10), [], [FILE])  # heard of late: it was before
    assert version_states() == ([], [("0000", False)])
    ingest_run(connected, 3, now() + timedelta(minutes=1), [], [FILE])
    back: tuple[list[tuple[str, bool]], list[tuple[str, bool]]] = [("0000", True)], []
    assert version_states() == back
    assert ln.Artifact.get(key="x/out.txt").output_of_runs.count() == 3
    rebuild(connected.db)
    assert version_states() == back


def test_other_bytes_are_a_new_version_beside_the_trashed_one(connected: Instance) -> None:
    ingest_run(connected, 1, at(0), [], [FILE])
    ln.Artifact.get(key="x/out.txt").delete()
    ingest_run(
        connected,
        2,
        now() + timedelta(minutes=1),
        [],
        [Dataset("file", "/x/out.txt", "2" * 64, "blake3", 1)],
    )
    after = [("0001", True)], [("0000", False)]
    assert version_states() == after
    rebuild(connected.db)
    assert version_states() == after


def test_edit_of_a_stale_run_does_not_undo_its_end(connected: Instance) -> None:
    run = run_of(1, "job")
    ingest_events(connected, start(run, at(0)))
    stale = ln.Run.filter().one()
    ingest_events(connected, complete(run, at(1)))
    stale.description = "the one for the paper"
    stale.save()
    assert stale.status == "completed"
    reloaded = ln.Run.filter().one()
    assert (reloaded.status, reloaded.description, reloaded.finished_at) == (
        "completed",
        "the one for the paper",
        at(1),
    )


def test_changes_inside_params_are_saved_and_stale_params_are_not(
    connected: Instance,
) -> None:
    mine = ln.Run(transform=ln.Transform(key="mine.py").save(), params={"a": [1]}).save()
    assert mine.params is not None
    mine.params["a"].append(2)
    mine.save()
    assert ln.Run.get(mine.uid).params == {"a": [1, 2]}
    run = run_of(1, "job")
    ingest_events(connected, start(run, at(0)))
    stale = ln.Run.filter(origin="event").one()
    with connected.db.writing() as session:
        session.execute(update(Run).where(Run.id == stale.id).values(params={"told": "meanwhile"}))
    stale.description = "the one for the paper"
    stale.save()
    assert ln.Run.get(stale.uid).params == {"told": "meanwhile"}


def test_older_version_can_be_described(connected: Instance) -> None:
    Path("a.txt").write_text("1")
    old = ln.Artifact("a.txt", key="a.txt").save()
    Path("a.txt").write_text("2")
    ln.Artifact("a.txt", key="a.txt").save()
    old.description = "the first"
    assert old.save().is_latest is False
    assert [(version.description, version.is_latest) for version in old.versions] == [
        (None, True),
        ("the first", False),
    ]


def test_save_of_a_record_deleted_meanwhile_does_not_recreate_it(connected: Instance) -> None:
    label = ln.ULabel(name="x").save()
    ln.ULabel.get(name="x").delete(permanent=True)
    label.description = "y"
    with pytest.raises(ln.errors.NotFound, match="not in the registry"):
        label.save()
    assert ln.ULabel.filter().count() == 0
