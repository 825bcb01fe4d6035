"""Wrong arguments, wrong order and strange names: each gives a typed error or works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event

import lamin_core as ln
from lamin_core.admin import fsck
from lamin_core.errors import (
    Conflict,
    InvalidArgument,
    InvalidKey,
    LaminError,
    NotFound,
    Unavailable,
)
from lamin_core.instance.instance import Instance, disconnect, init
from tests.support.commands import typed

FRAME = pd.DataFrame({"x": [1]})


def test_arguments_of_wrong_types_and_unsaved_records_are_refused(
    instance: Instance, outside: Path
) -> None:
    import anndata as ad

    file = outside / "a.txt"
    file.write_text("a")
    unsaved = ln.Artifact(file, key="unsaved.txt")
    wrong: dict[str, Callable[[], Any]] = {
        r"not a path: a NoneType": lambda: ln.Artifact(None),  # type: ignore[arg-type]
        r"not a path: a int": lambda: ln.Artifact(3, key="a.txt"),  # type: ignore[arg-type]
        r"not a path: a bytes": lambda: ln.Artifact(b"a.txt"),  # type: ignore[arg-type]
        r"from_df\(df, key=": lambda: ln.Artifact(FRAME, key="t.csv"),  # type: ignore[arg-type]
        r"from_anndata\(adata, key=": lambda: ln.Artifact(ad.AnnData(np.eye(2)), key="t.h5ad"),
        r"not a path: ''": lambda: ln.Artifact("", key="a.txt"),
        r"not a path: .*such as": lambda: ln.Artifact("a\0.txt", key="a.txt"),
        r"3 cannot be a key": lambda: ln.Artifact(file, key=3),  # type: ignore[arg-type]
        r"a key is text": lambda: ln.Artifact(file, key=Path("a.txt")),  # type: ignore[arg-type]
        r"not text in UTF-8": lambda: ln.Artifact(file, key="\ud800.txt"),
        r"not a run: 'x'": lambda: ln.Artifact(file, key="a.txt", run="x").save(),  # type: ignore[arg-type]
        r"not a run: True": lambda: ln.Artifact(file, key="a.txt", run=True).save(),
        r"not a saved artifact: 'x'": lambda: ln.Artifact(file, revises="x"),  # type: ignore[arg-type]
        r"not a saved artifact: ": lambda: ln.Artifact(file, revises=unsaved),
        r"needs a key, a description or a run": lambda: ln.Artifact(file).save(),
        r"neither a file nor a folder": lambda: ln.Artifact("/dev/full", key="full"),
    }
    for why, make in wrong.items():
        with pytest.raises(InvalidArgument, match=f"(?s){why}") as failure:
            make()
        assert failure.value.hint, why
    for use in (unsaved.delete, unsaved.restore, unsaved.describe):
        with pytest.raises(LaminError, match=r"is not saved|is not in the registry") as failed:
            use()
        assert failed.value.hint
    assert ln.Artifact.count() == 0
    assert fsck.check(instance, grace=0).is_clean


def test_folder_that_contains_the_storage_is_refused(instance: Instance, in_tmp_path: Path) -> None:
    Path("alias").symlink_to(in_tmp_path)
    for folder in (".", "data", str(in_tmp_path.parent), "alias"):
        with pytest.raises(InvalidArgument, match="holds the storage"):
            ln.Artifact(folder, key="all")
    assert ln.Artifact.count() == 0


def test_non_utf_8_file_name_is_refused_alone_and_accepted_inside_a_folder(
    instance: Instance, in_tmp_path: Path
) -> None:
    (in_tmp_path / "d").mkdir()
    odd = os.fsdecode(os.fsencode(in_tmp_path) + b"/d/\xff.txt")
    Path(odd).write_text("odd")
    with pytest.raises(InvalidKey, match="not text in UTF-8"):
        ln.Artifact(odd)
    with pytest.raises(InvalidKey, match="not text in UTF-8"):
        ln.Artifact.from_dir("d")
    assert ln.Artifact(odd, key="even.txt").save().load() == "odd"
    folder = ln.Artifact("d", key="copied").save()
    assert [file.read_text() for file in folder.cache().iterdir()] == ["odd"]
    assert fsck.check(instance, deep=True, grace=0).is_clean


STRANGE = [
    "-a.txt",
    "--help",
    "-",
    " a .txt ",
    "a\tb.txt",
    "a\nb.txt",
    "a'b\".txt",
    "$(id).txt",
    "*.txt",
    "ñ.txt",
    "x" * 250,
]


def test_unusual_names_are_saved_described_and_deleted_by_the_cli(
    instance: Instance,
) -> None:
    for name in STRANGE:
        Path(name).write_text(name)
        typed("save", "--", name)
        artifact = ln.Artifact.get(key=name)
        assert artifact.cache().read_text() == name
        typed("describe", "artifact", artifact.uid)
        typed("delete", "artifact", artifact.uid, "--permanent", "--yes")
        assert Path(name).exists()
    ln.connect()
    assert ln.Artifact.count() == 0
    assert fsck.check(instance, deep=True, grace=0).is_clean


def test_composed_and_decomposed_unicode_names_are_two_artifacts(instance: Instance) -> None:
    composed, decomposed = (unicodedata.normalize(form, "ñandú.txt") for form in ("NFC", "NFD"))
    for name in (composed, decomposed):
        Path(name).write_text(name)
        ln.Artifact(name).save()
    if composed != decomposed and len(list(Path().glob("*.txt"))) == 2:
        assert ln.Artifact.get(key=composed).load() == composed
        assert ln.Artifact.get(key=decomposed).load() == decomposed


def test_repeated_save_delete_and_restore_in_wrong_order(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("a")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt")
    assert artifact.save().uid == artifact.save().uid
    other = ln.Artifact.get(artifact.uid)
    artifact.restore()  # it was never in the trash
    artifact.delete()
    artifact.delete()
    for use in (other.load, other.cache):
        with pytest.raises(NotFound, match="nothing at"):
            use()
    for change in (other.delete, other.restore, lambda: other.replace(outside / "a.txt")):
        with pytest.raises(NotFound, match="is not in the registry"):
            change()
    again = ln.Artifact(outside / "a.txt", key="a.txt").save()
    assert again.load() == "a"
    assert fsck.check(instance, deep=True, grace=0).is_clean


def test_failed_deletion_leaves_the_bytes(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("a")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()

    def pull(*_: object) -> None:
        raise ConnectionError("the cable was pulled")

    event.listen(instance.db.engine, "commit", pull)
    with pytest.raises(ConnectionError):
        artifact.delete(permanent=True)
    event.remove(instance.db.engine, "commit", pull)
    assert ln.Artifact.get(artifact.uid).load() == "a"
    assert fsck.check(instance, deep=True, grace=0).is_clean


def test_ten_thousand_files_are_saved_as_one_folder_and_as_single_artifacts(
    instance: Instance, in_tmp_path: Path
) -> None:
    for number in range(10_000):
        folder = in_tmp_path / "many" / f"{number % 100:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_bytes(b"%d" % number)
    whole = ln.Artifact("many").save()
    assert (whole.n_files, whole.size) == (10_000, 38_890)
    ln.save(ln.Artifact.from_dir("many"))
    assert ln.Artifact.filter(key__startswith="many/").count() == 10_000
    assert ln.Artifact.get(key="many/42/4242.txt").load() == "4242"
    (in_tmp_path / "many" / "42" / "4242.txt").write_text("other")
    assert ln.Artifact("many").save().version == "0001"
    with pytest.raises(Conflict, match="has changed"):
        ln.Artifact.get(key="many/42/4242.txt").load()


def test_file_in_a_registered_storage_stays_in_place_and_its_change_is_detected(
    instance: Instance, outside: Path
) -> None:
    storage = ln.Storage(outside / "shared").save()
    (outside / "shared" / "raw").mkdir()
    path = outside / "shared" / "raw" / "a.txt"
    path.write_text("old")
    old = ln.Artifact(path).save()
    assert (old.key, old.path, old.storage.root) == ("raw/a.txt", path, storage.root)
    path.write_text("new")
    for use in (old.load, old.cache):
        with pytest.raises(Conflict, match="no longer holds version 0000"):
            use()
    new = ln.Artifact(path).save()
    assert (new.version, new.load()) == ("0001", "new")
    path.unlink()
    with pytest.raises(NotFound, match="are gone"):
        new.load()
    with pytest.raises(NotFound, match="no file or folder"):
        ln.Artifact(path)


def test_read_only_folder_is_saved_and_copied(instance: Instance, outside: Path) -> None:
    (outside / "d").mkdir()
    (outside / "d" / "a.txt").write_text("a")
    for path in (outside / "d" / "a.txt", outside / "d"):
        path.chmod(0o555)
    try:
        artifact = ln.Artifact(outside / "d", key="d").save()
        assert (artifact.cache() / "a.txt").read_text() == "a"
        artifact.delete(permanent=True)
        assert fsck.check(instance, deep=True, grace=0).is_clean
    finally:
        (outside / "d").chmod(0o755)


_POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


@pytest.mark.skipif(
    bool(_POWERLESS) and shutil.which("setpriv") is None,
    reason="root cannot give up its powers here",
)
def test_unreadable_file_and_unwritable_storage_raise_clear_errors(
    in_tmp_path: Path, outside: Path
) -> None:
    init("./data").db.dispose()
    disconnect()
    (outside / "secret.txt").write_text("s")
    (outside / "plain.txt").write_text("p")
    (outside / "secret.txt").chmod(0)
    Path("data", ".lamindb").mkdir(parents=True, exist_ok=True)
    Path("data", ".lamindb").chmod(0o555)
    code = (
        "import sys, lamin_core as ln\n"
        "for name in ('secret', 'plain'):\n"
        "    try: ln.Artifact(f'{sys.argv[1]}/{name}.txt', key=f'{name}.txt').save()\n"
        "    except ln.errors.Unavailable as error: print(error)\n"
        "print(ln.Artifact.count())\n"
    )
    done = subprocess.run(
        [*_POWERLESS, sys.executable, "-c", code, str(outside)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "secret.txt' cannot be read: Permission denied" in done.stdout, done.stderr
    assert "plain.txt' cannot be copied" in done.stdout
    assert "check that you may write there" in done.stdout
    assert done.stdout.endswith("0\n")
    Path("data", ".lamindb").chmod(0o755)


# In a bucket


@pytest.fixture
def bucket_instance(in_tmp_path: Path, bucket: str, database_url: str) -> Iterator[Instance]:
    """An instance whose copies go into a bucket, on both databases."""
    new_instance = init(f"{bucket}/lineage", db=database_url)
    yield new_instance
    disconnect()
    new_instance.db.dispose()


def test_version_in_a_bucket_is_replaced_trashed_and_restored(
    bucket_instance: Instance, outside: Path
) -> None:
    for name in ("wrong", "right"):
        (outside / f"{name}.txt").write_text(name)
    artifact = ln.Artifact(outside / "wrong.txt", key="a.txt").save()
    assert artifact.load() == "wrong"  # and is kept here
    artifact.replace(outside / "right.txt")
    assert (artifact.version, artifact.load()) == ("0000", "right")
    assert ln.Artifact.get(key="a.txt").load() == "right"
    artifact.delete()
    assert ln.Artifact.count() == 0
    artifact.restore()
    assert ln.Artifact.get(key="a.txt").load() == "right"
    assert fsck.check(bucket_instance, deep=True, grace=0).is_clean
    artifact.delete(permanent=True)
    assert fsck.check(bucket_instance, deep=True, grace=0).is_clean


def test_cached_file_is_verified_after_changes_in_cache_or_bucket(
    bucket_instance: Instance, outside: Path, s3: Any
) -> None:
    (outside / "a.txt").write_text("whole")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    cached = artifact.cache()
    cached.write_text("cut")  # a disk that was full, or somebody's editor
    assert artifact.load() == "whole"
    s3.rm(artifact.path)
    assert artifact.load() == "whole"
    shutil.rmtree(bucket_instance.folder / "cache")
    with pytest.raises(NotFound, match="was it removed"):
        artifact.load()
    ln.Artifact(outside / "a.txt", key="a.txt").save()
    assert artifact.load() == "whole"


def test_save_into_a_missing_bucket_raises_and_records_nothing(
    bucket_instance: Instance, bucket: str, outside: Path, s3: Any
) -> None:
    (outside / "a.txt").write_text("a")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt")
    s3.rmdir(bucket.removeprefix("s3://"))
    with pytest.raises((NotFound, Unavailable)) as failure:
        artifact.save()
    assert failure.value.hint
    assert ln.Artifact.count() == 0
    s3.mkdir(bucket.removeprefix("s3://"))
    assert artifact.save().load() == "a"
