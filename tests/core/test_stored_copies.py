"""Copies in a storage: who may read them, and what a damaged one does."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, Unavailable
from lamin_core.instance.instance import Instance
from lamin_core.storage import digest_cache
from lamin_core.storage.hashing import digest
from tests.support.commands import typed

Write = Callable[[str, str], Path]


@pytest.fixture
def instance(embedded: Instance) -> Instance:
    """These tests are about files, so one database is enough."""
    return embedded


# Who may read a copy


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """A way to set the umask, which is put back."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def _mode(path: Path | str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


@pytest.mark.parametrize(
    ("mask", "source", "expected"),
    [
        (0o022, 0o600, 0o400),
        (0o022, 0o640, 0o440),
        (0o022, 0o664, 0o444),
        (0o022, 0o755, 0o444),
        (0o002, 0o660, 0o440),
        (0o077, 0o644, 0o400),
        (0o027, 0o644, 0o440),
    ],
)
def test_copy_has_no_wider_permissions_than_its_source(
    instance: Instance,
    outside: Path,
    umask: Callable[[int], int],
    mask: int,
    source: int,
    expected: int,
) -> None:
    (outside / "a.txt").write_text("a")
    (outside / "a.txt").chmod(source)
    umask(mask)
    assert _mode(ln.Artifact(outside / "a.txt", key="a.txt").save().path) == expected


def test_copy_of_a_folder_has_no_wider_permissions_than_its_source(
    instance: Instance, outside: Path, umask: Callable[[int], int]
) -> None:
    for name, folder_mode, file_mode in (
        ("private", 0o700, 0o600),
        ("shared", 0o750, 0o640),
        ("public", 0o755, 0o644),
    ):
        (outside / "d" / name).mkdir(parents=True)
        (outside / "d" / name / "a.txt").write_text(name)
        (outside / "d" / name / "a.txt").chmod(file_mode)
        (outside / "d" / name).chmod(folder_mode)
    (outside / "d").chmod(0o710)
    copy = ln.Artifact(outside / "d", key="d").save().path
    assert _mode(copy) == 0o710
    modes = {
        name: (_mode(copy / name), _mode(copy / name / "a.txt"))
        for name in ("private", "shared", "public")
    }
    assert modes == {"private": (0o700, 0o400), "shared": (0o750, 0o440), "public": (0o755, 0o444)}


def test_same_bytes_from_a_wider_source_widen_the_permissions_of_the_copy(
    instance: Instance, outside: Path, umask: Callable[[int], int]
) -> None:
    for name, mode in (("mine.txt", 0o600), ("ours.txt", 0o640)):
        (outside / name).write_text("the same")
        (outside / name).chmod(mode)
    first = ln.Artifact(outside / "mine.txt", key="mine.txt").save()
    assert _mode(first.path) == 0o400
    second = ln.Artifact(outside / "ours.txt", key="ours.txt").save()
    assert second.path == first.path
    assert _mode(first.path) == 0o440
    ln.Artifact(outside / "mine.txt", key="mine.txt").save()
    assert _mode(first.path) == 0o440
    assert (first.load(), second.load()) == ("the same", "the same")


# Damaged


def _wait_a_tick() -> None:
    """Let the clock of the file system pass the time of the save: its times lag behind by up to a tick."""
    time.sleep(0.05)


def _flip(location: Path | str) -> None:
    """Turn one bit over; size, mode and the time of the last change stay as they were."""
    _wait_a_tick()
    path = Path(location)
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(times.st_mode)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_damaged_copy_cannot_be_read(instance: Instance, outside: Path) -> None:
    (outside / "n.csv").write_text("x\n1\n")
    artifact = ln.Artifact(outside / "n.csv", key="n.csv").save()
    _flip(artifact.path)
    for read in (artifact.load, artifact.cache, artifact.open):
        with pytest.raises(Conflict, match="is damaged"):
            read()
    done = typed("load", "n.csv", code=4)
    assert (done.stdout, "is damaged" in done.stderr) == ("", True)


@pytest.mark.parametrize("damage", ["flipped", "removed", "added", "renamed"])
def test_damaged_copy_of_a_folder_cannot_be_read(
    instance: Instance, outside: Path, damage: str
) -> None:
    for name in ("a.txt", "b.txt"):
        (outside / name).write_text(name)
    artifact = ln.Artifact(outside, key="folder").save()
    first = artifact.path / "a.txt"
    _wait_a_tick()
    if damage == "flipped":
        _flip(first)
    elif damage == "removed":
        first.unlink()
    elif damage == "added":
        (artifact.path / "c.txt").write_text("")
    else:
        first.rename(artifact.path / "c.txt")
    with pytest.raises(Conflict, match="is damaged"):
        artifact.cache()


def test_copy_is_hashed_again_only_if_its_times_changed(
    instance: Instance, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outside / "a.txt").write_text("a")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    read = Mock(wraps=digest)
    monkeypatch.setattr(digest_cache, "digest", read)
    artifact.load()
    assert read.call_count == 0
    os.utime(artifact.path)  # as a restored or moved storage looks
    time.sleep(0.1)
    assert [artifact.load(), artifact.load()] == ["a", "a"]
    assert read.call_count == 1


def test_suggested_commands_restore_a_damaged_copy(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("a")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    _flip(artifact.path)
    typed("fsck", "--deep", "--delete-damaged", "--yes", code=1)
    typed("save", str(outside / "a.txt"), "--key", "a.txt")
    assert typed("load", "a.txt").stdout.strip() == str(artifact.path)


def test_link_out_of_a_folder_is_saved_as_its_target_with_its_permissions(
    instance: Instance, outside: Path, umask: Callable[[int], int]
) -> None:
    (outside / "d").mkdir()
    (outside / "private.txt").write_text("private")
    (outside / "private.txt").chmod(0o600)
    (outside / "d" / "link.txt").symlink_to(outside / "private.txt")
    copy = ln.Artifact(outside / "d", key="d").save().path / "link.txt"
    assert (copy.is_symlink(), copy.read_text(), _mode(copy)) == (False, "private", 0o400)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else and comes back")
def test_copy_not_readable_for_another_user_raises_unavailable(
    instance: Instance, outside: Path, umask: Callable[[int], int]
) -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    ln.Storage(str(folder)).save()
    (outside / "a.csv").write_text("x\n1\n")
    (outside / "a.csv").chmod(0o600)
    artifact = ln.Artifact(outside / "a.csv", key="a.csv", storage=str(folder)).save()
    assert artifact.load(pd.DataFrame).x.to_list() == [1]
    os.setresuid(65534, 65534, 0)
    try:
        with pytest.raises(Unavailable, match="not readable for you"):
            artifact.load()
    finally:
        os.setresuid(0, 0, 0)
        shutil.rmtree(folder)
