"""Labels, features, projects and references in use are not deleted for good; the trash is there for all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.instance.instance import Instance

Write = Callable[[str, str], Path]


@pytest.fixture
def artifact(instance: Instance, write: Write) -> ln.Artifact:
    """An artifact with a label, a value of a feature, and a project."""
    saved = ln.Artifact(write("a.txt", "a")).save()
    saved.ulabels.add(ln.ULabel(name="raw").save())
    ln.Feature(name="temperature", dtype=float).save()
    saved.features.add_values({"temperature": 21.6})
    saved.projects.add(ln.Project(name="atlas").save())
    return saved


@pytest.mark.parametrize(
    ("registry", "name"), [("ULabel", "raw"), ("Feature", "temperature"), ("Project", "atlas")]
)
def test_permanent_delete_of_a_record_in_use_is_refused_and_names_the_users(
    artifact: ln.Artifact, registry: str, name: str
) -> None:
    record = getattr(ln, registry).get(name=name)
    with pytest.raises(Conflict, match="is used by 1 artifact") as error:
        record.delete(permanent=True)
    assert "trash" in str(error.value)
    assert getattr(ln, registry).get(name=name).uid == record.uid


@pytest.mark.parametrize(
    ("registry", "name"), [("ULabel", "raw"), ("Feature", "temperature"), ("Project", "atlas")]
)
def test_delete_moves_to_the_trash_and_restore_reverts_the_deletion(
    artifact: ln.Artifact, registry: str, name: str
) -> None:
    kind = getattr(ln, registry)
    record = kind.get(name=name)
    record.delete()
    assert kind.filter(name=name).count() == 0
    assert kind.trash().one().uid == record.uid
    with pytest.raises(Conflict, match="is used by"):
        record.delete()  # from the trash: for good
    record.restore()
    assert kind.get(name=name).uid == record.uid
    assert [label.name for label in artifact.ulabels.all()] == ["raw"]
    assert artifact.features.get_values() == {"temperature": 21.6}


def test_save_of_a_name_in_the_trash_restores_the_record(artifact: ln.Artifact) -> None:
    label = ln.ULabel.get(name="raw")
    label.delete()
    assert artifact.ulabels.count() == 0
    assert ln.ULabel(name="raw").save().uid == label.uid
    assert artifact.ulabels.count() == 1


def test_permanent_delete_of_an_unused_record_succeeds(artifact: ln.Artifact) -> None:
    label = ln.ULabel.get(name="raw")
    artifact.ulabels.remove(label)
    label.delete(permanent=True)
    assert (ln.ULabel.filter().count(), ln.ULabel.trash().count()) == (0, 0)


def test_permanent_delete_of_a_type_or_parent_label_in_use_is_refused(instance: Instance) -> None:
    kind = ln.ULabel(name="tissue", is_type=True).save()
    liver = ln.ULabel(name="liver", type=kind).save()
    organ = ln.ULabel(name="organ").save()
    liver.parents.add(organ)
    for used in (kind, organ):
        with pytest.raises(Conflict, match="is used by 1 label"):
            used.delete(permanent=True)
    liver.delete(permanent=True)
    organ.delete(permanent=True)
    kind.delete(permanent=True)


def test_delete_of_a_collection_has_a_permanent_argument(artifact: ln.Artifact) -> None:
    collection = ln.Collection(artifact, key="all").save()
    with pytest.raises(InvalidArgument, match="trash"):
        collection.delete(permanent=False)
    collection.delete(permanent=True)
    assert ln.Collection.filter().count() == 0
