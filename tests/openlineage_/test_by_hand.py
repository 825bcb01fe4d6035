"""What people do by hand with what events told of, and what events told afterwards do to that."""

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


def take(instance: Instance, *events: Event) -> None:
    receipt = ingest(instance.db, map(parse, events))
    assert not receipt.quarantined


def ran(
    instance: Instance, number: int, began_at: datetime, reads: list[Dataset], writes: list[Dataset]
) -> None:
    run = run_of(number, "job")
    take(
        instance,
        start(run, began_at, reads),
        complete(run, began_at + timedelta(seconds=1), reads, writes),
    )


def seen() -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Versions that are shown, and those in the trash, each with whether it is the latest."""
    shown, hidden = ln.Artifact.filter().order_by("uid"), ln.Artifact.trash().order_by("uid")
    return [(version.version, version.is_latest) for version in shown], [
        (version.version, version.is_latest) for version in hidden
    ]


def test_a_run_that_reads_what_is_in_the_trash_is_known_and_leaves_it_there(
    connected: Instance,
) -> None:
    ran(connected, 1, at(0), [], [FILE])
    ln.Artifact.get(key="x/out.txt").delete()
    ran(connected, 2, now() + timedelta(minutes=1), [FILE], [])
    assert ln.Run.filter().count() == 2
    assert seen() == ([], [("0000", False)])
    assert ln.Artifact.trash().one().input_of_runs.count() == 1
    rebuild(connected.db)
    assert seen() == ([], [("0000", False)])


def test_what_is_written_again_comes_back_out_of_the_trash(connected: Instance) -> None:
    ran(connected, 1, at(0), [], [FILE])
    ln.Artifact.get(key="x/out.txt").delete()
    ran(connected, 2, at(10), [], [FILE])  # heard of late: it was before
    assert seen() == ([], [("0000", False)])
    ran(connected, 3, now() + timedelta(minutes=1), [], [FILE])
    back: tuple[list[tuple[str, bool]], list[tuple[str, bool]]] = [("0000", True)], []
    assert seen() == back
    assert ln.Artifact.get(key="x/out.txt").output_of_runs.count() == 3
    rebuild(connected.db)
    assert seen() == back


def test_other_bytes_are_a_new_version_beside_what_is_in_the_trash(connected: Instance) -> None:
    ran(connected, 1, at(0), [], [FILE])
    ln.Artifact.get(key="x/out.txt").delete()
    ran(
        connected,
        2,
        now() + timedelta(minutes=1),
        [],
        [Dataset("file", "/x/out.txt", "2" * 64, "blake3", 1)],
    )
    after = [("0001", True)], [("0000", False)]
    assert seen() == after
    rebuild(connected.db)
    assert seen() == after


def test_what_is_said_of_a_run_at_work_takes_nothing_of_its_end_back(connected: Instance) -> None:
    run = run_of(1, "job")
    take(connected, start(run, at(0)))
    stale = ln.Run.filter().one()
    take(connected, complete(run, at(1)))
    stale.description = "the one for the paper"
    stale.save()
    assert stale.status == "completed"
    reloaded = ln.Run.filter().one()
    assert (reloaded.status, reloaded.description, reloaded.finished_at) == (
        "completed",
        "the one for the paper",
        at(1),
    )


def test_what_was_changed_within_params_is_written_and_what_is_only_old_is_not(
    connected: Instance,
) -> None:
    mine = ln.Run(transform=ln.Transform(key="mine.py").save(), params={"a": [1]}).save()
    assert mine.params is not None
    mine.params["a"].append(2)
    mine.save()
    assert ln.Run.get(mine.uid).params == {"a": [1, 2]}
    run = run_of(1, "job")
    take(connected, start(run, at(0)))
    stale = ln.Run.filter(origin="event").one()
    with connected.db.writing() as session:
        session.execute(update(Run).where(Run.id == stale.id).values(params={"told": "meanwhile"}))
    stale.description = "the one for the paper"
    stale.save()
    assert ln.Run.get(stale.uid).params == {"told": "meanwhile"}


def test_an_older_version_can_be_described(connected: Instance) -> None:
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


def test_what_was_deleted_meanwhile_is_not_made_again_by_a_description(connected: Instance) -> None:
    label = ln.ULabel(name="x").save()
    ln.ULabel.get(name="x").delete(permanent=True)
    label.description = "y"
    with pytest.raises(ln.errors.NotFound, match="not in the registry"):
        label.save()
    assert ln.ULabel.filter().count() == 0
