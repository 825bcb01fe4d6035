"""Whatever is read, written or removed as ours lies below the root of its storage, whatever a row or an event says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

import lamin_core as ln
from lamin_core.admin import fsck
from lamin_core.errors import Conflict
from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.models import Artifact
from lamin_core.storage import blobs
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import Root, is_copy_key, is_place, locate, managed_key
from lamin_core.storage.rooted_paths import copy_location, location, own_location
from openlineage.lamin.emit.events import Dataset, Job, Run, complete, describe
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.support.commands import typed

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "0194e0a0-0000-7000-8000-000000000001"


@pytest.fixture
def instance(in_tmp_path: Path, outside: Path, database_url: str) -> Iterator[Instance]:
    """A fresh instance with one copy in it, on both databases."""
    instance = init("./data", db=database_url)
    (outside / "own.txt").write_text("own")
    ln.Artifact(outside / "own.txt", key="own.txt", run=False).save()
    yield instance
    disconnect()
    instance.db.dispose()


@pytest.fixture
def victim(in_tmp_path: Path) -> Path:
    """A folder of the user that belongs to no storage."""
    folder = in_tmp_path / "victim"
    folder.mkdir()
    (folder / "file.txt").write_text("precious")
    return folder


def _receive(instance: Instance, *outputs: Dataset, run: str = RUN) -> None:
    event = complete(Run(run, Job("n", "j", "task"), "engine", "1"), AT, outputs=outputs)
    ingest(instance.db, [parse(event)])


def _doubts() -> list[str]:
    """The doubts about the run."""
    doubts: list[str] = (ln.Run.get(external_id=RUN).details or {}).get("doubts", [])
    return doubts


def _dataset(instance: Instance, name: str, real_key: str, size: int = 8) -> Dataset:
    path = f"{instance.storage}/{name}"
    return Dataset("file", path, hash="ab", hash_type="blake3", size=size, real_key=real_key)


# Keys by their text


@pytest.mark.parametrize(
    ("root", "key"),
    [
        ("/data", "../a.csv"),
        ("/data", ".lamindb/../../a.csv"),
        ("/data", "raw/../../a.csv"),
        ("/data", "a\0.csv"),
        ("/", "a\0.csv"),
        ("s3://bucket/data", "../a.csv"),
        ("s3://bucket/data", ".lamindb/../../other/a.csv"),
    ],
)
def test_location_outside_the_root_raises_conflict(root: str, key: str) -> None:
    for join in (location, own_location, copy_location):
        with pytest.raises(Conflict, match="does not lie below"):
            join(root, key)


def test_location_of_an_absolute_key_stays_below_the_root() -> None:
    assert location("/data", "/etc/passwd") == "/data//etc/passwd"


@pytest.mark.parametrize(
    "key",
    [
        ".lamindb",
        ".lamindb/",
        ".lamindb/..",
        ".lamindb/a/b",
        ".lamindb/a\\b",
        "/etc/passwd",
        "../a",
        "a//b",
    ],
)
def test_invalid_keys_are_not_copy_keys(key: str) -> None:
    assert not is_copy_key(key)
    assert not is_place(key)


def test_path_outside_a_storage_by_dots_belongs_to_another_root() -> None:
    roots = [
        Root(1, "u", "/"),
        Root(2, "v", "/data"),
        Root(3, "w", "s3://b"),
        Root(4, "x", "s3://b/data"),
    ]
    assert locate("/data/../etc/a", roots).root == roots[0]
    assert locate("/data/raw/../a", roots).root == roots[1]
    assert locate("s3://b/data/../a", roots).root == roots[2]
    assert locate("s3://b/../a", roots).root == roots[2]


# What events say


@pytest.mark.parametrize("kind", ["file.txt", ""])
def test_copy_outside_the_storage_is_not_removed(
    instance: Instance, victim: Path, kind: str
) -> None:
    _receive(instance, _dataset(instance, "a.txt", f".lamindb/../../victim/{kind}".rstrip("/")))
    artifact = ln.Artifact.get(key="a.txt")
    assert artifact.real_key is None
    assert (
        _doubts()[-1] == f"it names a copy of '{instance.storage}/a.txt' where none can be: ignored"
    )
    artifact.delete(permanent=True)
    assert (victim / "file.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "real_key", ["../victim/file.txt", "{victim}/file.txt", ".lamindb/../../victim/file.txt"]
)
def test_file_outside_the_storage_cannot_be_read(
    instance: Instance, victim: Path, real_key: str
) -> None:
    _receive(instance, _dataset(instance, "a.txt", real_key.format(victim=victim)))
    artifact = ln.Artifact.get(key="a.txt")
    for read in (artifact.load, artifact.cache, artifact.open):
        with pytest.raises(ln.errors.NotFound):
            read()


def test_dataset_event_cannot_name_a_copy_outside_the_storage(
    instance: Instance, victim: Path
) -> None:
    event = describe(_dataset(instance, "a.txt", ".lamindb/../../victim/file.txt"), AT)
    ingest(instance.db, [parse(event)])
    assert ln.Artifact.get(key="a.txt").real_key is None


def test_event_cannot_name_the_copy_of_another_content(instance: Instance) -> None:
    own = ln.Artifact.get(key="own.txt")
    _receive(instance, _dataset(instance, "a.txt", own.real_key or "", size=4))
    assert ln.Artifact.get(key="a.txt").real_key is None
    report = fsck.check(instance, deep=True)
    fsck.remove_damaged(report)
    assert own.load() == "own"


def test_correct_copy_named_by_an_event_is_recorded(instance: Instance) -> None:
    content = Digest("blake3", "ab", 8)
    _receive(instance, _dataset(instance, "a.txt", managed_key(content, ".txt")))
    assert ln.Artifact.get(key="a.txt").real_key == managed_key(content, ".txt")
    assert not [doubt for doubt in _doubts() if "copy" in doubt]


def test_dataset_path_outside_the_storage_is_not_a_key_of_that_storage(
    instance: Instance, victim: Path
) -> None:
    _receive(instance, Dataset("file", f"{instance.storage}/../victim/file.txt"))
    artifact = ln.Artifact.get(key__endswith="victim/file.txt")
    assert artifact.storage.root != instance.storage
    assert not (artifact.key or "").startswith("..")


# Rows that are there already


def _point(instance: Instance, **values: Any) -> Artifact:
    """A row as an older version has taken it from an event."""
    _receive(instance, _dataset(instance, "a.txt", "other.txt"))
    with instance.db.writing() as session:
        session.execute(update(Artifact).where(Artifact.key == "a.txt").values(**values))
    return ln.Artifact.filter(key=values.get("key", "a.txt")).one()


@pytest.mark.parametrize(
    "real_key", [".lamindb/../../victim/file.txt", "../victim/file.txt", ".lamindb"]
)
def test_fsck_finds_and_repairs_rows_outside_their_storage(
    instance: Instance, victim: Path, real_key: str
) -> None:
    artifact = _point(instance, real_key=real_key)
    report = fsck.check(instance, deep=True, grace=0)
    (problem,) = [problem for problem in report.problems if problem.kind == "outside"]
    assert (problem.uid, "--repair" in problem.hint) == (artifact.uid, True)
    assert "outside" in [row["kind"] for row in typed("fsck", "--json", code=1).json["problems"]]
    typed("fsck", "--deep", "--delete-damaged", "--yes", code=1)
    assert (victim / "file.txt").read_text() == "precious"
    assert len(list(Path(instance.storage, ".lamindb").iterdir())) == 1
    typed("fsck", "--repair", code=None)
    assert "outside" not in [
        row["kind"] for row in typed("fsck", "--json", code=None).json["problems"]
    ]


def test_row_outside_its_storage_can_be_shown_and_deleted_but_its_file_stays(
    instance: Instance, victim: Path
) -> None:
    artifact = _point(instance, real_key="../victim/file.txt")
    with pytest.raises(Conflict, match="does not lie below"):
        artifact.load()
    with pytest.raises(Conflict, match="does not lie below"):
        artifact.delete(permanent=True, storage=True)
    artifact.describe()
    assert typed("get", artifact.uid, "--json").json["path"] is None
    typed("list", "artifacts")
    typed("delete", "artifact", artifact.uid, "--permanent", "--yes")
    assert (victim / "file.txt").read_text() == "precious"


def test_fsck_finds_a_key_that_leaves_its_storage(instance: Instance, victim: Path) -> None:
    artifact = _point(instance, key="../victim/file.txt", real_key=None)
    problems = {(problem.kind, problem.uid) for problem in fsck.check(instance, deep=True).problems}
    assert ("outside", artifact.uid) in problems
    with pytest.raises(Conflict, match="does not lie below"):
        artifact.load()


def test_refolding_a_series_does_not_restore_a_refused_location(instance: Instance) -> None:
    _receive(instance, _dataset(instance, "a.txt", "other.txt"))
    with instance.db.writing() as session:
        session.execute(
            update(ln.models.RunArtifact).values(traits={"real_key": "../victim/file.txt"})
        )
    # An observation before all others folds the series anew.
    event = complete(
        Run(RUN[:-1] + "2", Job("n", "j", "task"), "engine", "1"),
        AT - timedelta(days=1),
        outputs=[
            Dataset("file", f"{instance.storage}/a.txt", hash="cd", hash_type="blake3", size=1)
        ],
    )
    ingest(instance.db, [parse(event)])
    assert {artifact.real_key for artifact in ln.Artifact.filter(key="a.txt")} <= {
        None,
        "other.txt",
    }


# Links


def test_copy_that_links_out_of_the_storage_is_neither_read_nor_written_through(
    instance: Instance, outside: Path, victim: Path
) -> None:
    artifact = ln.Artifact.get(key="own.txt")
    path = artifact.path
    path.unlink()
    (victim / "file.txt").write_text("own")  # even the right bytes
    path.symlink_to(victim / "file.txt")
    with pytest.raises(Conflict, match="does not lie below"):
        artifact.load()
    assert "outside" in {problem.kind for problem in fsck.check(instance, deep=True).problems}
    ln.Artifact(outside / "own.txt", key="again.txt", run=False).save()
    assert not path.is_symlink()
    assert artifact.load() == "own"


def test_fsck_removes_a_link_among_the_copies_but_not_its_target(
    instance: Instance, victim: Path
) -> None:
    link = Path(instance.storage, ".lamindb", "link")
    link.symlink_to(victim)
    os.utime(link, (0, 0), follow_symlinks=False)
    report = fsck.check(instance, grace=0)
    assert [problem.path for problem in report.problems if problem.kind == "orphan"] == [str(link)]
    assert fsck.remove_orphans(report) == 1
    assert not link.is_symlink()
    assert (victim / "file.txt").read_text() == "precious"


def test_removal_through_a_link_in_a_storage_is_refused(instance: Instance, victim: Path) -> None:
    Path(instance.storage, "linked").symlink_to(victim)
    for take in (blobs.remove, blobs.set_aside):
        with pytest.raises(Conflict, match="does not lie below"):
            take(instance.storage, "linked/file.txt")
    artifact = ln.Artifact(f"{instance.storage}/linked/file.txt", run=False).save()
    assert artifact.load() == "precious"  # a link that the user has put there is followed
    with pytest.raises(Conflict, match="does not lie below"):
        artifact.delete(permanent=True, storage=True)
    assert (victim / "file.txt").read_text() == "precious"


def test_deletion_of_a_linked_artifact_removes_the_link_but_not_its_target(
    instance: Instance, victim: Path
) -> None:
    link = Path(instance.storage, "linked")
    link.symlink_to(victim)
    ln.Artifact(str(link), run=False).save().delete(permanent=True, storage=True)
    assert not link.is_symlink()
    assert (victim / "file.txt").read_text() == "precious"
    assert [path.name for path in Path(instance.storage).iterdir()] == [".lamindb"]


def test_copies_folder_may_be_a_link_of_its_owner(
    instance: Instance, outside: Path, in_tmp_path: Path
) -> None:
    folder = Path(instance.storage, ".lamindb")
    folder.rename(in_tmp_path / "larger disk")
    folder.symlink_to(in_tmp_path / "larger disk")
    (outside / "new.txt").write_text("new")
    assert ln.Artifact(outside / "new.txt", key="new.txt", run=False).save().load() == "new"
    assert ln.Artifact.get(key="own.txt").load() == "own"
    assert fsck.check(instance, deep=True, grace=0).is_clean


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what belongs to others")
def test_copies_folder_that_is_a_link_of_another_user_is_refused(
    instance: Instance, outside: Path, victim: Path
) -> None:
    folder = Path(instance.storage, ".lamindb")
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(victim)
    os.chown(folder, 65534, 65534, follow_symlinks=False)
    (outside / "new.txt").write_text("new")
    with pytest.raises(Conflict, match="does not lie below"):
        ln.Artifact(outside / "new.txt", key="new.txt", run=False).save()
    report = fsck.check(instance, grace=0)
    assert "outside" in {problem.kind for problem in report.problems}
    assert report.orphans == []
    assert [path.name for path in victim.iterdir()] == ["file.txt"]
