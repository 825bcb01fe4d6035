"""Queries: Django's lookups on both databases, and answers to what cannot be asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, MultipleFound, NotFound
from lamin_core.instance.instance import Instance

Write = Callable[[str, str], Path]


@pytest.fixture
def labels(instance: Instance) -> list[ln.ULabel]:
    """Three labels and a group."""
    group = ln.ULabel(name="Experiment", is_type=True).save()
    return [
        ln.ULabel(name="alpha", description="100% first").save(),
        ln.ULabel(name="Beta", type=group).save(),
        ln.ULabel(name="a_b", type=group).save(),
    ]


@pytest.mark.parametrize(
    ("lookup", "value", "expected"),
    [
        ("name", "alpha", ["alpha"]),
        ("name__in", ["alpha", "Beta", "none"], ["alpha", "Beta"]),
        ("name__startswith", "a", ["alpha", "a_b"]),
        ("name__startswith", "A", []),
        ("name__istartswith", "B", ["Beta"]),
        ("name__contains", "_", ["a_b"]),
        ("name__contains", "E", ["Experiment"]),
        ("name__icontains", "E", ["Experiment", "Beta"]),
        ("name__endswith", "a", ["alpha", "Beta"]),
        ("name__iexact", "BETA", ["Beta"]),
        ("name__gt", "a", ["alpha", "a_b"]),
        ("name__regex", "^[A-Z]", ["Experiment", "Beta"]),
        ("description__contains", "100%", ["alpha"]),
        ("description__isnull", False, ["alpha"]),
        ("type__name", "Experiment", ["Beta", "a_b"]),
        ("type__isnull", True, ["Experiment", "alpha"]),
        ("is_type", True, ["Experiment"]),
    ],
)
def test_lookups_follow_django(
    labels: list[ln.ULabel], lookup: str, value: Any, expected: list[str]
) -> None:
    assert sorted(label.name for label in ln.ULabel.filter(**{lookup: value})) == sorted(expected)


def test_relations_join_in_both_directions(labels: list[ln.ULabel], write: Write) -> None:
    with ln.run("analysis") as run:
        artifact = ln.Artifact(write("a.txt", "x")).save()
    other = ln.Artifact(write("b.txt", "y")).save()
    artifact.ulabels.add(labels[1])
    artifact.ulabels.add(labels[1])
    assert ln.Artifact.get(ulabels__name="Beta").uid == artifact.uid
    assert ln.Artifact.filter(ulabels=labels[1]).one().uid == artifact.uid
    assert ln.Artifact.filter(ulabels__type__name="Experiment").count() == 1
    assert ln.Artifact.filter(run__transform__key="analysis").one().uid == artifact.uid
    assert ln.Artifact.filter(run=run).one().uid == artifact.uid
    assert ln.Artifact.filter(run__isnull=True).one().uid == other.uid
    assert ln.ULabel.get(artifacts__key="a.txt").name == "Beta"
    assert ln.Run.get(output_artifacts__key="a.txt").uid == run.uid
    assert ln.Transform.get(runs__status="completed").key == "analysis"
    artifact.ulabels.remove(labels[1])
    assert artifact.ulabels.count() == 0


def test_one_first_get_and_count_return_records_or_raise_clear_errors(
    labels: list[ln.ULabel],
) -> None:
    assert ln.ULabel.count() == len(ln.ULabel.all()) == 4
    assert ln.ULabel.filter(name="none").first() is None
    assert ln.ULabel.filter(name="none").one_or_none() is None
    with pytest.raises(MultipleFound, match="4 ULabel records fit"):
        ln.ULabel.all().one()
    with pytest.raises(NotFound, match="nearest: alpha"):
        ln.ULabel.get(name="alpa")
    assert ln.ULabel.get(labels[0].uid).name == "alpha"
    with pytest.raises(InvalidArgument, match="not a uid"):
        ln.ULabel.get("raw/a.csv")


def test_unknown_field_is_refused_with_the_nearest_names(instance: Instance) -> None:
    with pytest.raises(InvalidArgument, match="did you mean key"):
        ln.Artifact.filter(kye="x")
    with pytest.raises(InvalidArgument, match="no field or lookup"):
        ln.Artifact.filter(key__almost="x")


def test_data_frame_has_a_row_for_each_record(labels: list[ln.ULabel]) -> None:
    frame = ln.ULabel.filter(type__name="Experiment").df()
    assert list(frame["name"]) == ["Beta", "a_b"]
    assert list(frame["uid"]) == [label.uid for label in ln.ULabel.filter(type__name="Experiment")]
    ids = [label.id for label in ln.ULabel.filter(type__name="Experiment")]
    assert (list(frame.index), frame.index.name) == (ids, "id")
    newest = ln.ULabel.df(order_by="-name")["name"].tolist()
    assert newest == sorted(newest, reverse=True)
    assert [name for name in map(str, frame.columns) if name == "id" or name.endswith("_id")] == []
    assert len(ln.ULabel.df(limit=2)) == 2
    assert ln.Artifact.df().empty


def test_artifact_is_found_by_uid_stem_and_key(instance: Instance, write: Write) -> None:
    old = ln.Artifact(write("a.txt", "1")).save()
    new = ln.Artifact(write("a.txt", "2")).save()
    assert ln.Artifact.get(old.uid).uid == old.uid
    assert ln.Artifact.get(old.stem_uid).uid == new.uid
    assert ln.Artifact.get(old.uid[:8]).uid == new.uid
    assert ln.Artifact.get(key="a.txt").uid == new.uid


def test_labels_of_the_same_name_are_created_once(instance: Instance) -> None:
    created = ln.ULabel.from_values(["a", "b", "a"], create=True).save()
    assert [label.name for label in created] == ["a", "b"]
    assert ln.ULabel(name="a").save().uid == created[0].uid
    assert [label.name for label in ln.ULabel.from_values(["b", "c"])] == ["b"]
    ln.save([ln.ULabel(name="c"), ln.ULabel(name="a")])
    assert ln.ULabel.count() == 3


def test_schemas_of_the_same_features_and_collections_of_the_same_artifacts_are_one(
    instance: Instance, write: Write
) -> None:
    features = [
        ln.Feature(name="x", dtype=int).save(),
        ln.Feature(name="label", dtype=ln.ULabel).save(),
    ]
    schema = ln.Schema(name="first", features=features).save()
    assert ln.Schema(name="second", features=features[::-1]).save().uid == schema.uid
    assert [feature.dtype for feature in schema.features] == ["int", "cat[ULabel]"]
    artifacts = [ln.Artifact(write(f"{n}.txt", n)).save() for n in "ab"]
    collection = ln.Collection(artifacts, key="both").save()
    assert ln.Collection(artifacts[::-1], key="both").save().uid == collection.uid
    assert ln.Collection(artifacts[:1], key="both").save().version == "0001"
    assert [artifact.key for artifact in ln.Collection.get(key="both").artifacts] == ["a.txt"]


def test_quotes_and_injections_are_only_text(instance: Instance) -> None:
    name = "x'; DROP TABLE ulabel; --\"\\%_"
    ln.ULabel(name=name).save()
    assert ln.ULabel.filter(name__contains="'; DROP").one().name == name
    assert ln.ULabel.filter(name__startswith=name).one().name == name


def test_deletion_of_the_latest_version_makes_the_previous_one_latest(
    instance: Instance, write: Write
) -> None:
    old = ln.Artifact(write("a.txt", "1")).save()
    new = ln.Artifact(write("a.txt", "2")).save()
    new.delete()
    assert ln.Artifact.get(key="a.txt").uid == old.uid
    new.delete()  # out of the trash as well
    with pytest.raises(NotFound):
        new.delete()


def test_artifacts_are_filtered_by_fields_of_their_content_and_transform(
    instance: Instance, write: Write
) -> None:
    with ln.run("analysis") as run:
        artifact = ln.Artifact(write("a.txt", "12345")).save()
    assert ln.Artifact.get(size__gt=4).uid == artifact.uid
    assert ln.Artifact.get(hash=artifact.hash).uid == artifact.uid
    assert ln.Artifact.filter(transform=run.transform).one().uid == artifact.uid
    assert ln.Artifact.filter(transform__key__icontains="ANA").one().uid == artifact.uid


def test_feature_dtype_cannot_be_redefined(instance: Instance) -> None:
    ln.Feature(name="temperature", dtype=float).save()
    with pytest.raises(Conflict, match="is float, not int"):
        ln.Feature(name="temperature", dtype=int).save()
    with pytest.raises(InvalidArgument, match="not a dtype"):
        ln.Feature(name="x", dtype="nonsense")


def test_source_of_a_transform_is_an_attribute(instance: Instance) -> None:
    ln.Transform(key="t", source_code="print(1)").save()
    assert ln.Transform.get(key="t").source_code == "print(1)"
    assert "source_code" not in ln.Transform.df()


def test_previous_version_becomes_latest_in_every_versioned_registry(
    instance: Instance, write: Write
) -> None:
    artifacts = [ln.Artifact(write(f"{n}.txt", str(n))).save() for n in range(3)]
    kinds: list[Callable[[int], Any]] = [
        lambda n: ln.Transform(key="t", source_code=str(n)).save(),
        lambda n: ln.Collection(artifacts[: n + 1], key="t").save(),
    ]
    for make in kinds:
        first, second, third = (make(n) for n in range(3))
        registry: Any = type(first)
        second.delete()
        assert registry.get(key="t") == third
        third.delete()
        assert registry.get(key="t") == registry.filter(is_latest=True).one() == first
        fourth = make(2)
        assert registry.get(key="t") == fourth
        registry.filter(key="t").filter(uid=fourth.uid).delete()
        assert registry.filter(is_latest=True).one() == first
        registry.filter(key="t").delete()
        assert registry.count() == 0


def test_wrong_arguments_of_collections_and_queries_are_refused(
    instance: Instance, write: Write
) -> None:
    artifact = ln.Artifact(write("a.txt", "a")).save()
    wrong: list[tuple[Callable[[], Any], str]] = [
        (lambda: ln.Collection(["a.txt"], key="c"), "not an artifact: 'a.txt'"),  # type: ignore[list-item]
        (lambda: ln.Collection([artifact], key=None), "not a key: None"),  # type: ignore[arg-type]
        (lambda: ln.ULabel.get(), r"ULabel.get\(\) needs a uid or a field"),
        (lambda: ln.ULabel.get(None), r"ULabel.get\(\) needs a uid or a field"),
        (lambda: ln.ULabel.get(""), r"not a uid: .*\n  hint: ULabel.get\(name="),
        (lambda: ln.ULabel.search("x", limit=-1), "records: -1"), (lambda: ln.ULabel.df(limit=-1), "records: -1"),
        (lambda: ln.ULabel(name="x", type="group"), "not a saved type: 'group'"),  # type: ignore[arg-type]
        (lambda: setattr(ln.ULabel(name="x"), "type", "group"), "not a record of ULabel: 'group'"),
        (lambda: ln.ULabel(name="x" * 2_601), "is too long"),
    ]  # fmt: skip
    for ask, message in wrong:
        with pytest.raises(InvalidArgument, match=message):
            ask()


def test_data_frames_of_artifacts_and_runs_can_be_merged(instance: Instance, write: Write) -> None:
    with ln.run("make.py") as run:
        artifact = ln.Artifact(write("out.txt", "abc")).save()
    table = ln.Artifact.df()
    (row,) = table.to_dict("records")
    assert (row["uid"], row["version"], row["size"]) == (artifact.uid, "0000", 3)
    assert (row["hash"], row["transform"], row["run"]) == (artifact.hash, "make.py", run.uid)
    assert row["created_by"] == artifact.created_by.handle
    assert row["storage"] == artifact.storage.root
    assert not {"origin", "number", "real_key"} & set(table.columns)
    joined = table.merge(ln.Artifact.df(features=True)[["uid", "key"]], on="uid")
    assert joined["key_x"].tolist() == joined["key_y"].tolist() == ["out.txt"]
    runs = ln.Run.df().rename(columns={"uid": "run"})
    assert table.merge(runs, on="run")["status"].tolist() == ["completed"]


def test_records_and_query_sets_have_an_html_table(instance: Instance) -> None:
    for number in range(25):
        ln.ULabel(name=f"<b>{number}", description=None).save()
    shown = ln.ULabel.filter(name__startswith="<b>")._repr_html_()
    assert shown.count("<tr>") == 21
    assert "ULabel: 20 of 25" in shown
    assert "&lt;b&gt;0" in shown
    assert "<b>" not in shown
    assert "description" not in shown
    record = ln.ULabel.get(name="<b>1")._repr_html_()
    assert "<strong>ULabel</strong>" in record
    assert "&lt;b&gt;1" in record
    assert "0 in" not in ln.Artifact.filter()._repr_html_()
