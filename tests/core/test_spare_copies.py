"""A file of the project that is saved with its path as its key: in place, with a second copy in the storage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.admin import fsck
from lamin_core.errors import Conflict
from lamin_core.instance.instance import Instance
from lamin_core.storage.locations import spare_key


def _spare(instance: Instance, artifact: ln.Artifact) -> Path:
    assert artifact.content_digest is not None
    return Path(instance.storage, spare_key(artifact.content_digest, artifact.suffix))


def _orphans(instance: Instance) -> list[str]:
    report = fsck.check(instance, grace=-60)
    return [str(problem.path) for problem in report.problems if problem.kind == "orphan"]


def test_file_with_its_path_as_key_keeps_all_versions(
    instance: Instance, in_tmp_path: Path
) -> None:
    texts = {}
    for text in ("a\n1\n", "a\n2\n"):
        Path("data.csv").write_text(text)
        texts[ln.Artifact("data.csv", key="data.csv").save().uid] = text
    Path("data.csv").unlink()
    versions = ln.Artifact.get(key="data.csv").versions.to_list()
    assert {version.uid: version.cache().read_text() for version in versions} == texts
    assert [version.is_latest for version in versions] == [True, False]
    assert _orphans(instance) == []
    for version in versions:
        spare = _spare(instance, version)
        assert spare.is_file()
        version.delete(permanent=True)
        assert not os.path.lexists(spare)


def test_artifact_with_its_path_as_key_belongs_to_the_series_of_the_path(
    instance: Instance, in_tmp_path: Path
) -> None:
    Path("raw").mkdir()
    Path("raw/a.txt").write_text("first")
    in_place = ln.Artifact("raw/a.txt").save()
    assert not _spare(instance, in_place).exists()
    keyed = ln.Artifact("raw/a.txt", key="raw/a.txt").save()
    assert (keyed.uid, keyed.path) == (in_place.uid, in_tmp_path / "raw/a.txt")
    Path("raw/a.txt").write_text("second")
    assert instance.lineage.find("raw/a.txt").uid == keyed.uid
    assert in_place.load() == "first"
    assert ln.Artifact("raw/a.txt").save().stem_uid == keyed.stem_uid


def test_damaged_second_copy_is_not_loaded(instance: Instance, in_tmp_path: Path) -> None:
    Path("a.txt").write_text("first")
    artifact = ln.Artifact("a.txt", key="a.txt").save()
    spare = _spare(instance, artifact)
    spare.chmod(0o600)
    spare.write_text("other")
    Path("a.txt").write_text("changed")
    with pytest.raises(Conflict, match="no longer holds version"):
        artifact.load()


def test_folder_that_contains_the_storage_is_saved_in_place(
    instance: Instance, in_tmp_path: Path
) -> None:
    Path("data/notes.txt").write_text("a")
    artifact = ln.Artifact("data", key="data").save()
    assert artifact.path == in_tmp_path / "data"
    assert not _spare(instance, artifact).exists()


def test_second_copy_stays_while_another_artifact_has_the_content(
    instance: Instance, in_tmp_path: Path
) -> None:
    for name in ("a.txt", "b.txt"):
        Path(name).write_text("the same")
    first, second = (ln.Artifact(name, key=name).save() for name in ("a.txt", "b.txt"))
    first.delete(permanent=True)
    assert _spare(instance, second).is_file()
    second.replace(_written(in_tmp_path / "c.txt"))
    assert not _spare(instance, first).exists()


def _written(path: Path) -> Path:
    path.write_text("replaced")
    return path
