"""`lamin fsck`: what is damaged, gone, left over or inconsistent is found, and nothing else."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import lamin_core as ln
from lamin_core import fsck
from lamin_core.instance import Instance, disconnect, init
from lamin_core.models import Content, Run, Transform, blank, now
from openlineage.lamin.events import Dataset, Job, complete, start
from openlineage.lamin.events import Run as EventRun
from openlineage.lamin.parsing import parse
from openlineage.lamin.receiver import ingest
from tests.command import typed


@pytest.fixture
def instance(in_tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """A fresh instance in the test's folder, connected, on both databases."""
    made = init("./data", db=database_url)
    yield made
    disconnect()
    made.db.dispose()


def _file(name: str, data: bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _kinds(report: fsck.Report) -> Counter[str]:
    return Counter(problem.kind for problem in report.problems)


def _flip(path: Path, where: int) -> None:
    """Turn over one bit, and leave the times of the file as they were."""
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= 1 << (where % 8)
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_every_flipped_byte_is_found_and_nothing_else(in_tmp_path: Path) -> None:
    instance = init("./data")
    chance = random.Random(4)
    for number in range(1000):
        path = _file(f"{'in' if number % 2 else '../out'}/{number}.bin", chance.randbytes(chance.randrange(1, 4000)))
        ln.Artifact(path, key=None if number % 2 else f"copies/{number}.bin", run=False).save()
    assert fsck.check(instance, deep=True).is_clean
    chosen = chance.sample(list(ln.Artifact.all()), 100)
    for artifact in chosen:
        _flip(artifact.path, chance.randrange(4000))
    assert fsck.check(instance).is_clean  # sizes and names alone do not show it
    report = fsck.check(instance, deep=True)
    assert {problem.uid for problem in report.problems} == {artifact.uid for artifact in chosen}
    assert len(report.problems) == 100
    assert set(_kinds(report)) == {"changed", "damaged"}
    disconnect()


def test_a_fresh_instance_and_one_in_use_are_clean(instance: Instance) -> None:
    assert fsck.check(instance, deep=True).is_clean
    ln.Artifact(_file("a.txt", b"1"), run=False).save()
    with ln.run("step"):
        ln.Artifact(_file("a.txt", b"2")).save()
        ln.Artifact(_file("sub/b.txt", b"2"), key="copy/b.txt").save()
    _file("sub/c.txt", b"2")
    ln.Artifact("sub", key="folder", run=False).save()
    report = fsck.check(instance, deep=True, grace=0)
    assert report.is_clean, report.problems
    assert report.checked["artifacts"] == 3  # the first version of a.txt has been written over, as it may
    assert report.checked["copies"] == 3


def test_what_is_gone_is_said_with_what_to_type(instance: Instance, in_tmp_path: Path) -> None:
    copied = ln.Artifact(_file("../elsewhere/a.txt", b"1"), key="a.txt", run=False).save()
    in_place = ln.Artifact(_file("b.txt", b"2"), run=False).save()
    for artifact in (copied, in_place):
        os.unlink(artifact.path)
    report = fsck.check(instance)
    assert [(problem.kind, problem.uid) for problem in report.problems] == [
        ("missing", copied.uid),
        ("missing", in_place.uid),
    ]
    assert report.problems[0].hint.startswith("save the same file again")
    ln.Artifact("../elsewhere/a.txt", key="again.txt", run=False).save()
    assert [problem.uid for problem in fsck.check(instance).problems] == [in_place.uid]


CHANGES: dict[str, tuple[Callable[[Path], Any], bool]] = {
    "longer": (lambda folder: (folder / "x").write_text("longer"), False),
    "one more": (lambda folder: (folder / "new").write_text("n"), False),
    "one less": (lambda folder: (folder / "y").unlink(), False),
    "flipped": (lambda folder: _flip(folder / "x", 0), True),
    "renamed": (lambda folder: (folder / "x").rename(folder / "z"), True),
    "swapped": (lambda folder: [(folder / a).rename(folder / b) for a, b in ("xt", "yx", "ty")], True),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_folder_is_looked_at_as_a_whole(instance: Instance, how: str) -> None:
    change, deep = CHANGES[how]
    _file("folder/x", b"1")
    _file("folder/y", b"2")
    artifact = ln.Artifact("folder", run=False).save()
    assert fsck.check(instance, deep=True).is_clean
    change(Path("folder"))
    if deep:
        assert fsck.check(instance).is_clean
    report = fsck.check(instance, deep=deep)
    assert [(problem.kind, problem.uid) for problem in report.problems] == [("changed", artifact.uid)]


def test_copies_without_a_row_are_orphans(instance: Instance) -> None:
    kept = ln.Artifact(_file("../elsewhere/a.txt", b"1"), key="a.txt", run=False).save()
    orphan = _file("data/.lamindb/left-over.txt", b"orphan")
    assert fsck.check(instance).is_clean  # it may be one of a save that is under way
    os.utime(orphan, (time.time() - 7200,) * 2)
    report = fsck.check(instance)
    assert [(problem.kind, problem.path) for problem in report.problems] == [("orphan", str(orphan.absolute()))]
    refused = typed("fsck", "--delete-orphans", code=2)
    assert "--yes" in refused.stderr
    assert orphan.exists()
    typed("fsck", "--delete-orphans", "--yes")
    assert not orphan.exists()
    assert kept.path.read_bytes() == b"1"


BREAKS = {
    "latest": "UPDATE artifact SET is_latest = false WHERE number = 1",
    "version": "UPDATE artifact SET uid = 'xxxxxxxxxxxxxxxx0009' WHERE number = 1",
    "edge": "UPDATE run_artifact SET series_id = (SELECT max(id) FROM artifact_series)",
}


@pytest.mark.parametrize("kind", BREAKS)
def test_tables_that_do_not_fit_are_found_and_mended(instance: Instance, kind: str) -> None:
    for data in (b"1", b"2"):
        with ln.run("step"):
            ln.Artifact(_file("a.txt", data)).save()
    ln.Artifact(_file("other.txt", b"3"), run=False).save()
    before = [(one.uid, one.is_latest, one.number) for one in ln.Artifact.all()]
    assert fsck.check(instance).is_clean
    with instance.db.writing() as session:
        session.execute(text(BREAKS[kind]))
    assert kind in _kinds(fsck.check(instance))
    assert fsck.repair(instance) >= 1
    assert fsck.check(instance, deep=True).is_clean
    assert [(one.uid, one.is_latest, one.number) for one in ln.Artifact.all()] == before


def test_transforms_are_led_by_one(instance: Instance) -> None:
    for source in ("1", "2"):
        ln.Transform(key="a.py", source_code=source).save()
    with instance.db.writing() as session:
        session.execute(text("UPDATE transform SET is_latest = false"))
    assert _kinds(fsck.check(instance)) == {"latest": 1}
    fsck.repair(instance)
    assert ln.Transform.get(key="a.py").source_code == "2"
    assert fsck.check(instance).is_clean


def test_what_nothing_names_is_left_over(instance: Instance) -> None:
    transform = ln.Transform(key="a.py").save()
    with instance.db.writing() as session:
        session.add(Content(hash="0" * 64, hash_type="blake3", size=1))
        stub = blank(Run, uid="r" * 16, external_id="x", engine="none", transform_id=transform.id, status="running")
        stub.origin, stub.cached, stub.attempt, stub.created_at = "stub", False, 1, now()
        session.add(stub)
    assert _kinds(fsck.check(instance)) == {"content": 1, "stub": 1}
    assert fsck.repair(instance) == 2
    assert fsck.check(instance).is_clean
    assert ln.Transform.count() == 1


def test_sqlite_says_what_points_nowhere_and_what_is_damaged(in_tmp_path: Path) -> None:
    instance = init("./data")
    ln.Artifact(_file("a.txt", b"1"), run=False).save()
    instance.db.dispose()
    with contextlib.closing(sqlite3.connect(".lamin/lamin.db")) as connection, connection:  # foreign keys are off here
        connection.execute("UPDATE artifact SET created_by_id = 99")
    kinds = _kinds(fsck.check(instance))
    assert kinds["pointer"] == 1
    disconnect()


def test_what_it_prints(instance: Instance) -> None:
    assert typed("fsck").stdout.startswith("nothing wrong; looked at ")
    artifact = ln.Artifact(_file("a.txt", b"1"), run=False).save()
    os.unlink("a.txt")
    shown = typed("fsck", "--deep", code=1).stdout.splitlines()
    assert shown[0].startswith("missing: nothing at ")
    assert shown[1].startswith("  hint: restore ")
    assert shown[2].startswith("1 problems; looked at 1 artifacts")
    found = typed("fsck", "--json", code=1).json
    assert set(found) == {"deep", "checked", "problems"}
    assert found["problems"] == [
        {
            "kind": "missing",
            "uid": artifact.uid,
            "path": str(Path("a.txt").absolute()),
            "what": f"nothing at {Path('a.txt').absolute()}",
            "hint": f"restore {Path('a.txt').absolute()}, or `lamin delete artifact {artifact.uid}`",
        }
    ]


def test_rows_that_share_a_damaged_copy_are_all_named(instance: Instance) -> None:
    first, second = (ln.Artifact(_file(f"../far/{n}", b"same"), key=f"k{n}", run=False).save() for n in "ab")
    assert first.path == second.path
    _flip(first.path, 0)
    assert {problem.uid for problem in fsck.check(instance, deep=True).problems} == {first.uid, second.uid}


def test_events_in_any_order_leave_tables_that_fit(instance: Instance) -> None:
    chance = random.Random(7)
    events = []
    for number in range(40):
        job = Job("test", f"job {number % 5}", "rule", source=f"code {number % 3}", language="python")
        names = [chance.choice("abcdef") for _ in range(3)]
        digests: list[dict[str, Any]] = [{"hash": digit * 64, "hash_type": "blake3", "size": 1} for digit in "12"]
        data = [Dataset("file", str(Path(name).absolute()), **chance.choice([*digests, {}])) for name in names]
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        run = EventRun(f"00000000-0000-7000-8000-{number:012d}", job, "test", "1.0")
        events += [start(run, at, inputs=data[:2]), complete(run, at + timedelta(seconds=3), outputs=data[2:])]
    chance.shuffle(events)
    for event in [*events, *chance.sample(events, 10)]:
        ingest(instance.db, [parse(event)])
    assert instance.query(ln.Run).count() == 40
    assert {kind for kind in _kinds(fsck.check(instance, deep=True)) if kind != "missing"} == set()
    assert fsck.repair(instance) == 0


def test_reading_every_byte_is_shown_to_whoever_looks(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init("./data")
    ln.Artifact(_file("a.bin", b"x" * 1000), run=False).save()
    monkeypatch.setattr("lamin_core.progress.SHOWN_FROM", 1)
    assert "reading every byte" not in typed("fsck", "--deep").stderr
    monkeypatch.setattr("lamin_core.progress._somebody_looks", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # for the bar, this is a terminal then
    assert "reading every byte" in typed("fsck", "--deep").stderr


# -- in a bucket


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A real S3 server with a bucket, and a client for it."""
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    _forget_buckets()
    client = boto3.client("s3")
    client.create_bucket(Bucket="lineage")
    yield client
    client.close()
    server.stop()
    _forget_buckets()


def _forget_buckets() -> None:
    """s3fs keeps its clients, with the address that they had."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    fsck.stores._opened.cache_clear()


def test_a_bucket_is_checked_as_a_folder_is(in_tmp_path: Path, bucket: Any) -> None:
    instance = init("s3://lineage/here")
    shutil.rmtree("folder", ignore_errors=True)
    _file("../far/folder/x", b"1")
    _file("../far/folder/sub/y", b"2")
    kept = {
        name: ln.Artifact(_file(f"../far/{name}.txt", name.encode()), key=f"{name}.txt", run=False).save()
        for name in ("whole", "gone", "flipped", "shorter")
    }
    ln.Artifact("../far/folder", key="folder", run=False).save()
    assert fsck.check(instance, deep=True, grace=0).is_clean

    def where(name: str) -> dict[str, str]:
        return {"Bucket": "lineage", "Key": kept[name].path.removeprefix("s3://lineage/")}

    bucket.delete_object(**where("gone"))
    bucket.put_object(**where("flipped"), Body=b"flipqed")
    bucket.put_object(**where("shorter"), Body=b"s")
    bucket.put_object(Bucket="lineage", Key="here/.lamindb/orphan.bin", Body=b"o")
    quick = fsck.check(instance, grace=0)
    assert {(problem.kind, problem.uid) for problem in quick.problems} == {
        ("missing", kept["gone"].uid),
        ("damaged", kept["shorter"].uid),
        ("orphan", None),
    }
    deep = fsck.check(instance, deep=True, grace=0)
    assert {problem.uid for problem in deep.problems} == {None, *(kept[n].uid for n in ("gone", "shorter", "flipped"))}
    assert fsck.remove_orphans(deep) == 1
    assert "orphan" not in _kinds(fsck.check(instance, grace=0))
    disconnect()


def test_a_bucket_out_of_reach_is_said(in_tmp_path: Path, bucket: Any) -> None:
    instance = init("s3://lineage/here")
    artifact = ln.Artifact(_file("../far/a.txt", b"a"), key="a.txt", run=False).save()
    os.environ |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    _forget_buckets()
    assert typed("fsck", code=5).stderr.startswith("lamin: ")
    assert artifact.uid
    instance.db.dispose()


def test_only_this_instance_is_looked_at(in_tmp_path: Path) -> None:
    assert "lamin init" in typed("fsck", code=3).stderr
    assert Transform.__tablename__ == "transform"
