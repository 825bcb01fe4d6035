"""Artifacts: what is saved, which version it is, and where its bytes are."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event, select

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, InvalidKey, LaminError, NotFound
from lamin_core.instance.instance import Instance
from lamin_core.models import Containment

Write = Callable[[str, str], Path]


def test_file_outside_the_storage_is_copied(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.csv"
    outside.write_text("x\n1\n")
    artifact = ln.Artifact(outside, key="raw/a.csv").save()
    assert artifact.path.read_text() == "x\n1\n"
    assert Path(instance.storage) in artifact.path.parents
    assert (artifact.key, artifact.version, artifact.is_latest) == ("raw/a.csv", "0000", True)
    assert len(artifact.uid) == 20


def test_file_inside_the_project_is_registered_in_place(instance: Instance, write: Write) -> None:
    path = write("results/a.csv", "x\n")
    artifact = ln.Artifact(path).save()
    assert artifact.path == path
    assert artifact.key == "results/a.csv"


def test_changed_bytes_make_a_new_version_and_earlier_bytes_another(
    instance: Instance, write: Write
) -> None:
    uids = []
    for text in ("one", "two", "one"):
        uids.append(ln.Artifact(write("a.txt", text), key="k/a.txt").save().uid)
    assert [uid[-4:] for uid in uids] == ["0000", "0001", "0002"]
    assert len({uid[:16] for uid in uids}) == 1
    versions = ln.Artifact.get(key="k/a.txt").versions
    assert [version.uid for version in versions] == uids[::-1]
    assert [version.is_latest for version in versions] == [True, False, False]
    assert versions[0].hash == versions[2].hash
    assert versions[2].path.read_text() == "one"


def test_saving_the_same_bytes_twice_returns_the_same_version(
    instance: Instance, write: Write
) -> None:
    path = write("a.txt", "one")
    assert (
        ln.Artifact(path, key="k/a.txt").save().uid == ln.Artifact(path, key="k/a.txt").save().uid
    )


def test_same_bytes_under_another_key_make_an_artifact_that_shares_the_content(
    instance: Instance, write: Write
) -> None:
    path = write("a.txt", "one")
    first, second = ln.Artifact(path, key="k/a.txt").save(), ln.Artifact(path, key="k/b.txt").save()
    assert first.uid[:16] != second.uid[:16]
    assert first.content_id == second.content_id
    assert second.key == "k/b.txt"


def test_one_changed_byte_changes_the_hash(instance: Instance, in_tmp_path: Path) -> None:
    path = in_tmp_path / "big.bin"
    data = bytearray(3 << 20)
    path.write_bytes(data)
    first = ln.Artifact(path).save()
    data[len(data) // 2] = 1
    path.write_bytes(data)
    assert ln.Artifact(path).save().hash != first.hash


def test_folder_with_swapped_file_contents_is_a_new_version(
    instance: Instance, write: Write, in_tmp_path: Path
) -> None:
    write("d/control.csv", "1"), write("d/treated.csv", "2")
    first = ln.Artifact(in_tmp_path / "d").save()
    write("d/control.csv", "2"), write("d/treated.csv", "1")
    second = ln.Artifact(in_tmp_path / "d").save()
    assert (first.n_files, second.n_files) == (2, 2)
    assert first.hash != second.hash
    assert second.version == "0001"


def test_revision_without_a_key_continues_the_series(instance: Instance, write: Write) -> None:
    first = ln.Artifact(write("a.txt", "one"), key="x.txt", description="Just a description").save()
    second = ln.Artifact(write("a.txt", "two"), revises=first).save()
    assert second.stem_uid == first.stem_uid
    assert (second.version, second.description) == ("0001", "Just a description")


def test_data_frame_saved_and_loaded_is_equal(instance: Instance) -> None:
    frame = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    artifact = ln.Artifact.from_df(frame, key="t/frame.parquet").save()
    assert (artifact.kind, artifact.otype, artifact.n_observations) == ("dataset", "DataFrame", 2)
    pd.testing.assert_frame_equal(artifact.load(pd.DataFrame), frame)
    assert artifact.open().count_rows() == 2  # type: ignore[attr-defined]
    assert ln.Artifact.from_dataframe(frame, key="t/frame.csv").save().load(pd.DataFrame).shape == (
        2,
        2,
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_anndata_saved_as_h5ad_loads_with_its_shape(instance: Instance) -> None:
    import anndata as ad
    import numpy as np

    adata = ad.AnnData(np.eye(3, dtype="float32"))
    artifact = ln.Artifact.from_anndata(adata, key="t/cells.h5ad").save()
    assert artifact.load(ad.AnnData).shape == (3, 3)
    assert artifact.n_observations == 3


@pytest.mark.parametrize(
    "name",
    [
        "with space.txt",
        "quo'te\".txt",
        "ünïcode-☃.txt",
        "new\nline.txt",
        "x (1).txt",
        "a;b&c.txt",
        "%20.txt",
    ],
)
def test_unusual_file_names_are_used_as_keys_unchanged(
    instance: Instance, write: Write, name: str
) -> None:
    path = write(f"odd/{name}", "text")
    artifact = ln.Artifact(path).save()
    assert artifact.key == f"odd/{name}"
    assert ln.Artifact.get(key=f"odd/{name}").path.read_text() == "text"
    assert ln.Artifact(path, key=f"copy/{name}").save().load() == "text"


@pytest.mark.parametrize(
    "key",
    ["../a.txt", "/a.txt", "a/../../b.txt", "a\\b.txt", "a\0.txt", "", ".lamindb/a.txt", "./a.txt"],
)
def test_key_that_leaves_the_storage_is_refused(instance: Instance, write: Write, key: str) -> None:
    with pytest.raises(InvalidKey, match=r"cannot be a key|registry's own"):
        ln.Artifact(write("a.txt", "one"), key=key)
    assert ln.Artifact.count() == 0


def test_key_with_another_suffix_than_the_file_is_refused(instance: Instance, write: Write) -> None:
    with pytest.raises(InvalidArgument, match=r"end the key in '\.txt'"):
        ln.Artifact(write("a.txt", "one"), key="a.csv")


def test_missing_file_or_broken_link_raises_not_found(
    instance: Instance, in_tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="no file or folder"):
        ln.Artifact("nowhere.txt")
    os.symlink("nowhere.txt", "link.txt")
    with pytest.raises(NotFound, match="broken link"):
        ln.Artifact("link.txt")


def test_file_outside_every_storage_needs_a_key_description_or_run(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.txt"
    outside.write_text("x")
    with pytest.raises(InvalidArgument, match="a key, a description or a run"):
        ln.Artifact(outside).save()


def test_load_of_deleted_bytes_raises_not_found(instance: Instance, write: Write) -> None:
    path = write("a.txt", "x")
    artifact = ln.Artifact(path).save()
    path.unlink()
    with pytest.raises(NotFound, match="are gone"):
        artifact.load()


def test_load_of_overwritten_bytes_raises_conflict(instance: Instance, write: Write) -> None:
    path = write("a.txt", "old")
    old = ln.Artifact(path).save()
    path.write_text("new")
    with pytest.raises(Conflict, match="has changed"):
        old.load()
    assert ln.Artifact(path).save().load() == "new"


def test_description_can_be_added_by_a_later_save(instance: Instance, write: Write) -> None:
    path = write("a.txt", "x")
    ln.Artifact(path).save()
    assert ln.Artifact(path, description="said later").save().description == "said later"
    assert ln.Artifact.get(key="a.txt").description == "said later"


def test_revision_with_another_key_is_refused(instance: Instance, write: Write) -> None:
    first = ln.Artifact(write("a.txt", "x"), key="k/a.txt").save()
    with pytest.raises(InvalidArgument, match="cannot have the key"):
        ln.Artifact(write("a.txt", "y"), key="k/b.txt", revises=first)


def test_small_save_inside_a_run_is_one_commit(instance: Instance, write: Write) -> None:
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


def test_eight_processes_saving_one_key_make_one_series_with_one_latest(
    instance: Instance, in_tmp_path: Path
) -> None:
    spawned = multiprocessing.get_context("spawn")
    workers = [spawned.Process(target=_save_versions, args=(n, in_tmp_path)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0] * 8
    versions = ln.Artifact.filter(key="shared.txt").to_list()
    assert len(versions) == 160
    assert len({version.stem_uid for version in versions}) == 1
    assert sum(version.is_latest for version in versions) == 1
    assert sorted(version.number for version in versions) == list(range(160))
    assert ln.ULabel.filter(name__startswith="shared").count() == 20


# Many at once


def test_files_of_a_folder_are_saved_in_one_transaction_of_few_statements(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("many")
    for number in range(120):
        (outside / f"{number:03d}.txt").write_text(str(number))
    run = ln.track(ln.Transform(key="bulk", kind="pipeline").save())
    artifacts = ln.Artifact.from_dir(outside, key="in")
    statements: list[str] = []
    event.listen(
        instance.db.engine, "after_cursor_execute", lambda *args: statements.append(args[2])
    )
    ln.save(artifacts)
    assert len(statements) <= 20
    assert [artifact.key for artifact in artifacts] == [
        f"in/{number:03d}.txt" for number in range(120)
    ]
    assert ln.Artifact.filter(key__startswith="in/").count() == 120
    assert ln.Artifact.get(key="in/007.txt").load() == "7"
    assert run.output_artifacts.count() == 120


def test_folder_saved_again_makes_versions_only_of_changed_files(
    instance: Instance, write: Write, in_tmp_path: Path
) -> None:
    for number in range(5):
        write(f"d/{number}.txt", str(number))
    ln.save(ln.Artifact.from_dir(in_tmp_path / "d"))
    write("d/3.txt", "changed")
    again = ln.Artifact.from_dir(in_tmp_path / "d")
    ln.save(again)
    assert [artifact.version for artifact in again] == ["0000", "0000", "0000", "0001", "0000"]
    assert [artifact.key for artifact in again] == [
        f"d/{number}.txt" for number in range(5)
    ]  # where they lie
    assert ln.Artifact.count() == 6
    ln.track(ln.Transform(key="again", kind="pipeline").save())
    third = ln.Artifact.from_dir(in_tmp_path / "d", key="copies")
    for _ in range(2):
        ln.save(third)
    assert ln.Artifact.filter(key__startswith="copies/").count() == 5
    assert all(artifact.output_of_runs.count() == 1 for artifact in third)


def test_same_key_several_times_in_a_batch_makes_several_versions(
    instance: Instance, write: Write
) -> None:
    batch = [ln.Artifact(write(f"{n}.txt", str(n)), key="same.txt") for n in range(3)]
    twin = ln.Artifact(write("2.txt", "2"), key="other.txt")
    ln.save([*batch, twin, ln.ULabel(name="along")])
    assert [artifact.version for artifact in batch] == ["0000", "0001", "0002"]
    assert [artifact.is_latest for artifact in ln.Artifact.get(key="same.txt").versions] == [
        True,
        False,
        False,
    ]
    assert twin.content_id == batch[2].content_id
    assert ln.ULabel.filter(name="along").count() == 1


def test_batch_is_saved_whole_or_not_at_all(instance: Instance, write: Write) -> None:
    good, bad = (
        ln.Artifact(write("a.txt", "a"), key="k/a.txt"),
        ln.Artifact(write("b.txt", "b"), key="k/b.txt"),
    )
    os.unlink("b.txt")
    with pytest.raises(LaminError):
        ln.save([good, bad])
    assert ln.Artifact.count() == 0
    write("b.txt", "b")
    ln.save([good, ln.Artifact("b.txt", key="k/b.txt")])
    assert ln.Artifact.count() == 2


def test_files_of_a_batch_are_linked_to_their_folder_artifact(
    instance: Instance, write: Write, in_tmp_path: Path
) -> None:
    write("d/a.txt", "a"), write("d/b.txt", "b")
    folder = ln.Artifact(in_tmp_path / "d").save()
    ln.save(ln.Artifact.from_dir(in_tmp_path / "d"))
    with instance.db.reading() as session:
        rows = session.execute(select(Containment.directory_id, Containment.artifact_id)).all()
    assert len(rows) == 2
    assert {row[0] for row in rows} == {folder.id}


# The trash


def test_trashed_artifact_is_in_no_query_until_restored(instance: Instance, write: Write) -> None:
    old, new = (ln.Artifact(write("a.txt", text), key="k/a.txt").save() for text in ("old", "new"))
    new.delete()
    assert ln.Artifact.get(key="k/a.txt").uid == old.uid
    assert ln.Artifact.get(old.uid).is_latest
    assert [artifact.uid for artifact in ln.Artifact.all()] == [old.uid]
    assert [artifact.uid for artifact in ln.Artifact.trash()] == [new.uid]
    assert list(ln.Artifact.df()["uid"]) == [old.uid]
    with pytest.raises(NotFound):
        ln.Artifact.get(new.uid)
    ln.Artifact.trash().one().restore()
    assert ln.Artifact.get(key="k/a.txt").uid == new.uid
    assert new.load() == "new"


def test_version_numbers_continue_after_all_versions_are_trashed(
    instance: Instance, write: Write
) -> None:
    first = ln.Artifact(write("a.txt", "one"), key="k/a.txt").save()
    first.delete()
    second = ln.Artifact(write("a.txt", "one"), key="k/a.txt").save()
    assert (second.version, second.is_latest) == ("0001", True)
    assert second.path.read_text() == "one"


def test_permanent_deletion_removes_the_record_and_its_copy(
    instance: Instance, write: Write
) -> None:
    run = ln.track(ln.Transform(key="maker", kind="pipeline").save())
    copied, in_place = (
        ln.Artifact(write("a.txt", "a"), key="k/a.txt").save(),
        ln.Artifact("a.txt").save(),
    )
    label = ln.ULabel(name="x").save()
    copied.ulabels.add(label)
    path = copied.path
    copied.delete()
    copied.delete()
    assert not path.exists()
    assert ln.Artifact.trash().count() == 0
    assert [artifact.uid for artifact in run.output_artifacts] == [in_place.uid]
    in_place.delete(permanent=True)
    assert Path("a.txt").exists()  # what somebody else put there stays
    again = ln.Artifact("a.txt").save()
    again.delete(permanent=True, storage=True)
    assert not Path("a.txt").exists()
    with pytest.raises(NotFound, match="not in the registry"):
        again.delete()


def test_permanent_deletion_of_a_collection_member_is_refused(
    instance: Instance, write: Write
) -> None:
    artifact = ln.Artifact(write("a.txt", "a"), key="k/a.txt").save()
    ln.Collection([artifact], key="c").save()
    with pytest.raises(Conflict, match="needed by other records"):
        artifact.delete(permanent=True)
    assert artifact.load() == "a"


def test_replace_changes_the_bytes_of_a_version(instance: Instance, write: Write) -> None:
    artifact = ln.Artifact(write("a.txt", "wrong"), key="k/a.txt").save()
    before = artifact.path
    artifact.replace(write("a.txt", "right")).save()
    assert (artifact.version, artifact.load()) == ("0000", "right")
    assert ln.Artifact.get(key="k/a.txt").hash == artifact.hash
    assert not before.exists()
    frame = ln.Artifact.from_df(pd.DataFrame({"x": [1]}), key="t.parquet").save()
    assert frame.replace(pd.DataFrame({"x": [2]})).load(pd.DataFrame).x.to_list() == [2]
    with pytest.raises(InvalidArgument, match="cannot replace"):
        frame.replace("a.txt")


# Formats


def test_table_is_written_in_the_format_of_its_key(instance: Instance, in_tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    for key in ("t.parquet", "t.csv", "t.tsv", "t.csv.gz", "t.tsv.gz"):
        artifact = ln.Artifact.from_df(frame, key=key).save()
        assert artifact.load(pd.DataFrame).x.to_list() == [1, 2], key
        assert artifact.open().to_table().to_pydict() == {"x": [1, 2]}, key  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_anndata_is_saved_loaded_and_opened_as_h5ad_and_zarr(instance: Instance) -> None:
    import anndata as ad

    adata = ad.AnnData(np.eye(3, dtype="float32"))
    for key in ("t/cells.h5ad", "t/cells.zarr", "t/cells.anndata.zarr"):
        artifact = ln.Artifact.from_anndata(adata, key=key).save()
        assert (artifact.otype, artifact.n_observations) == ("AnnData", 3)
        assert artifact.load(ad.AnnData).shape == (3, 3), key
    with ln.Artifact.get(key="t/cells.h5ad").open() as backed:  # type: ignore[attr-defined]
        assert backed.isbacked
        assert (
            ln.Artifact.from_anndata(backed[:2].to_memory(), key="t/two.h5ad").n_observations == 2
        )
    assert not backed.file.is_open
    assert ln.Artifact.get(key="t/cells.zarr").open()["X"].shape == (3, 3)


def test_folder_has_a_suffix_only_for_a_known_format(instance: Instance, write: Write) -> None:
    write("run.2026/a.txt", "a"), write("cells.zarr/zarr.json", "{}")
    assert ln.Artifact("run.2026", key="runs/last").save().suffix == ""
    assert ln.Artifact("cells.zarr", key="cells.zarr").save().suffix == ".zarr"
