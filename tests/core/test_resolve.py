"""The record that a name means: by path, by uid, by the bytes of a file, on both databases."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import MultipleFound, NotFound
from lamin_core.instance.instance import Instance
from lamin_core.models import ArtifactSeries
from tests.support.statements import statements

Write = Callable[[str, str], Path]


@pytest.fixture
def figure(instance: Instance, write: Write) -> ln.Artifact:
    """`results/figure.txt`, in place, and a copy under the key `results/copy.txt`."""
    path = write("results/figure.txt", "a")
    ln.Artifact(write("copied.txt", "b"), key="results/copy.txt", run=False).save()
    return ln.Artifact(path, run=False).save()


def find(name: str | Path) -> ln.Artifact | ln.Run:
    """The record with this name."""
    return ln.connect().lineage.find(str(name))


@pytest.mark.parametrize(
    "name",
    [
        "results/figure.txt",
        "./results/figure.txt",
        "{here}/results/figure.txt",
        "{here}/results/../results/figure.txt",
        "file://{here}/results/figure.txt",
        "results/../results/figure.txt",
    ],
)
def test_find_path_in_any_notation_returns_the_artifact_there(
    figure: ln.Artifact, in_tmp_path: Path, name: str
) -> None:
    assert find(name.format(here=in_tmp_path)).uid == figure.uid


def test_find_relative_path_is_relative_to_the_working_directory(
    figure: ln.Artifact, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(in_tmp_path / "results")
    assert find("figure.txt").uid == find("./figure.txt").uid == figure.uid
    monkeypatch.chdir(in_tmp_path / "data")
    with pytest.raises(NotFound):
        find("figure.txt")
    assert find("results/figure.txt").uid == figure.uid  # a key
    with pytest.raises(NotFound, match=r"no artifact is at './results/figure.txt'"):
        find("./results/figure.txt")


@pytest.mark.parametrize(
    "name",
    [
        "/no/such/folder/results/figure.txt",
        "../other/results/figure.txt",
        "{outside}/results/figure.txt",
        "~/results/figure.txt",
        "s3://bucket/results/figure.txt",
        "https://example.org/results/figure.txt",
        "file:///results/figure.txt",
        "/results/copy.txt",
        "C:/results/figure.txt",
        "C:\\results\\figure.txt",
        "x/results/figure.txt",
        "results/figure.tx_",
        "results/%",
        "_esults/figure.txt",
        "",
        "a\0b",
    ],
)
def test_find_path_of_another_file_is_not_found(
    figure: ln.Artifact, outside: Path, name: str
) -> None:
    (outside / "results").mkdir()
    (outside / "results/figure.txt").write_text("other")
    for question in ("find", "match"):
        with pytest.raises(NotFound):
            getattr(ln.connect().lineage, question)(name.format(outside=outside))


def test_find_ambiguous_key_raises_and_a_path_is_unambiguous(
    figure: ln.Artifact, in_tmp_path: Path, write: Write
) -> None:
    inner = ln.Artifact(write("data/x.csv", "inner"), run=False).save()
    outer = ln.Artifact(write("x.csv", "outer"), run=False).save()
    assert (inner.key, outer.key) == ("x.csv", "x.csv")
    assert find("x.csv").uid == find("./x.csv").uid == outer.uid
    for name in ("data/x.csv", "./data/x.csv", in_tmp_path / "data/x.csv"):
        assert find(name).uid == inner.uid
    os.unlink("x.csv")
    with pytest.raises(MultipleFound, match="names 2 records"):
        find("x.csv")
    assert find("./x.csv").uid == outer.uid


def test_find_prefers_the_file_in_place_to_a_copy_with_that_key(
    figure: ln.Artifact, in_tmp_path: Path, write: Write
) -> None:
    write("results/copy.txt", "another")
    assert find("results/copy.txt").key == "results/copy.txt"  # not registered: the key
    other = ln.Artifact("results/copy.txt", run=False).save()
    copy = ln.Artifact.filter(key="results/copy.txt").exclude(id=other.id).one()
    assert other.uid != copy.uid
    assert find("results/copy.txt").uid == find(in_tmp_path / "results/copy.txt").uid == other.uid
    assert find(copy.path).uid == copy.uid


def test_find_through_links_resolves_folders_but_not_the_last_name(
    figure: ln.Artifact, in_tmp_path: Path, outside: Path, write: Write
) -> None:
    (outside / "home").symlink_to(in_tmp_path)
    assert find(outside / "home/results/figure.txt").uid == figure.uid
    (outside / "scratch").mkdir()
    (in_tmp_path / "runs").symlink_to(outside / "scratch")
    scratch = ln.Artifact(write("runs/a.csv", "on scratch"), run=False).save()
    assert find(outside / "scratch/a.csv").uid == find("runs/a.csv").uid == scratch.uid
    Path("latest.csv").symlink_to("runs/a.csv")
    with pytest.raises(NotFound):
        find("./latest.csv")
    assert [record.uid for record in ln.connect().lineage.match("latest.csv").records] == [
        scratch.uid
    ]


def test_find_root_that_is_a_link_is_found_by_its_real_path(
    instance: Instance, in_tmp_path: Path, outside: Path
) -> None:
    (outside / "gpfs").mkdir()
    Path("disk").symlink_to(outside / "gpfs")
    ln.Storage("disk").save()
    Path("disk/a.csv").write_text("a")
    artifact = ln.Artifact("disk/a.csv", run=False).save()
    for name in (outside / "gpfs/a.csv", in_tmp_path / "disk/a.csv", "disk/a.csv"):
        assert find(name).uid == artifact.uid


def test_match_copy_of_known_bytes_returns_every_artifact_with_them(
    figure: ln.Artifact, outside: Path, write: Write
) -> None:
    (outside / "mail.txt").write_text("a")
    match = ln.connect().lineage.match(str(outside / "mail.txt"))
    assert (match.same_bytes, match.record.uid) == (True, figure.uid)
    twin = ln.Artifact(write("twin.txt", "a"), run=False).save()
    ln.Artifact(write("results/figure.txt", "newer"), run=False).save()
    match = ln.connect().lineage.match(str(outside / "mail.txt"))
    assert [record.uid for record in match.records] == [figure.uid, twin.uid]
    with pytest.raises(MultipleFound, match="names 2 records"):
        _ = match.record
    with pytest.raises(NotFound, match="no artifact is at"):
        find(outside / "mail.txt")
    twin.delete()
    assert ln.connect().lineage.match(str(outside / "mail.txt")).record.uid == figure.uid


def test_match_copy_of_a_known_folder_returns_its_artifact(
    instance: Instance, outside: Path, write: Write
) -> None:
    write("plots/a.txt", "a")
    folder = ln.Artifact("plots", run=False).save()
    (outside / "plots").mkdir()
    (outside / "plots/a.txt").write_text("a")
    match = ln.connect().lineage.match(f"{outside}/plots/")
    assert (match.same_bytes, match.record.uid) == (True, folder.uid)
    (outside / "plots/b.txt").write_text("b")
    with pytest.raises(NotFound):
        ln.connect().lineage.match(f"{outside}/plots")


def test_find_key_equal_to_the_uid_of_another_record_raises_multiple_found(
    figure: ln.Artifact, write: Write
) -> None:
    with ln.run("a.py") as run:
        pass
    for uid in (figure.uid, figure.uid[:10], run.uid):
        clash = ln.Artifact(write("clash", uid), key=uid, run=False).save()
        with pytest.raises(MultipleFound, match="names 2 records"):
            find(uid)
        clash.delete(permanent=True)
        assert find(uid).uid == (run.uid if uid == run.uid else figure.uid)


def test_find_deleted_record_raises_with_the_time_of_deletion(figure: ln.Artifact) -> None:
    figure.delete()
    with pytest.raises(NotFound, match="is in the trash") as trashed:
        find("results/figure.txt")
    assert figure.uid in (trashed.value.hint or "")
    figure.delete(permanent=True)
    with pytest.raises(NotFound, match=f"Artifact {figure.uid} was deleted for good on 2"):
        find(figure.uid)
    with pytest.raises(NotFound, match="no artifact or run is called"):
        find("results/figure.txt")


def test_find_run_accepts_its_openlineage_run_id_in_any_case(instance: Instance) -> None:
    with ln.run("a.py") as run:
        pass
    for name in (run.external_id, run.external_id.upper(), run.uid):
        assert find(name).uid == ln.connect().lineage.find_run(name).uid == run.uid


def test_find_takes_few_statements_for_any_number_of_artifacts(
    figure: ln.Artifact, instance: Instance, write: Write
) -> None:
    for number in range(20):
        ln.Artifact(write(f"many/{number}/figure.txt", str(number)), run=False).save()
    for name, most in (("results/figure.txt", 2), (figure.uid, 6), ("many/7/figure.txt", 2)):
        with statements(instance.db) as executed:
            find(name)
        assert len(executed) <= most, executed


def test_artifact_series_key_is_unique_within_a_storage(figure: ln.Artifact) -> None:
    """A path and a key never find two series of one storage."""
    constraint = next(iter(ArtifactSeries.__table_args__))
    assert [column.name for column in constraint.columns] == ["key", "storage_id"]


def test_view_lineage_of_a_deleted_record_is_refused(
    figure: ln.Artifact, instance: Instance, write: Write
) -> None:
    last = ln.Artifact(write("last.txt", "last"), run=False).save()
    stale = ln.Artifact.get(last.uid)
    with ln.run("a.py") as run:
        pass
    last.delete(permanent=True)
    for record in (stale, [figure, stale]):
        with pytest.raises(NotFound, match="is not in the registry"):
            instance.lineage.around(record)
    replacement = ln.Artifact(write("next.txt", "next"), run=False).save()
    if instance.db.engine.dialect.name == "sqlite":
        assert replacement.id == stale.id  # so that it would be shown instead
    for ask in (
        lambda: stale.view_lineage(return_graph=True),
        lambda: instance.lineage.between(figure, stale),
        lambda: instance.lineage.between(stale, run),
    ):
        with pytest.raises(NotFound, match="is not in the registry"):
            ask()
    with statements(instance.db) as executed:
        instance.lineage.around(figure)
    assert len(executed) == 4
    old_run = ln.Run.get(run.uid)
    run.delete()
    with pytest.raises(NotFound, match="is not in the registry"):
        old_run.view_lineage()


def test_view_lineage_of_a_deleted_transform_or_collection_is_refused(figure: ln.Artifact) -> None:
    transform = ln.Transform(key="gone.py").save()
    collection = ln.Collection([figure], key="gone").save()
    for record in (ln.Transform.get(transform.uid), ln.Collection.get(collection.uid)):
        assert record.view_lineage(return_graph=True) is not None
        type(record).get(record.uid).delete()
        with pytest.raises(NotFound, match="is not in the registry"):
            record.view_lineage(return_graph=True)
