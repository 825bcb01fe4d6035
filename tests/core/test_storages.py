"""Storages: buckets and other file systems, what is uploaded and fetched, and what happens when they fail."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
from sqlalchemy import update

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, LaminError, NotFound, Unavailable
from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.models import Artifact
from lamin_core.saving import artifacts
from lamin_core.storage import blobs, object_store, s3_multipart
from tests.support.object_store import KEYS

Write = Callable[[str, str], Path]


@pytest.fixture
def instance(in_tmp_path: Path, bucket: str) -> Iterator[Instance]:
    """An instance whose copies go into the bucket."""
    new_instance = init(f"{bucket}/lineage")
    yield new_instance
    disconnect()
    new_instance.db.dispose()


def objects(s3: Any, url: str) -> dict[str, int]:
    """Every object below, by its path, with its size."""
    return {
        name: info["size"] for name, info in s3.find(url.removeprefix("s3://"), detail=True).items()
    }


def test_files_and_folders_are_uploaded_and_loaded(
    instance: Instance, outside: Path, s3: Any
) -> None:
    (outside / "a.csv").write_text("x\n1\n")
    (outside / "d" / "sub").mkdir(parents=True)
    (outside / "d" / "b.txt").write_text("b")
    (outside / "d" / "sub" / "c.txt").write_text("c")
    file = ln.Artifact(outside / "a.csv", key="raw/a.csv").save()
    folder = ln.Artifact(outside / "d", key="raw/d").save()
    assert file.path.startswith(f"{instance.storage}/.lamindb/")
    assert file.load(pd.DataFrame).x.to_list() == [1]
    assert (folder.cache() / "sub" / "c.txt").read_text() == "c"
    assert folder.n_files == 2
    assert ln.Artifact(outside / "d", key="raw/d").save().uid == folder.uid


def test_data_frame_is_opened_from_the_bucket_without_a_cached_file(instance: Instance) -> None:
    frame = pd.DataFrame({"x": range(1000)})
    for key in ("t.parquet", "t.csv"):
        artifact = ln.Artifact.from_df(frame, key=key).save()
        assert artifact.open().count_rows() == 1000  # type: ignore[attr-defined]
    assert not (instance.folder / "cache").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_anndata_zarr_is_opened_in_the_bucket_and_loaded(instance: Instance) -> None:
    import anndata as ad
    import numpy as np

    artifact = ln.Artifact.from_anndata(
        ad.AnnData(np.eye(3, dtype="float32")), key="cells.zarr"
    ).save()
    assert artifact.open()["X"].shape == (3, 3)
    assert artifact.load(ad.AnnData).shape == (3, 3)


def test_object_in_a_bucket_is_registered_in_place(
    instance: Instance, bucket: str, s3: Any
) -> None:
    s3.pipe(f"{bucket}/raw/counts.csv", b"x\n1\n")
    s3.pipe(f"{bucket}/images/a.png", b"a")
    s3.pipe(f"{bucket}/images/sub/b.png", b"b")
    artifact = ln.Artifact(f"{bucket}/raw/counts.csv").save()
    folder = ln.Artifact(f"{bucket}/images/").save()
    assert (artifact.key, artifact.hash_type, artifact.size) == ("raw/counts.csv", "etag", 4)
    assert (folder.key, folder.hash_type, folder.n_files, folder.size) == (
        "images",
        "etag-dir",
        2,
        2,
    )
    assert artifact.path == f"{bucket}/raw/counts.csv"
    assert artifact.load(pd.DataFrame).x.to_list() == [1]
    assert sorted(path.name for path in folder.cache().rglob("*.png")) == ["a.png", "b.png"]
    s3.pipe(f"{bucket}/images/sub/b.png", b"c")
    assert ln.Artifact(f"{bucket}/images").save().version == "0001"


def test_load_of_an_overwritten_object_raises_conflict(
    instance: Instance, bucket: str, s3: Any
) -> None:
    s3.pipe(f"{bucket}/a.txt", b"old")
    old = ln.Artifact(f"{bucket}/a.txt").save()
    s3.pipe(f"{bucket}/a.txt", b"new")
    with pytest.raises(Conflict, match="has changed"):
        old.load()
    new = ln.Artifact(f"{bucket}/a.txt").save()
    assert (new.version, new.load()) == ("0001", "new")


def test_deleted_object_raises_not_found(instance: Instance, outside: Path, s3: Any) -> None:
    (outside / "a.txt").write_text("a")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    s3.rm(artifact.path)
    with pytest.raises(NotFound, match="was it removed"):
        artifact.cache()
    with pytest.raises(NotFound, match="nothing at"):
        ln.Artifact(f"{instance.storage}/nowhere.txt")


def test_damaged_object_is_detected(instance: Instance, outside: Path, s3: Any) -> None:
    (outside / "a.txt").write_text("abc")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    s3.pipe(artifact.path.removeprefix("s3://"), b"abX")
    with pytest.raises(Conflict, match="does not hold the bytes"):
        artifact.cache()
    assert not list((instance.folder / "cache").rglob("*.txt*"))


def test_truncated_object_is_uploaded_again(instance: Instance, outside: Path, s3: Any) -> None:
    (outside / "a.txt").write_text("abc")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    s3.pipe(artifact.path.removeprefix("s3://"), b"ab")
    again = ln.Artifact(outside / "a.txt", key="b.txt").save()
    assert again.load() == "abc"


def test_recorded_object_is_not_looked_up_in_the_bucket_on_save(
    instance: Instance, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = Mock(wraps=blobs.holds)
    monkeypatch.setattr(artifacts, "holds", lookup)
    (outside / "a.txt").write_text("the same bytes")
    ln.Artifact(outside / "a.txt", key="1.txt").save()
    ln.save([ln.Artifact(outside / "a.txt", key=f"{number}.txt") for number in range(2, 5)])
    lookup.assert_not_called()
    # A copy without a record, as a killed process leaves it, may be one that somebody removes.
    with instance.db.writing() as session:
        session.execute(update(Artifact).values(real_key=None))
    ln.Artifact(outside / "a.txt", key="5.txt").save()
    lookup.assert_called_once()


def test_missing_bucket_and_unreachable_endpoint_raise_clear_errors(
    instance: Instance, outside: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outside / "a.txt").write_text("a")
    with pytest.raises(NotFound):
        ln.Storage("s3://no-such-bucket-here").save()
    artifact = ln.Artifact(outside / "a.txt", key="a.txt")
    monkeypatch.setattr(
        object_store,
        "options_for",
        lambda url: {"endpoint_url": "http://127.0.0.1:9", "retries": 1},
    )
    began = time.monotonic()
    with pytest.raises(Unavailable, match="cannot be reached") as failure:
        artifact.save()
    assert "check the network" in str(failure.value)
    assert time.monotonic() - began < 30
    assert ln.Artifact.count() == 0


@pytest.mark.parametrize(
    "root", ["s3://key:secret@bucket/x", "sftp://me:pw@host/data", "s3://bucket/x?token=1"]
)
def test_storage_root_with_secrets_is_refused(instance: Instance, root: str) -> None:
    with pytest.raises(InvalidArgument, match="stored with them") as failure:
        ln.Storage(root).save()
    assert "secret" not in str(failure.value)
    assert "pw" not in str(failure.value)


def test_storage_options_come_from_the_longest_matching_root_of_the_users_file(
    home: Path, endpoint: str, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    config = home / ".config" / "lamin" / "storages.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'["s3://team"]\nanon = true\n["s3://team/minio"]\nendpoint_url = "{endpoint}"\n'
    )
    assert object_store.options_for("s3://team/minio/x") == {"endpoint_url": endpoint}
    assert object_store.options_for("s3://team/other") == {"anon": True}
    assert object_store.options_for("s3://team-b/minio") == {}
    fs, _ = object_store.filesystem("s3://team/minio")
    if not fs.exists("team"):
        fs.mkdir("team")
    new_instance = init("s3://team/minio")
    try:
        ln.Artifact.from_df(pd.DataFrame({"x": [1]}), key="t.parquet").save()
        assert endpoint not in (new_instance.folder / "instance.toml").read_text()
        assert any(name.startswith("team/minio/.lamindb/") for name in fs.find("team"))
    finally:
        disconnect()
        new_instance.db.dispose()


def test_any_fsspec_file_system_can_be_a_storage(in_tmp_path: Path, outside: Path) -> None:
    name = uuid.uuid4().hex
    new_instance = init(f"memory://{name}")
    try:
        (outside / "d").mkdir()
        (outside / "d" / "a.txt").write_text("a")
        folder = ln.Artifact(outside / "d", key="d").save()
        file = ln.Artifact(outside / "d" / "a.txt", key="a.txt").save()
        assert file.load() == "a"
        assert (folder.cache() / "a.txt").read_text() == "a"
        fs, _ = object_store.filesystem(f"memory://{name}")
        assert not [path for path in fs.find(f"/{name}") if path.endswith(".part")]
        assert ln.Artifact(f"file://{outside}/d/a.txt", key="b.txt").save().load() == "a"
    finally:
        disconnect()
        new_instance.db.dispose()


def test_additional_storage_stores_copies(
    instance: Instance, outside: Path, in_tmp_path: Path
) -> None:
    (outside / "a.txt").write_text("a")
    with pytest.raises(NotFound, match="not a managed storage"):
        ln.Artifact(outside / "a.txt", key="a.txt", storage="archive")
    archive = ln.Storage("archive").save()
    assert archive.root == str(in_tmp_path / "archive")
    assert ln.Storage("archive").save().uid == archive.uid
    artifact = ln.Artifact(outside / "a.txt", key="a.txt", storage=archive).save()
    assert Path(archive.root) in artifact.path.parents
    ln.settings.storage = "archive"
    try:
        assert ln.Artifact(outside / "a.txt", key="b.txt").save().path == artifact.path
    finally:
        del ln.settings.storage


def test_revision_may_be_in_another_storage(
    instance: Instance, outside: Path, in_tmp_path: Path
) -> None:
    first = ln.Artifact.from_df(pd.DataFrame({"x": [1]}), key="t.csv").save()
    (in_tmp_path / "new.csv").write_text("x\n2\n")
    second = ln.Artifact(in_tmp_path / "new.csv", revises=first).save()
    assert (second.stem_uid, second.version, second.key) == (first.stem_uid, "0001", "t.csv")
    assert second.load(pd.DataFrame).x.to_list() == [2]
    assert ln.Artifact.get(first.uid).load(pd.DataFrame).x.to_list() == [1]


# What is left when an upload is killed


def _large(path: Path, parts: int) -> Path:
    with path.open("wb") as file:
        for number in range(parts):
            file.write(bytes([number]) * s3_multipart.PART)
        file.write(b"end")
    return path


KILLED = textwrap.dedent("""
    import os, signal, sys
    import lamin_core as ln
    from lamin_core.storage import s3_multipart as multipart, object_store as remote
    fs, _ = remote.filesystem("s3://any")
    sent, real = [], fs.call_s3
    def call(method, *args, **values):
        if method == "upload_part":
            sent.append(method)
            if len(sent) > 2:
                os.kill(os.getpid(), signal.SIGKILL)
        return real(method, *args, **values)
    fs.call_s3 = call
    multipart._AT_ONCE = 1
    ln.Artifact(sys.argv[1], key="big.bin").save()
""")


def test_killed_upload_is_invisible_and_is_continued(
    instance: Instance, outside: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = _large(outside / "big.bin", 4)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(large)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == -9, done.stderr
    assert objects(s3, instance.storage) == {}
    assert ln.Artifact.count() == 0
    sent: list[int] = []
    real = s3.call_s3

    def call(method: str, *args: Any, **values: Any) -> Any:
        if method == "upload_part":
            sent.append(values["PartNumber"])
        return real(method, *args, **values)

    monkeypatch.setattr(s3, "call_s3", call)
    artifact = ln.Artifact(large, key="big.bin").save()
    assert sorted(sent) == [3, 4, 5]  # the first two were there already
    assert (
        blobs.bring(str(artifact.path), outside / "back.bin", artifact.content_digest)
        .stat()
        .st_size
        == large.stat().st_size
    )


def test_interrupted_upload_of_a_folder_is_completed(
    instance: Instance, outside: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outside / "d").mkdir()
    for number in range(4):
        (outside / "d" / f"{number}.txt").write_text("x" * number)
    real, put, others = s3.put_file, [], threading.Semaphore(0)

    def fail(source: str, *args: Any, **values: Any) -> None:
        put.append(Path(source).name)
        if put.count("2.txt") == 1 and source.endswith("2.txt"):
            assert all(others.acquire(timeout=60) for _ in range(3))
            raise ConnectionError("the cable was pulled")
        real(source, *args, **values)
        others.release()

    monkeypatch.setattr(s3, "put_file", fail)
    with pytest.raises(Unavailable, match="the cable was pulled"):
        ln.Artifact(outside / "d", key="d").save()
    assert ln.Artifact.count() == 0
    put.clear()
    put.append("2.txt")
    artifact = ln.Artifact(outside / "d", key="d").save()
    assert put == ["2.txt", "2.txt"]  # those that are there are not sent again
    assert sorted(path.name for path in artifact.cache().iterdir()) == [
        "0.txt",
        "1.txt",
        "2.txt",
        "3.txt",
    ]


def test_permanent_deletion_empties_the_bucket(instance: Instance, outside: Path, s3: Any) -> None:
    (outside / "a.txt").write_text("a")
    artifact, twin = (ln.Artifact(outside / "a.txt", key=key).save() for key in ("a.txt", "b.txt"))
    artifact.delete(permanent=True)
    assert twin.load() == "a"  # the bytes that another artifact needs stay
    twin.delete()
    assert objects(s3, instance.storage)
    twin.delete()
    assert objects(s3, instance.storage) == {}
    assert ln.Artifact.trash().count() == 0


def test_object_name_cannot_escape_the_download_folder(
    instance: Instance, bucket: str, s3: Any, in_tmp_path: Path
) -> None:
    s3.pipe(f"{bucket}/evil/ok.txt", b"ok")
    s3.call_s3(
        "put_object",
        Bucket=bucket.removeprefix("s3://"),
        Key="evil/../../../escaped.txt",
        Body=b"evil",
    )
    with pytest.raises(LaminError):
        ln.Artifact(f"{bucket}/evil").save().cache()
    assert not list(in_tmp_path.rglob("escaped.txt"))
    assert os.listdir(in_tmp_path.parent).count("escaped.txt") == 0


# What is here already, and what the bucket says


def test_damaged_file_in_the_cache_is_downloaded_again(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("abc")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    cached = artifact.cache()
    cached.chmod(0o644)
    cached.write_text("abX")
    assert artifact.load() == "abc"


def test_link_in_the_cache_is_replaced(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("abc")
    (outside / "precious.txt").write_text("abc")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    cached = artifact.cache()
    cached.unlink()
    cached.symlink_to(outside / "precious.txt")
    assert not artifact.cache().is_symlink()
    assert (outside / "precious.txt").read_text() == "abc"


def test_cache_is_readable_by_its_owner_only(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("abc")
    ln.Artifact(outside / "a.txt", key="a.txt").save().cache()
    assert stat.S_IMODE((instance.folder / "cache").stat().st_mode) == 0o700


def test_damaged_object_cannot_be_opened(instance: Instance, s3: Any) -> None:
    for name, data in (("same size", None), ("another size", b"x\n1\n")):
        frame = pd.DataFrame({"x": [1, 2, len(name)]})
        artifact = ln.Artifact.from_df(frame, key=f"{name}.csv").save()
        assert artifact.open().count_rows() == 3  # type: ignore[attr-defined]
        time.sleep(1.1)  # S3 tells whole seconds
        path = artifact.path.removeprefix("s3://")
        s3.pipe(path, data or s3.cat(path).replace(b"1", b"7"))
        with pytest.raises(Conflict):
            artifact.open()


def test_object_rewritten_with_the_same_bytes_is_verified_and_opened(
    instance: Instance, s3: Any
) -> None:
    artifact = ln.Artifact.from_df(pd.DataFrame({"x": [1, 2]}), key="t.csv").save()
    time.sleep(1.1)
    path = artifact.path.removeprefix("s3://")
    s3.pipe(path, s3.cat(path))
    assert artifact.open().count_rows() == 2  # type: ignore[attr-defined]


def test_object_below_another_prefix_of_the_bucket_cannot_be_removed(
    instance: Instance, bucket: str, s3: Any
) -> None:
    s3.pipe(f"{bucket}/precious.txt", b"precious")
    for key in (".lamindb/../../precious.txt", "../precious.txt"):
        for take in (blobs.remove, blobs.set_aside):
            with pytest.raises(Conflict, match="does not lie below"):
                take(instance.storage, key)
    assert s3.cat(f"{bucket}/precious.txt") == b"precious"
