"""Full disks: a real file system of a few megabytes, under the storage, the cache, temporary files or the registry."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.admin import fsck
from lamin_core.errors import LaminError, Unavailable
from lamin_core.instance.instance import disconnect, init

MEGABYTE = 1 << 20


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on a file system of three megabytes."""
    folder = tmp_path_factory.mktemp("small")
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if (
        os.geteuid() != 0
        or shutil.which("mount") is None
        or subprocess.run(mount, check=False).returncode != 0
    ):
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def registry(in_tmp_path: Path, database_url: str) -> Iterator[Callable[[str], Any]]:
    """Make an instance with this storage, on both databases."""
    instances = []

    def make(storage: str) -> Any:
        instances.append(init(storage, db=database_url))
        return instances[-1]

    yield make
    disconnect()
    for instance in instances:
        instance.db.dispose()


def test_full_storage_leaves_nothing_behind_and_stores_what_fits_later(
    registry: Callable[[str], Any], small: Path, outside: Path
) -> None:
    instance = registry(str(small / "data"))
    (outside / "d").mkdir()
    for path in (outside / "large.bin", outside / "d" / "large.bin"):
        path.write_bytes(os.urandom(4 * MEGABYTE))
    for name in ("a", "b"):
        (outside / f"{name}.bin").write_bytes(os.urandom(2 * MEGABYTE))
    both = [ln.Artifact(outside / f"{name}.bin", key=f"both/{name}.bin") for name in ("a", "b")]
    single = [ln.Artifact(outside / name, key=name) for name in ("large.bin", "d")]
    for save in (*(artifact.save for artifact in single), lambda: ln.save(both)):
        with pytest.raises(Unavailable, match="No space left on device") as failure:
            save()
        assert "free some space" in str(failure.value)
        assert ln.Artifact.count() == 0
        # Of a batch, what was copied whole is an orphan until it is saved again; nothing is there
        # by halves.
        assert {problem.kind for problem in fsck.check(instance, deep=True, grace=0).problems} <= {
            "orphan"
        }
        assert not list(small.rglob("*.part"))
    for orphan in (small / "data" / ".lamindb").iterdir():
        orphan.unlink()
    assert both[0].save().cache().stat().st_size == 2 * MEGABYTE
    assert fsck.check(instance, deep=True, grace=0).is_clean


def test_full_cache_raises_unavailable(
    bucket: str, registry: Callable[[str], Any], small: Path, outside: Path
) -> None:
    registry(f"{bucket}/lineage")
    ln.settings.cache_dir = str(small / "cache")
    try:
        disconnect()
        (outside / "large.bin").write_bytes(os.urandom(4 * MEGABYTE))
        artifact = ln.Artifact(outside / "large.bin", key="large.bin").save()
        with pytest.raises(Unavailable, match=r"there is no room|No space left"):
            artifact.cache()
        assert not list(small.rglob("*.bin*"))
        del ln.settings.cache_dir
        disconnect()
        assert ln.Artifact.get(artifact.uid).cache().stat().st_size == 4 * MEGABYTE
    finally:
        ln.settings.cache_dir = "unset"
        del ln.settings.cache_dir


def test_full_temporary_folder_raises_unavailable(
    registry: Callable[[str], Any], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry("./data")
    monkeypatch.setattr(tempfile, "tempdir", str(small))
    noise = pd.DataFrame({"x": [os.urandom(64).hex() for _ in range(60_000)]})
    for key in ("t.csv", "t.parquet"):
        with pytest.raises(Unavailable, match="there is no room") as failure:
            ln.Artifact.from_df(noise, key=key)
        assert "TMPDIR" in str(failure.value)
        assert list(small.iterdir()) == []
    assert ln.Artifact.count() == 0


def test_registry_on_a_full_disk_loses_nothing_and_recovers(
    in_tmp_path: Path, small: Path, outside: Path
) -> None:
    instance = init("./data", db=f"sqlite:///{small / 'lamin.db'}")
    (outside / "a.txt").write_text("a")
    existing = ln.Artifact(outside / "a.txt", key="kept.txt").save()
    (small / "filler").write_bytes(b"\0" * (shutil.disk_usage(small).free - 4096))
    saved, refused = 0, None
    while refused is None and saved < 200:
        (outside / "b.txt").write_text(f"b {saved}")
        try:
            ln.Artifact(outside / "b.txt", key=f"k/{saved}.txt").save()
            saved += 1
        except LaminError as error:
            refused = error
    assert isinstance(refused, Unavailable)
    assert "full" in str(refused)
    assert (
        ln.Artifact.filter(key__startswith="k/").count() == saved
    )  # who was told that it is saved, has it
    (small / "filler").unlink()
    assert ln.Artifact(outside / "b.txt", key="later.txt").save().load() == f"b {saved}"
    assert ln.Artifact.get(existing.uid).load() == "a"
    assert fsck.check(instance, deep=True, grace=0).is_clean
    instance.db.dispose()
    disconnect()
    with sqlite3.connect(small / "lamin.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
