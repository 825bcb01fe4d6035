"""`lamin fsck`: what is damaged, gone, left over or inconsistent is found, and nothing else."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
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
from lamin_core.admin import fsck
from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.models import ArtifactSeries, Content, Note, Run, Transform, blank, now
from lamin_core.storage import blobs, object_store
from openlineage.lamin.emit.events import Dataset, Job, complete, start
from openlineage.lamin.emit.events import Run as EventRun
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.support.commands import typed
from tests.support.object_store import forget_clients


@pytest.fixture
def instance(in_tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """A fresh instance in the test's folder, connected, on both databases."""
    new_instance = init("./data", db=database_url)
    yield new_instance
    disconnect()
    new_instance.db.dispose()


def _file(name: str, data: bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _kinds(report: fsck.Report) -> Counter[str]:
    return Counter(problem.kind for problem in report.problems)


def _flip(location: Path | str, where: int) -> None:
    """Turn over one bit, and leave the times of the file as they were."""
    path = Path(location)
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= 1 << (where % 8)
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_deep_check_finds_every_flipped_bit_and_nothing_else(in_tmp_path: Path) -> None:
    instance = init("./data")
    chance = random.Random(4)
    for number in range(1000):
        path = _file(
            f"{'in' if number % 2 else '../out'}/{number}.bin",
            chance.randbytes(chance.randrange(1, 4000)),
        )
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


def test_new_and_used_instances_are_clean(instance: Instance) -> None:
    assert fsck.check(instance, deep=True).is_clean
    ln.Artifact(_file("a.txt", b"1"), run=False).save()
    with ln.run("step"):
        ln.Artifact(_file("a.txt", b"2")).save()
        ln.Artifact(_file("sub/b.txt", b"2"), key="copy/b.txt").save()
    _file("sub/c.txt", b"2")
    ln.Artifact("sub", key="folder", run=False).save()
    report = fsck.check(instance, deep=True, grace=0)
    assert report.is_clean, report.problems
    assert (
        report.checked["artifacts"] == 3
    )  # the first version of a.txt has been written over, as it may
    assert report.checked["copies"] == 3


def test_missing_files_are_reported_with_a_hint(instance: Instance, in_tmp_path: Path) -> None:
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


# What it says to type is typed


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest) -> str:
    """The storage for copies."""
    if request.param == "local":
        return "./data"
    request.getfixturevalue("bucket")
    return "s3://lineage/typed"


def test_suggested_commands_repair_the_bytes(
    in_tmp_path: Path, storage: str, database_url: str
) -> None:
    instance = init(storage, db=database_url)
    far = in_tmp_path.parent / f"far of {in_tmp_path.name}"
    _file(f"{far}/folder/x", b"1")
    artifacts = {name: ln.Artifact(_file(f"{far}/{name}.txt", name.encode()), key=f"{name}.txt", run=False).save()
            for name in ("whole", "gone", "flipped", "shorter")}  # fmt: skip
    folder = ln.Artifact(f"{far}/folder", key="folder", run=False).save()
    lost = ln.Artifact(_file("lost it's.txt", b"1"), run=False).save()
    changed = ln.Artifact(_file("changed it's $HOME.txt", b"1"), run=False).save()
    for name, data in {"flipped": b"flipqed", "shorter": b"s"}.items():
        _write_over(artifacts[name], data)
    _write_over(folder, b"2", "/x")
    blobs.remove(instance.storage, artifacts["gone"].real_key or "")
    _put(instance.storage, ".lamindb/left over.txt", b"orphan")
    os.unlink(lost.path)
    _file(str(changed.path), b"2")
    report = fsck.check(instance, deep=True, grace=0)
    assert _kinds(report) == {"damaged": 3, "missing": 2, "changed": 1, "orphan": 1}
    for problem in report.problems:
        if problem.kind == "orphan":
            typed("fsck", "--delete-orphans", "--grace", "0", "--yes", code=None)
        elif problem.kind == "missing" and problem.uid == artifacts["gone"].uid:
            assert "save the same file again" in problem.hint
        else:
            command = re.findall(r"`lamin ([^`]+)`", problem.hint)[-1]
            typed(*shlex.split(command), *(["--yes"] if "delete" in command else []), code=None)
    for name in ("gone", "flipped", "shorter"):
        typed("save", f"{far}/{name}.txt", "--key", f"{name}.txt")
    typed("save", f"{far}/folder", "--key", "folder")
    ln.connect()
    assert fsck.check(instance, deep=True, grace=0).problems == []
    assert all(ln.Artifact.get(artifact.uid).load() == name for name, artifact in artifacts.items())
    assert ln.Artifact.get(key=changed.key).version == "0001"
    assert not ln.Artifact.filter(uid=lost.uid).exists()
    instance.db.dispose()


def _write_over(artifact: ln.Artifact, data: bytes, below: str = "") -> None:
    _put(
        f"{artifact.path}{below}".rpartition("/")[0],
        f"{artifact.path}{below}".rpartition("/")[2],
        data,
    )


def _put(root: str, key: str, data: bytes) -> None:
    if "://" in root:
        object_store.filesystem(root)[0].pipe(f"{root}/{key}", data)
        return
    path = Path(root, key)
    if path.exists():
        path.chmod(0o644)
    _file(str(path), data)


def test_artifact_of_a_missing_copy_can_be_deleted_as_suggested(instance: Instance) -> None:
    artifact = ln.Artifact(_file("../elsewhere/a.txt", b"1"), key="a.txt", run=False).save()
    os.unlink(artifact.path)
    (problem,) = fsck.check(instance).problems
    typed(*shlex.split(re.findall(r"`lamin ([^`]+)`", problem.hint)[-1]), "--yes")
    assert fsck.check(instance, grace=0).is_clean


def test_missing_storage_is_one_problem(instance: Instance) -> None:
    for number in range(3):
        ln.Artifact(
            _file(f"../elsewhere/{number}.txt", b"%d" % number), key=f"{number}.txt", run=False
        ).save()
    os.rename("data", "unmounted")
    report = fsck.check(instance, deep=True)
    assert [(problem.kind, problem.path) for problem in report.problems] == [
        ("storage", instance.storage)
    ]
    os.rename("unmounted", "data")
    assert fsck.check(instance, deep=True).is_clean


def test_folder_being_copied_is_not_an_orphan(instance: Instance) -> None:
    for name, age in (("x", 7200), ("sub/y", 60)):
        part = _file(f"data/.lamindb/.abc.part/{name}", b"1")
        os.utime(part, (time.time() - age,) * 2)
    assert fsck.check(instance).is_clean
    os.utime(part, (time.time() - 7200,) * 2)
    assert _kinds(fsck.check(instance)) == {"orphan": 2}
    typed("fsck", "--delete-orphans", "--yes")
    assert not Path("data/.lamindb/.abc.part").exists()


def test_unfinished_upload_is_found_and_removed(in_tmp_path: Path, bucket: Any) -> None:
    instance = init("s3://lineage/unended")
    begun = bucket.create_multipart_upload(Bucket="lineage", Key="unended/.lamindb/big.bin")
    part = {"Bucket": "lineage", "Key": "unended/.lamindb/big.bin", "UploadId": begun["UploadId"]}
    bucket.upload_part(**part, PartNumber=1, Body=b"123")
    bucket.create_multipart_upload(Bucket="lineage", Key="of-somebody-else.bin")
    assert fsck.check(instance).is_clean  # it may be one that is under way
    (problem,) = fsck.check(instance, grace=0).problems
    assert (
        problem.what
        == "s3://lineage/unended/.lamindb/big.bin (3 bytes) was not uploaded to its end"
    )
    typed("fsck", "--delete-orphans", "--grace", "0", "--yes")
    assert fsck.check(instance, grace=0).is_clean
    uploads = bucket.list_multipart_uploads(Bucket="lineage")["Uploads"]
    assert [upload["Key"] for upload in uploads] == ["of-somebody-else.bin"]
    disconnect()
    instance.db.dispose()


CHANGES: dict[str, tuple[Callable[[Path], Any], bool]] = {
    "longer": (lambda folder: (folder / "x").write_text("longer"), False),
    "one more": (lambda folder: (folder / "new").write_text("n"), False),
    "one less": (lambda folder: (folder / "y").unlink(), False),
    "flipped": (lambda folder: _flip(folder / "x", 0), True),
    "renamed": (lambda folder: (folder / "x").rename(folder / "z"), True),
    "swapped": (
        lambda folder: [(folder / a).rename(folder / b) for a, b in ("xt", "yx", "ty")],
        True,
    ),
}


@pytest.mark.parametrize("how", CHANGES)
def test_folder_is_checked_as_a_whole(instance: Instance, how: str) -> None:
    change, deep = CHANGES[how]
    _file("folder/x", b"1")
    _file("folder/y", b"2")
    artifact = ln.Artifact("folder", run=False).save()
    assert fsck.check(instance, deep=True).is_clean
    change(Path("folder"))
    if deep:
        assert fsck.check(instance).is_clean
    report = fsck.check(instance, deep=deep)
    assert [(problem.kind, problem.uid) for problem in report.problems] == [
        ("changed", artifact.uid)
    ]


def test_copies_without_a_row_are_orphans(instance: Instance) -> None:
    artifact = ln.Artifact(_file("../elsewhere/a.txt", b"1"), key="a.txt", run=False).save()
    orphan = _file("data/.lamindb/left-over.txt", b"orphan")
    assert fsck.check(instance).is_clean  # it may be one of a save that is under way
    os.utime(orphan, (time.time() - 7200,) * 2)
    report = fsck.check(instance)
    assert [(problem.kind, problem.path) for problem in report.problems] == [
        ("orphan", str(orphan.absolute()))
    ]
    refused = typed("fsck", "--delete-orphans", code=2)
    assert "--yes" in refused.stderr
    assert orphan.exists()
    typed("fsck", "--delete-orphans", "--yes")
    assert not orphan.exists()
    assert artifact.path.read_bytes() == b"1"


BREAKS = {
    "latest": "UPDATE artifact SET is_latest = false WHERE number = 1",
    "version": "UPDATE artifact SET uid = 'xxxxxxxxxxxxxxxx0009' WHERE number = 1",
    "edge": "UPDATE run_artifact SET series_id = (SELECT max(id) FROM artifact_series)",
}


@pytest.mark.parametrize("kind", BREAKS)
def test_inconsistent_rows_are_found_and_repaired(instance: Instance, kind: str) -> None:
    for data in (b"1", b"2"):
        with ln.run("step"):
            ln.Artifact(_file("a.txt", data)).save()
    ln.Artifact(_file("other.txt", b"3"), run=False).save()
    before = [(artifact.uid, artifact.is_latest, artifact.number) for artifact in ln.Artifact.all()]
    assert fsck.check(instance).is_clean
    with instance.db.writing() as session:
        session.execute(text(BREAKS[kind]))
    assert kind in _kinds(fsck.check(instance))
    assert fsck.repair(instance) >= 1
    assert fsck.check(instance, deep=True).is_clean
    assert [
        (artifact.uid, artifact.is_latest, artifact.number) for artifact in ln.Artifact.all()
    ] == before


def test_transform_series_without_a_latest_version_is_repaired(instance: Instance) -> None:
    for source in ("1", "2"):
        ln.Transform(key="a.py", source_code=source).save()
    with instance.db.writing() as session:
        session.execute(text("UPDATE transform SET is_latest = false"))
    assert _kinds(fsck.check(instance)) == {"latest": 1}
    fsck.repair(instance)
    assert ln.Transform.get(key="a.py").source_code == "2"
    assert fsck.check(instance).is_clean


def test_unreferenced_rows_are_found_and_removed(instance: Instance) -> None:
    transform = ln.Transform(key="a.py").save()
    with instance.db.writing() as session:
        session.add(Content(hash="0" * 64, hash_type="blake3", size=1))
        stub = blank(
            Run,
            uid="r" * 16,
            external_id="x",
            engine="none",
            transform_id=transform.id,
            status="running",
        )
        stub.origin, stub.cached, stub.attempt, stub.created_at = "stub", False, 1, now()
        session.add(stub)
        for uid in ("goneGONE", transform.uid):
            session.add(Note(table_name="transform", record_uid=uid, text="checked"))
    assert _kinds(fsck.check(instance)) == {"content": 1, "stub": 1, "note": 1}
    assert fsck.repair(instance) == 3
    assert fsck.check(instance).is_clean
    assert ln.Transform.count() == 1


def test_collection_series_without_a_latest_version_is_repaired(instance: Instance) -> None:
    first, second = (
        ln.Artifact(_file(f"{name}.txt", name.encode()), run=False).save() for name in "ab"
    )
    for members in ([first], [first, second]):
        ln.Collection(members, key="c").save()
    with instance.db.writing() as session:
        session.execute(text("UPDATE collection SET is_latest = false"))
    assert _kinds(fsck.check(instance)) == {"latest": 1}
    assert fsck.repair(instance) == 1
    assert ln.Collection.get(key="c").artifacts.count() == 2
    assert fsck.check(instance).is_clean


def test_artifact_series_without_a_version_is_found_and_removed(instance: Instance) -> None:
    artifact = ln.Artifact(_file("a.txt", b"1"), run=False).save()
    with instance.db.writing() as session:
        session.add(ArtifactSeries(stem="s" * 16, storage_id=artifact.storage_id, key="nothing"))
    (problem,) = fsck.check(instance).problems
    assert (problem.kind, problem.what) == ("series", "the series of 'nothing' has no version")
    typed(*shlex.split(problem.hint.strip("`"))[1:])
    assert fsck.check(instance).is_clean


def test_permanent_deletion_leaves_no_rows_or_files(instance: Instance) -> None:
    far = [ln.Artifact(_file(f"../far/{n}", b"same"), key=f"k{n}", run=False).save() for n in "ab"]
    far[0].replace(_file("../far/other", b"right"))
    assert fsck.check(instance, deep=True, grace=0).is_clean
    for artifact in far:
        artifact.delete(permanent=True)
        assert fsck.check(instance, deep=True, grace=0).is_clean
    assert not any(path.is_file() for path in Path("data").rglob("*"))


def _sqlite(statement: str) -> None:
    """Change the file behind the back of its constraints, as a damaged disk does."""
    with contextlib.closing(sqlite3.connect(".lamin/lamin.db")) as connection, connection:
        connection.execute(statement)


BEHIND = {
    "pointer": "UPDATE artifact SET created_by_id = 99",
    "transform": "UPDATE run SET transform_id = 99",
}


@pytest.mark.parametrize("kind", BEHIND)
def test_dangling_references_are_found_and_restored_from_a_backup(
    in_tmp_path: Path, kind: str
) -> None:
    instance = init("./data")
    with ln.run("step"):
        ln.Artifact(_file("a.txt", b"1")).save()
    typed("backup", "last.db")
    _sqlite(BEHIND[kind])
    report = fsck.check(instance)
    assert kind in _kinds(report)
    assert fsck.repair(instance) == 0
    (hint,) = {problem.hint for problem in report.problems}
    typed(*shlex.split(re.findall(r"`lamin ([^`]+)`", hint)[0].replace("FILE", "last.db")), "--yes")
    assert fsck.check(instance, deep=True).is_clean
    disconnect()
    instance.db.dispose()


def test_damaged_database_pages_are_found_and_restored_from_a_backup(in_tmp_path: Path) -> None:
    instance = init("./data")
    for number in range(300):
        ln.ULabel(name=f"label {number} of many, with a long name to fill the pages").save()
    typed("backup", "last.db")
    disconnect()
    instance.db.dispose()
    with contextlib.closing(sqlite3.connect(".lamin/lamin.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        pages = [
            page
            for (page,) in connection.execute("SELECT pageno FROM dbstat WHERE name = 'ulabel'")
        ]
    with open(".lamin/lamin.db", "r+b") as file:
        file.seek((max(pages) - 1) * size)
        file.write(b"\xff" * size)
    result = typed("fsck", code=1)
    assert result.stdout.startswith("database: SQLite says: ")
    assert "hint: `lamin restore FILE`" in result.stdout
    typed("restore", "last.db", "--yes")
    typed("fsck", "--deep")
    assert len(list(Path(".lamin").glob("before-restore-*.db"))) == 1
    assert ln.ULabel.count() == 300
    disconnect()


@pytest.mark.parametrize("deep", [False, True])
def test_fifo_instead_of_a_file_is_reported_as_unreadable(in_tmp_path: Path, deep: bool) -> None:
    instance = init("./data")
    artifact = ln.Artifact(_file("a.txt", b"1"), run=False).save()
    os.unlink("a.txt")
    os.mkfifo("a.txt")  # whoever reads it, waits for ever
    (problem,) = fsck.check(instance, deep=deep).problems
    assert (problem.kind, problem.uid) == ("unreadable", artifact.uid)
    assert "neither a file nor a folder" in problem.what
    disconnect()
    instance.db.dispose()


def test_only_the_first_problems_of_a_kind_are_printed(in_tmp_path: Path) -> None:
    init("./data")
    for number in range(60):
        _file(f"{number}.txt", b"%d" % number)
    ln.save([ln.Artifact(f"{number}.txt", run=False) for number in range(60)])
    for number in range(60):
        Path(f"{number}.txt").unlink()
    disconnect()
    done = typed("fsck", code=1)
    assert done.stdout.count("missing: ") == 50
    assert "missing: 10 more; --json has all of them" in done.stderr
    assert "60 problems" in done.stdout
    assert len(typed("fsck", "--json", code=1).json["problems"]) == 60


def test_fsck_prints_problems_as_text_and_json(instance: Instance) -> None:
    assert typed("fsck").stdout.startswith("nothing wrong; looked at ")
    artifact = ln.Artifact(_file("a.txt", b"1"), run=False).save()
    os.unlink("a.txt")
    shown = typed("fsck", "--deep", code=1).stdout.splitlines()
    assert shown[0].startswith("missing: nothing at ")
    assert shown[1].startswith("  hint: restore it, or `lamin delete artifact ")
    assert shown[2].startswith("1 problems; looked at 1 artifacts")
    report = typed("fsck", "--json", code=1).json
    assert set(report) == {"deep", "checked", "problems"}
    assert report["problems"] == [
        {
            "kind": "missing",
            "uid": artifact.uid,
            "path": str(Path("a.txt").absolute()),
            "what": f"nothing at {Path('a.txt').absolute()}",
            "hint": f"restore it, or `lamin delete artifact {artifact.uid}`",
        }
    ]


def test_all_artifacts_that_share_a_damaged_copy_are_reported(instance: Instance) -> None:
    first, second = (
        ln.Artifact(_file(f"../far/{n}", b"same"), key=f"k{n}", run=False).save() for n in "ab"
    )
    assert first.path == second.path
    _flip(first.path, 0)
    assert {problem.uid for problem in fsck.check(instance, deep=True).problems} == {
        first.uid,
        second.uid,
    }


def test_events_in_any_order_leave_consistent_tables(instance: Instance) -> None:
    chance = random.Random(7)
    events = []
    for number in range(40):
        job = Job(
            "test", f"job {number % 5}", "rule", source=f"code {number % 3}", language="python"
        )
        names = [chance.choice("abcdef") for _ in range(3)]
        digests: list[dict[str, Any]] = [
            {"hash": digit * 64, "hash_type": "blake3", "size": 1} for digit in "12"
        ]
        data = [
            Dataset("file", str(Path(name).absolute()), **chance.choice([*digests, {}]))
            for name in names
        ]
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        run = EventRun(f"00000000-0000-7000-8000-{number:012d}", job, "test", "1.0")
        events += [
            start(run, at, inputs=data[:2]),
            complete(run, at + timedelta(seconds=3), outputs=data[2:]),
        ]
    chance.shuffle(events)
    for event in [*events, *chance.sample(events, 10)]:
        ingest(instance.db, [parse(event)])
    assert instance.query(ln.Run).count() == 40
    assert {kind for kind in _kinds(fsck.check(instance, deep=True)) if kind != "missing"} == set()
    assert fsck.repair(instance) == 0


def test_deep_check_shows_a_progress_bar_on_a_terminal_only(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init("./data")
    ln.Artifact(_file("a.bin", b"x" * 1000), run=False).save()
    monkeypatch.setattr("lamin_core.runtime.progress.SHOWN_FROM", 1)
    assert "reading every byte" not in typed("fsck", "--deep").stderr
    monkeypatch.setattr("lamin_core.runtime.progress._somebody_looks", lambda: True)
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
    forget_clients()
    client = boto3.client("s3")
    client.create_bucket(Bucket="lineage")
    yield client
    client.close()
    server.stop()
    forget_clients()


def test_bucket_is_checked_like_a_folder(in_tmp_path: Path, bucket: Any) -> None:
    instance = init("s3://lineage/here")
    shutil.rmtree("folder", ignore_errors=True)
    _file("../far/folder/x", b"1")
    _file("../far/folder/sub/y", b"2")
    artifacts = {
        name: ln.Artifact(
            _file(f"../far/{name}.txt", name.encode()), key=f"{name}.txt", run=False
        ).save()
        for name in ("whole", "gone", "flipped", "shorter")
    }
    ln.Artifact("../far/folder", key="folder", run=False).save()
    assert fsck.check(instance, deep=True, grace=0).is_clean

    def where(name: str) -> dict[str, str]:
        return {"Bucket": "lineage", "Key": artifacts[name].path.removeprefix("s3://lineage/")}

    bucket.delete_object(**where("gone"))
    bucket.put_object(**where("flipped"), Body=b"flipqed")
    bucket.put_object(**where("shorter"), Body=b"s")
    bucket.put_object(Bucket="lineage", Key="here/.lamindb/orphan.bin", Body=b"o")
    quick = fsck.check(instance, grace=0)
    assert {(problem.kind, problem.uid) for problem in quick.problems} == {
        ("missing", artifacts["gone"].uid),
        ("damaged", artifacts["shorter"].uid),
        ("orphan", None),
    }
    deep = fsck.check(instance, deep=True, grace=0)
    assert {problem.uid for problem in deep.problems} == {
        None,
        *(artifacts[n].uid for n in ("gone", "shorter", "flipped")),
    }
    assert fsck.remove_orphans(deep) == 1
    assert "orphan" not in _kinds(fsck.check(instance, grace=0))
    disconnect()


def test_unreachable_bucket_is_an_error(in_tmp_path: Path, bucket: Any) -> None:
    instance = init("s3://lineage/here")
    artifact = ln.Artifact(_file("../far/a.txt", b"a"), key="a.txt", run=False).save()
    os.environ |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    forget_clients()
    assert typed("fsck", code=5).stderr.startswith("lamin: ")
    assert artifact.uid
    instance.db.dispose()
    forget_clients()


def test_fsck_without_an_instance_names_init(in_tmp_path: Path) -> None:
    assert "lamin init" in typed("fsck", code=3).stderr
    assert Transform.__tablename__ == "transform"
