"""An object whose record was deleted for good touches no other record, though SQLite gives its primary key again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.errors import LaminError, NotFound
from lamin_core.instance.instance import Instance
from lamin_core.models import Note
from lamin_core.runtime.parent_context import RunReference


@pytest.fixture
def deleted_and_next(instance: Instance, outside: Path) -> tuple[ln.Artifact, ln.Artifact]:
    """An artifact that was deleted for good, and the one saved after it."""
    for name in ("b.txt", "c.txt"):
        (outside / name).write_text(name)
    deleted = ln.Artifact(outside / "b.txt", key="y/b.txt").save()
    deleted.delete(permanent=True)
    following = ln.Artifact(outside / "c.txt", key="other/c.txt").save()
    return deleted, following


def _describe(artifact: ln.Artifact) -> None:
    artifact.description = "of another"
    artifact.save()


USES: dict[str, Callable[[ln.Artifact], Any]] = {
    "delete": lambda artifact: artifact.delete(permanent=True),
    "trash": lambda artifact: artifact.delete(),
    "restore": lambda artifact: artifact.restore(),
    "save": _describe,
    "add a label": lambda artifact: artifact.ulabels.add(ln.ULabel(name="pilot").save()),
    "add by labels": lambda artifact: artifact.labels.add(ln.ULabel(name="pilot").save()),
    "collect": lambda artifact: ln.Collection([artifact], key="c").save(),
}


@pytest.mark.parametrize("use", USES)
def test_using_a_deleted_artifact_does_not_change_the_next_one(
    deleted_and_next: tuple[ln.Artifact, ln.Artifact], use: str
) -> None:
    deleted, following = deleted_and_next
    with pytest.raises(NotFound, match="is not in the registry"):
        USES[use](deleted)
    current = ln.Artifact.get(following.uid)
    assert (current.description, current.load(), current.ulabels.count()) == (None, "c.txt", 0)
    assert ln.Collection.filter().count() == 0


def test_using_a_deleted_label_does_not_change_the_next_one(
    instance: Instance, outside: Path
) -> None:
    (outside / "a.txt").write_text("a")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    deleted = ln.ULabel(name="old").save()
    deleted.delete(permanent=True)
    following = ln.ULabel(name="new").save()
    for use in (lambda: artifact.ulabels.add(deleted), deleted.delete, deleted.save):
        with pytest.raises(LaminError):
            use()
    assert artifact.ulabels.count() == 0
    assert ln.ULabel.get(following.uid).name == "new"


def test_stub_of_a_job_whose_version_was_deleted_gets_the_next_number(instance: Instance) -> None:
    deleted = ln.Transform(key="main.nf", namespace="nextflow", source_code="a").save()
    deleted.delete()
    named = RunReference("0194e0a0-0000-7000-8000-000000000001", "nextflow", "main.nf")
    stub = instance.runs.above(named)
    assert stub is not None
    assert (stub.status, stub.transform.key) == ("scheduled", "main.nf")
    assert stub.transform.stem_uid == deleted.stem_uid
    assert stub.transform.uid > deleted.uid
    assert instance.runs.above(named) is stub
    assert ln.Run.one().uid == stub.uid


def test_note_is_deleted_with_its_record(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("a")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    label, stays = ln.ULabel(name="label").save(), ln.ULabel(name="stays").save()
    run, many = ln.Run(ln.Transform(key="a.py").save()).save(), ln.Transform(key="b.py").save()
    with instance.db.writing() as session:
        for record in (artifact, label, many, stays, run):
            key = {"table_name": type(record).__tablename__, "record_uid": record.uid}
            session.add(Note(**key, text="checked"))
    artifact.delete()
    with instance.db.reading() as session:
        assert session.query(Note).count() == 5  # it is in the trash
    artifact.delete(permanent=True)
    label.delete(permanent=True)
    run.delete()
    assert ln.Transform.filter(key="b.py").delete() == 1
    with instance.db.reading() as session:
        assert [note.record_uid for note in session.query(Note)] == [stays.uid]
