"""`lamin backup` and `lamin restore`: a copy is one moment of the database, also while others write."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

import lamin_core as ln
from lamin_core.admin.backup import backup
from lamin_core.db.database import Database
from lamin_core.instance.instance import Instance, init
from lamin_core.models import ULabel, now
from tests.support.commands import typed


def _pairs(folder: str, writer: int, go_on: Any) -> None:
    """Write labels two by two, each pair in one transaction, until told to stop."""
    instance = Instance.open(Path(folder, ".lamin"))
    number = 0
    while go_on.is_set():
        with instance.db.writing() as session:
            for half in ("a", "b"):
                values = {
                    "uid": f"{writer}{number:05}{half}",
                    "name": f"{writer}-{number} {half}",
                    "created_at": now(),
                }
                session.execute(insert(ULabel).values(values))
        number += 1
    instance.db.dispose()


def _labels(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(ULabel.name)))


def test_backup_during_writes_is_a_consistent_snapshot(in_tmp_path: Path) -> None:
    init("./data")
    ln.disconnect()
    context = multiprocessing.get_context("spawn")
    go_on = context.Event()
    go_on.set()
    writers = [
        context.Process(target=_pairs, args=(str(in_tmp_path), number, go_on))
        for number in range(2)
    ]
    for writer in writers:
        writer.start()
    counts = []
    instance = Instance.open(in_tmp_path / ".lamin")
    until = time.monotonic() + 30
    while len(_labels(instance.db)) < 10 and time.monotonic() < until:
        time.sleep(0.05)
    for number in range(3):
        typed("backup", f"copy-{number}.db")
        copy = Database(f"sqlite:///{in_tmp_path / f'copy-{number}.db'}")
        names = _labels(copy)
        counts.append(len(names))
        halves = {name.split(" ")[0] + half for name in names for half in ("a", "b")}
        assert {name.replace(" ", "") for name in names} == halves
        copy.check()
        copy.dispose()
        time.sleep(0.2)
    go_on.clear()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert counts == sorted(counts)
    assert counts[0] > 0
    instance.db.dispose()


def test_restore_returns_the_backed_up_state(in_tmp_path: Path) -> None:
    init("./data")
    ln.ULabel(name="before").save()
    typed("backup", "copy.db")
    assert not list(in_tmp_path.glob("copy.db-*"))
    ln.connect()
    ln.ULabel(name="after").save()
    reader = Instance.open(in_tmp_path / ".lamin")
    assert len(_labels(reader.db)) == 2
    assert "pass --yes" in typed("restore", "copy.db", code=2).stderr
    typed("restore", "copy.db", "--yes")
    assert _labels(reader.db) == ["before"]  # who had it open sees it, too
    backup_file = next((in_tmp_path / ".lamin").glob("before-restore-*.db"))
    backup_database = Database(f"sqlite:///{backup_file}")
    assert sorted(_labels(backup_database)) == ["after", "before"]
    backup_database.dispose()
    ln.connect()
    ln.ULabel(name="next").save()
    assert ln.ULabel.count() == 2
    assert json.loads(typed("fsck", "--json").stdout)["problems"] == []
    reader.db.dispose()
    ln.disconnect()


def _another_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE x (y)")


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda path: None, 3, "no file at"),
        (lambda path: path.write_text("garbage" * 1000), 5, "cannot be used"),
        (_another_database, 5, "holds no registry"),
    ],
    ids=["nothing", "garbage", "another database"],
)
def test_restore_of_an_invalid_file_changes_nothing(
    in_tmp_path: Path, make: Callable[[Path], Any], code: int, message: str
) -> None:
    init("./data")
    ln.ULabel(name="before").save()
    make(in_tmp_path / "copy.db")
    assert message in typed("restore", "copy.db", "--yes", code=code).stderr
    assert ln.connect().query(ln.ULabel).count() == 1
    ln.disconnect()


def test_concurrent_backups_to_one_file_are_complete(in_tmp_path: Path) -> None:
    instance = init("./data")
    target = in_tmp_path / "copy.db"

    def back_up(_: int) -> None:
        with contextlib.suppress(ln.errors.Conflict):  # another one was there first
            backup(instance, target)

    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(back_up, range(4)))
        with contextlib.closing(sqlite3.connect(target)) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        target.unlink()
        assert list(in_tmp_path.glob(".copy.db*")) == []
    ln.disconnect()


def test_failed_backup_overwrites_nothing_and_leaves_no_partial_file(
    in_tmp_path: Path, postgres_url: str
) -> None:
    init("./data")
    (in_tmp_path / "copy.db").write_text("mine")
    assert "already exists" in typed("backup", "copy.db", code=4).stderr
    assert (in_tmp_path / "copy.db").read_text() == "mine"
    assert "cannot be used" in typed("backup", "no/such/folder/copy.db", code=5).stderr
    other = Instance.create(in_tmp_path / "pg", "./data", postgres_url)
    with pytest.raises(ln.errors.InvalidArgument, match="pg_dump"):
        backup(other, in_tmp_path / "pg.db")
    with other.db.reading() as session:
        assert session.scalar(select(func.count(ULabel.id))) == 0
    other.db.dispose()
    ln.disconnect()
