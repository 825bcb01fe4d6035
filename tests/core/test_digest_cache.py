"""Digests of local files are taken once, and again when a file may be another."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import InvalidKey
from lamin_core.instance.instance import Instance
from lamin_core.storage import blobs, digest_cache
from lamin_core.storage.digest_cache import DigestCache
from lamin_core.storage.hashing import digest
from tests.core.conftest import stored

Write = Callable[[str, str], Path]


@pytest.fixture
def instance(embedded: Instance) -> Instance:
    """These tests are about files, so one database is enough."""
    return embedded


def test_file_is_hashed_again_only_if_it_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    read: list[object] = []

    def counted(*args: Any) -> Any:
        read.append(args)
        return digest(*args)

    monkeypatch.setattr(digest_cache, "digest", counted)
    cache = DigestCache()
    cache.at(path), cache.at(path)
    assert len(read) == 2  # too fresh: a change within the clock's tick would not show
    monkeypatch.setattr(digest_cache, "_FINE_TICK", -(10**12))
    first = cache.at(path)
    assert cache.at(path) == first
    assert len(read) == 3
    path.write_bytes(b"two")
    os.utime(path, ns=(first.state[0][1], first.state[0][1]))  # as a tool does that keeps times
    assert cache.at(path).digest != first.digest


def test_digest_of_a_large_file_is_cached_across_processes_despite_a_corrupt_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, shelf = tmp_path / "a.bin", tmp_path / "cache" / "digests.db"
    path.write_bytes(os.urandom(digest_cache.SHELVED_FROM))
    monkeypatch.setattr(digest_cache, "_FINE_TICK", -(10**12))
    first = DigestCache(shelf).at(path)
    read: list[object] = []

    def counted(*args: Any) -> Any:
        read.append(args)
        return digest(*args)

    monkeypatch.setattr(digest_cache, "digest", counted)
    assert DigestCache(shelf).at(path) == first
    assert read == []
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(first.state[0][1], first.state[0][1]))
    assert DigestCache(shelf).at(path).digest != first.digest
    shelf.write_bytes(b"this is no database")
    assert DigestCache(shelf).at(path).digest.size == first.digest.size
    assert len(read) == 2


def test_flipped_byte_at_any_position_changes_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    data = bytearray(os.urandom(5 << 20))
    seen = set()
    for position in (0, 1 << 20, 5 << 19, (4 << 20) - 1, 4 << 20, len(data) - 1):
        data[position] ^= 1
        path.write_bytes(data)
        seen.add(DigestCache().at(path).digest.hash)
    assert len(seen) == 6


def test_changed_byte_in_the_middle_of_two_gibibytes_changes_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(2 << 30)  # no blocks: only what is read of it takes time
    before = digest(path)
    with path.open("r+b") as file:
        file.seek(1 << 30)
        file.write(b"\1")
    after = digest(path)
    assert (before.size, after.size) == (2 << 30, 2 << 30)
    assert before.hash != after.hash


def test_lock_file_is_removed_after_the_copy(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("x")
    seen = DigestCache().at(outside / "a.txt")
    copy = blobs.Copy(outside / "a.txt", seen, instance.storage, ".lamindb/x.txt")
    assert blobs.copy_in([copy]) == [True]
    assert blobs.copy_in([copy]) == [False]
    assert stored(instance) == ["x.txt"]


def test_two_hundred_odd_keys_stay_inside_the_storage_or_are_refused(
    instance: Instance, outside: Path, in_tmp_path: Path
) -> None:
    (outside / "a.txt").write_text("x")
    odd = [
        "..",
        ".",
        "",
        "%2e%2e",
        "%252e%252e",
        "..;",
        "..%00",
        "\u2024\u2024",
        "\uff0e\uff0e",
        "~",
        "$HOME",
        "C:",
        "a b",
        "\t",
    ]
    keys = [
        f"{first}{slash}{second}{slash}a.txt"
        for first in odd
        for second in odd
        for slash in ("/", "\\")
    ]
    assert len(keys) > 200
    before = {path for path in in_tmp_path.rglob("*") if Path(instance.storage) not in path.parents}
    saved = 0
    for key in keys:
        try:
            artifact = ln.Artifact(outside / "a.txt", key=key).save()
        except InvalidKey:
            continue
        saved += 1
        assert Path(instance.storage) in artifact.path.resolve().parents
        assert artifact.load() == "x"
    assert 50 < saved < len(keys)
    assert {
        path for path in in_tmp_path.rglob("*") if Path(instance.storage) not in path.parents
    } - before == set()


def test_concurrent_save_and_delete_of_the_same_content_keeps_the_bytes(
    instance: Instance, outside: Path
) -> None:
    (outside / "a.txt").write_text("the same bytes for all")
    errors: list[BaseException] = []
    saved: list[ln.Artifact] = []

    def work(number: int) -> None:
        try:
            for turn in range(12):
                artifact = ln.Artifact(outside / "a.txt", key=f"{number}/{turn}.txt").save()
                if turn % 3 == number % 3:
                    saved.append(artifact)
                else:
                    artifact.delete(permanent=True)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert ln.Artifact.count() == len(saved) == 24
    assert all(artifact.load() == "the same bytes for all" for artifact in saved)
    for artifact in saved:
        artifact.delete(permanent=True)
    assert stored(instance) == []


UNPICKLED = textwrap.dedent("""
    import sys
    import lamin_core as ln
    def watch(event, args):
        if event == "pickle.find_class":
            raise RuntimeError(f"unpickled {args}")
    artifacts = list(ln.Artifact.all())
    for artifact in artifacts:
        artifact.load(is_run_input=False)  # imports, which may do as they like
    sys.addaudithook(watch)
    for artifact in artifacts:
        artifact.load(is_run_input=False)
    print(len(artifacts))
""")


def test_loaders_do_not_unpickle(instance: Instance, in_tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2], "y": pd.Categorical(["a", "b"])}, index=["p", "q"])
    for suffix in ("parquet", "csv", "tsv.gz"):
        ln.Artifact.from_df(frame, key=f"t.{suffix}").save()
    for suffix in ("h5ad", "zarr"):
        ln.Artifact.from_anndata(
            ad.AnnData(np.eye(2, dtype="float32"), obs=frame), key=f"cells.{suffix}"
        ).save()
    np.savez(in_tmp_path / "a.npz", x=np.arange(3))
    ln.Artifact("a.npz").save()
    done = subprocess.run(
        [sys.executable, "-c", UNPICKLED], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "6\n", done.stderr
