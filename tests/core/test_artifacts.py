"""Artifacts: what is saved, which version it is, and where its bytes are."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import event

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, InvalidKey, NotFound
from lamin_core.instance import Instance

Write = Callable[[str, str], Path]


def test_a_file_from_elsewhere_is_copied_into_the_storage(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.csv"
    outside.write_text("x\n1\n")
    artifact = ln.Artifact(outside, key="raw/a.csv").save()
    assert artifact.path.read_text() == "x\n1\n"
    assert Path(instance.storage) in artifact.path.parents
    assert (artifact.key, artifact.version, artifact.is_latest) == ("raw/a.csv", "0000", True)
    assert len(artifact.uid) == 20


def test_a_file_inside_the_project_is_registered_where_it_lies(instance: Instance, write: Write) -> None:
    path = write("results/a.csv", "x\n")
    artifact = ln.Artifact(path).save()
    assert artifact.path == path
    assert artifact.key == "results/a.csv"


def test_changed_bytes_are_a_new_version_and_old_bytes_again_are_another(instance: Instance, write: Write) -> None:
    uids = []
    for text in ("one", "two", "one"):
        uids.append(ln.Artifact(write("a.txt", text), key="k/a.txt").save().uid)
    assert [uid[-4:] for uid in uids] == ["0000", "0001", "0002"]
    assert len({uid[:16] for uid in uids}) == 1
    versions = ln.Artifact.get(key="k/a.txt").versions
    assert [one.uid for one in versions] == uids[::-1]
    assert [one.is_latest for one in versions] == [True, False, False]
    assert versions[0].hash == versions[2].hash
    assert versions[2].path.read_text() == "one"


def test_the_same_bytes_again_are_the_same_version(instance: Instance, write: Write) -> None:
    path = write("a.txt", "one")
    assert ln.Artifact(path, key="k/a.txt").save().uid == ln.Artifact(path, key="k/a.txt").save().uid


def test_the_same_bytes_under_another_key_are_another_artifact_that_shares_the_content(
    instance: Instance, write: Write
) -> None:
    path = write("a.txt", "one")
    first, second = ln.Artifact(path, key="k/a.txt").save(), ln.Artifact(path, key="k/b.txt").save()
    assert first.uid[:16] != second.uid[:16]
    assert first.content_id == second.content_id
    assert second.key == "k/b.txt"


def test_every_byte_counts(instance: Instance, in_tmp_path: Path) -> None:
    path = in_tmp_path / "big.bin"
    data = bytearray(3 << 20)
    path.write_bytes(data)
    first = ln.Artifact(path).save()
    data[len(data) // 2] = 1
    path.write_bytes(data)
    assert ln.Artifact(path).save().hash != first.hash


def test_swapped_names_in_a_folder_are_another_folder(instance: Instance, write: Write, in_tmp_path: Path) -> None:
    write("d/control.csv", "1"), write("d/treated.csv", "2")
    first = ln.Artifact(in_tmp_path / "d").save()
    write("d/control.csv", "2"), write("d/treated.csv", "1")
    second = ln.Artifact(in_tmp_path / "d").save()
    assert (first.n_files, second.n_files) == (2, 2)
    assert first.hash != second.hash
    assert second.version == "0001"


def test_a_revision_continues_the_versions_without_a_key(instance: Instance, write: Write) -> None:
    first = ln.Artifact(write("a.txt", "one"), key="x.txt", description="Just a description").save()
    second = ln.Artifact(write("a.txt", "two"), revises=first).save()
    assert second.stem_uid == first.stem_uid
    assert (second.version, second.description) == ("0001", "Just a description")


def test_a_data_frame_goes_in_and_comes_back(instance: Instance) -> None:
    frame = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    artifact = ln.Artifact.from_df(frame, key="t/frame.parquet").save()
    assert (artifact.kind, artifact.otype, artifact.n_observations) == ("dataset", "DataFrame", 2)
    pd.testing.assert_frame_equal(artifact.load(), frame)
    assert artifact.open().count_rows() == 2
    assert ln.Artifact.from_dataframe(frame, key="t/frame.csv").save().load().shape == (2, 2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_anndata_goes_in_and_comes_back(instance: Instance) -> None:
    import anndata as ad
    import numpy as np

    adata = ad.AnnData(np.eye(3, dtype="float32"))
    artifact = ln.Artifact.from_anndata(adata, key="t/cells.h5ad").save()
    assert artifact.load().shape == (3, 3)
    assert artifact.n_observations == 3


@pytest.mark.parametrize(
    "name", ["with space.txt", "quo'te\".txt", "ünïcode-☃.txt", "new\nline.txt", "x (1).txt", "a;b&c.txt", "%20.txt"]
)
def test_strange_names_are_kept_as_they_are(instance: Instance, write: Write, name: str) -> None:
    path = write(f"odd/{name}", "text")
    artifact = ln.Artifact(path).save()
    assert artifact.key == f"odd/{name}"
    assert ln.Artifact.get(key=f"odd/{name}").path.read_text() == "text"
    assert ln.Artifact(path, key=f"copy/{name}").save().load() == "text"


@pytest.mark.parametrize(
    "key", ["../a.txt", "/a.txt", "a/../../b.txt", "a\\b.txt", "a\0.txt", "", ".lamindb/a.txt", "./a.txt"]
)
def test_a_key_that_leaves_the_storage_is_refused(instance: Instance, write: Write, key: str) -> None:
    with pytest.raises(InvalidKey, match=r"cannot be a key|registry's own"):
        ln.Artifact(write("a.txt", "one"), key=key)
    assert ln.Artifact.count() == 0


def test_suffixes_must_agree(instance: Instance, write: Write) -> None:
    with pytest.raises(InvalidArgument, match=r"end the key in '\.txt'"):
        ln.Artifact(write("a.txt", "one"), key="a.csv")


def test_what_is_not_there_cannot_be_saved(instance: Instance, in_tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file or folder"):
        ln.Artifact("nowhere.txt")
    os.symlink("nowhere.txt", "link.txt")
    with pytest.raises(NotFound, match="broken link"):
        ln.Artifact("link.txt")


def test_a_file_outside_every_storage_needs_a_name_to_be_found_by(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.txt"
    outside.write_text("x")
    with pytest.raises(InvalidArgument, match="a key, a description or a run"):
        ln.Artifact(outside).save()


def test_bytes_that_are_gone_are_said_to_be(instance: Instance, write: Write) -> None:
    path = write("a.txt", "x")
    artifact = ln.Artifact(path).save()
    path.unlink()
    with pytest.raises(NotFound, match="are gone"):
        artifact.load()


def test_bytes_that_were_written_over_are_not_taken_for_the_version(instance: Instance, write: Write) -> None:
    path = write("a.txt", "old")
    old = ln.Artifact(path).save()
    path.write_text("new")
    with pytest.raises(Conflict, match="has changed"):
        old.load()
    assert ln.Artifact(path).save().load() == "new"


def test_a_description_may_come_later(instance: Instance, write: Write) -> None:
    path = write("a.txt", "x")
    ln.Artifact(path).save()
    assert ln.Artifact(path, description="said later").save().description == "said later"
    assert ln.Artifact.get(key="a.txt").description == "said later"


def test_a_revision_keeps_its_key(instance: Instance, write: Write) -> None:
    first = ln.Artifact(write("a.txt", "x"), key="k/a.txt").save()
    with pytest.raises(InvalidArgument, match="cannot have the key"):
        ln.Artifact(write("a.txt", "y"), key="k/b.txt", revises=first)


def test_a_small_save_inside_a_run_is_one_commit(instance: Instance, write: Write) -> None:
    ln.track(ln.Transform(key="bench", kind="pipeline").save())
    ln.Artifact(write("warm.txt", "warm"), key="small/warm.txt").save()
    commits: list[object] = []
    path = write("a.txt", "x")
    artifact = ln.Artifact(path, key="small/a.txt")
    event.listen(instance.db.engine, "commit", commits.append)
    artifact.save()
    assert len(commits) == 1
    ln.finish()


def _save_versions(worker: int, folder: Path) -> None:
    os.chdir(folder)
    ln.connect()
    for number in range(20):
        path = folder / f"w{worker}_{number}.txt"
        path.write_text(f"{worker} {number}")
        ln.Artifact(path, key="shared.txt").save()
        ln.ULabel(name=f"shared{number}").save()


def test_eight_processes_make_one_series_with_one_latest(instance: Instance, in_tmp_path: Path) -> None:
    spawned = multiprocessing.get_context("spawn")
    workers = [spawned.Process(target=_save_versions, args=(n, in_tmp_path)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0] * 8
    versions = ln.Artifact.filter(key="shared.txt").to_list()
    assert len(versions) == 160
    assert len({one.stem_uid for one in versions}) == 1
    assert sum(one.is_latest for one in versions) == 1
    assert sorted(one.number for one in versions) == list(range(160))
    assert ln.ULabel.filter(name__startswith="shared").count() == 20
