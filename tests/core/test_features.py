"""What people say about artifacts and runs: values of features, and labels; and asking by them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, ValidationError
from lamin_core.instance import Instance
from lamin_core.models import ArtifactULabel
from lamin_core.models.dtypes import named, parse

Write = Callable[[str, str], Path]


@pytest.fixture
def artifact(instance: Instance, write: Write) -> ln.Artifact:
    """One that things can be said about."""
    return ln.Artifact(write("a.txt", "a")).save()


@pytest.fixture
def experiments(instance: Instance) -> list[ln.ULabel]:
    """Two labels of a type, and the feature that takes them."""
    group = ln.ULabel(name="Experiment", is_type=True).save()
    ln.Feature(name="experiment", dtype=group).save()
    return [ln.ULabel(name=f"Experiment {n}", type=group).save() for n in (1, 2)]


WHEN = dt.datetime(2026, 1, 31, 12, 30, tzinfo=dt.UTC)
VALUES: dict[str, tuple[Any, Any]] = {
    "int": (int, 3),
    "float": (float, 21.6),
    "num": ("num", 2),
    "str": (str, "it's 100%"),
    "bool": (bool, True),
    "date": (dt.date, dt.date(2026, 1, 31)),
    "datetime": (dt.datetime, WHEN),
    "dict": (dict, {"a": [1, None, {"b": "c"}]}),
    "object": (object, [1, "two"]),
    "path": (PurePosixPath, "a/b.txt"),
    "list[int]": (list[int], [3, 1, 3]),
    "list[str]": ("list[str]", ["b", "a"]),
}


def test_every_type_of_value_comes_back_as_it_was(artifact: ln.Artifact) -> None:
    for name, (dtype, _) in VALUES.items():
        assert ln.Feature(name=name, dtype=dtype).save().dtype == name
    artifact.features.add_values({name: value for name, (_, value) in VALUES.items()})
    assert artifact.features.get_values() == {name: value for name, (_, value) in sorted(VALUES.items())}
    artifact.features.add_values({"list[int]": [3, 1, 3], "int": np.int64(3), "float": np.float64(21.6)})
    assert artifact.features["int"] == 3  # said again, it is there once
    artifact.features.add_values({"int": 4})
    assert artifact.features["int"] == [3, 4]
    artifact.features.set_values({"int": 5})
    assert artifact.features.get_values() == {"int": 5}


def test_labels_are_values_too_and_may_be_several(artifact: ln.Artifact, experiments: list[ln.ULabel]) -> None:
    artifact.features.add_values({"experiment": "Experiment 1"})
    assert artifact.features.get_values() == {"experiment": "Experiment 1"}
    artifact.features.add_values({"experiment": experiments})
    assert artifact.features.get_values() == {"experiment": ["Experiment 1", "Experiment 2"]}
    assert [label.name for label in artifact.ulabels] == ["Experiment 1", "Experiment 2"]
    artifact.features.remove_values("experiment", value="Experiment 1")
    assert artifact.features.get_values() == {"experiment": "Experiment 2"}
    artifact.ulabels.add(experiments[0])  # a label that is no value stays when values go
    artifact.features.remove_values()
    assert artifact.features.get_values() == {}
    assert artifact.ulabels.one().name == "Experiment 1"


def test_records_of_any_registry_can_be_values(artifact: ln.Artifact, write: Write) -> None:
    raw = ln.Artifact(write("raw.txt", "raw")).save()
    project = ln.Project(name="Atlas").save()
    ln.Feature(name="raw data", dtype=ln.Artifact).save()
    ln.Feature(name="belongs to", dtype=ln.ULabel | ln.Project).save()
    ln.Feature(name="tags", dtype=list[ln.ULabel]).save()
    ln.ULabel.from_values(["x", "y"], create=True).save()
    artifact.features.add_values({"raw data": raw, "belongs to": "Atlas", "tags": ["x"]})
    assert artifact.features.get_values() == {"belongs to": "Atlas", "raw data": "raw.txt", "tags": ["x"]}
    assert artifact.projects.one().uid == project.uid
    assert ln.Artifact.filter(**{"raw data": "raw.txt"}).one().uid == artifact.uid
    assert ln.Artifact.filter(**{"raw data": raw}).one().uid == artifact.uid
    assert ln.Artifact.filter(**{"belongs to": project, "tags__in": ["x", "y"]}).one().uid == artifact.uid


def test_what_is_wrong_is_said_with_the_way_out_and_nothing_is_written(
    artifact: ln.Artifact, experiments: list[ln.ULabel]
) -> None:
    ln.Feature(name="temperature", dtype=float).save()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"nope": 1}, r"These keys could not be validated: \['nope'\]\nHere is how to create a feature:\n\n"
                      r"  ln.Feature\(name='nope', dtype=int\).save\(\)"),
        ({"temperature": "hot"}, "value 'hot' of feature 'temperature' is str, not float"),
        ({"temperature": True}, "is bool, not float"),
        ({"temperature": float("nan")}, "not float"),
        ({"temperature": [1.0, 2.0]}, "is list, not float"),
        ({"experiment": "Experimnet 1"}, r"These values could not be validated:\n  ULabel\[Experiment\]: "
                                         r"\['Experimnet 1'\]\nFix typos, or create records for them:"),
        ({"experiment": 1}, "is no label"),
        ({"temperature": 1.0, "nope": 1}, "could not be validated"),
    ]  # fmt: skip
    for values, message in wrong:
        with pytest.raises(ValidationError, match=message):
            artifact.features.add_values(values)
    ln.ULabel(name="of no type").save()
    with pytest.raises(ValidationError, match=r"type=ln\.ULabel\.get"):
        artifact.features.add_values({"experiment": "of no type"})
    with pytest.raises(ValidationError, match="is no value of feature"):
        artifact.features.add_values({"experiment": ln.Project(name="p").save()})
    with pytest.raises(InvalidArgument, match="no values by features"):
        artifact.features.add_values(["temperature"])
    assert artifact.features.get_values() == {}


def test_the_way_out_of_an_unknown_label_works(artifact: ln.Artifact, experiments: list[ln.ULabel]) -> None:
    with pytest.raises(ValidationError) as caught:
        artifact.features.add_values({"experiment": "new"})
    exec(str(caught.value).splitlines()[-1].strip(), {"ln": ln})
    artifact.features.add_values({"experiment": "new"})
    assert artifact.features["experiment"] == "new"


def test_artifacts_are_found_by_features(artifact: ln.Artifact, experiments: list[ln.ULabel], write: Write) -> None:
    other = ln.Artifact(write("b.txt", "b")).save()
    for name, (dtype, value) in VALUES.items():
        ln.Feature(name=f"f_{name.partition('[')[0]}" if name != "list[str]" else "f_words", dtype=dtype).save()
        artifact.features.add_values({f"f_{name.partition('[')[0]}" if name != "list[str]" else "f_words": value})
    artifact.features.add_values({"experiment": "Experiment 1"})
    found: list[dict[str, Any]] = [
        {"f_float__gt": 20}, {"f_float": 21.6}, {"f_float__range": (21, 22)}, {"f_int__in": [1, 3]}, {"f_bool": True},
        {"f_str__contains": "100%"}, {"f_str__istartswith": "IT"}, {"f_date": dt.date(2026, 1, 31)},
        {"f_date__gte": "2026-01-01"}, {"f_datetime__lt": WHEN + dt.timedelta(seconds=1)}, {"f_dict__a__isnull": False},
        {"f_list": 1}, {"f_words__contains": "a"}, {"f_int__isnull": False}, {"experiment__contains": "ment 1"},
        {"experiment": "Experiment 1"}, {"experiment": experiments[0]}, {"experiment__in": experiments},
        {"experiment__type__name": "Experiment"}, {"experiment__isnull": False, "f_int": 3, "key": "a.txt"},
    ]  # fmt: skip
    for lookups in found:
        assert [one.uid for one in ln.Artifact.filter(**lookups)] == [artifact.uid], lookups
        assert [one.uid for one in ln.Artifact.features.filter(**lookups)] == [artifact.uid], lookups
    missing: list[dict[str, Any]] = [
        {"f_float__gt": 22}, {"f_bool": False}, {"f_date__gt": dt.date(2026, 1, 31)}, {"experiment": "Experiment 2"},
        {"experiment": experiments[1]}, {"f_list": 2}, {"f_int__isnull": True, "key": "a.txt"},
    ]  # fmt: skip
    for lookups in missing:
        assert ln.Artifact.filter(**lookups).count() == 0, lookups
    assert ln.Artifact.filter(experiment__isnull=True).one().uid == other.uid
    assert ln.Artifact.features.get(experiment__contains="1").uid == artifact.uid
    assert ln.ULabel.filter(artifacts__f_int=3).one().name == "Experiment 1"
    with pytest.raises(InvalidArgument, match="did you mean f_float"):
        ln.Artifact.filter(f_flaot__gt=1)
    with pytest.raises(InvalidArgument, match="needs a number"):
        ln.Artifact.filter(f_float__gt="warm")
    with pytest.raises(InvalidArgument, match="is no lookup for feature"):
        ln.Artifact.filter(f_date__startswith="2026")


def test_runs_have_features_and_labels_too(instance: Instance, experiments: list[ln.ULabel]) -> None:
    ln.Feature(name="lane", dtype=int).save()
    with ln.run("analysis") as run:
        pass
    run.features.add_values({"lane": 4, "experiment": "Experiment 1"})
    assert run.features.get_values() == {"experiment": "Experiment 1", "lane": 4}
    assert ln.Run.filter(lane=4, experiment__contains="1").one().uid == run.uid
    run.labels.add(experiments[1])
    assert [label.name for label in run.ulabels.order_by("name")] == ["Experiment 1", "Experiment 2"]
    assert ln.ULabel.get(name="Experiment 2").runs.one().uid == run.uid
    run.transform.labels.add(experiments[0])
    assert run.transform.ulabels.one().name == "Experiment 1"


def test_labels_are_added_as_values_asked_for_and_removed(artifact: ln.Artifact, experiments: list[ln.ULabel]) -> None:
    artifact.labels.add(experiments[0], feature="experiment")
    artifact.labels.add(ln.ULabel.filter(name="Experiment 2"))
    artifact.labels.add([ln.Project(name="Atlas").save(), ln.Reference(name="a paper").save()])
    assert artifact.labels.get("experiment").one().name == "Experiment 1"
    assert artifact.labels.all() == {
        "ulabels": ["Experiment 1", "Experiment 2"],
        "projects": ["Atlas"],
        "references": ["a paper"],
    }
    artifact.labels.remove(experiments[0], feature="experiment")
    assert artifact.ulabels.one().name == "Experiment 2"
    for wrong in ("a text", 3, ["a text"], ln.Storage.first()):
        with pytest.raises(InvalidArgument, match="label"):
            artifact.labels.add(wrong)
    ln.Feature(name="n", dtype=int).save()
    with pytest.raises(InvalidArgument, match="no labels"):
        artifact.labels.add(experiments[0], feature="n")
    with pytest.raises(InvalidArgument, match="not saved"):
        artifact.labels.add(ln.ULabel(name="unsaved"))
    with pytest.raises(InvalidArgument, match="is no ULabel"):
        artifact.ulabels.add(ln.Project.get(name="Atlas"))


def test_what_events_say_and_what_people_say_live_side_by_side(
    artifact: ln.Artifact, experiments: list[ln.ULabel], instance: Instance
) -> None:
    with instance.db.writing() as session:
        session.add(ArtifactULabel(artifact_id=artifact.id, ulabel_id=experiments[0].id, origin="event"))
    artifact.ulabels.add(experiments[0])
    assert artifact.ulabels.count() == 1
    with instance.db.writing() as session:  # an event told anew replaces its own
        session.query(ArtifactULabel).filter_by(origin="event").delete()
    assert artifact.ulabels.count() == 1
    artifact.ulabels.remove(experiments[0])
    assert artifact.ulabels.count() == 0


def test_dtypes_are_named_by_types_registries_and_texts(instance: Instance) -> None:
    group = ln.ULabel(name="Perturbation", is_type=True).save()
    texts = {
        "cat[ULabel]": ln.ULabel,
        "cat[ULabel[Perturbation]]": group,
        "list[cat[ULabel]]": list[ln.ULabel],
        "cat[ULabel|Project]": ln.ULabel | ln.Project,
        "cat[Feature.name]": ln.Feature.name,
        "list[cat[ULabel[Perturbation]|Project]]": "list[cat[ULabel[Perturbation]|Project]]",
        "datetime": dt.datetime,
    }
    for text, dtype in texts.items():
        assert str(named(dtype)) == text
        assert str(parse(text)) == text
    for wrong in ("cat", "nonsense", "cat[]", "cat[ulabel]", "list[]", set, object(), "int|str", "cat[ULabel", 3):
        with pytest.raises(InvalidArgument, match="is no dtype"):
            ln.Feature(name="x", dtype=wrong)
    with pytest.raises(InvalidArgument, match="there is no registry 'Ulabel'"):
        ln.Feature(name="x", dtype="cat[Ulabel]")
    with pytest.raises(ValidationError, match="not int"):
        ln.Feature(name="x", dtype=int, default_value="a")
    ln.Feature(name="x", dtype=int, default_value=1, nullable=False).save()
    with pytest.raises(Conflict, match="is int, not str"):
        ln.Feature(name="x", dtype=str).save()


def test_a_table_of_artifacts_shows_features_and_labels(artifact: ln.Artifact, experiments: list[ln.ULabel]) -> None:
    ln.Feature(name="temperature", dtype=float).save()
    artifact.features.add_values({"temperature": 21.6, "experiment": experiments})
    table = ln.Artifact.df(features=True, include=["ulabels__name", "storage__root", "created_by__handle"])
    assert table["temperature"].tolist() == [21.6]
    assert table["experiment"].tolist() == [["Experiment 1", "Experiment 2"]]
    assert table["ulabels__name"].tolist() == [["Experiment 1", "Experiment 2"]]
    assert table["storage__root"].tolist() == [artifact.storage.root]
    assert table["created_by__handle"].tolist() == [artifact.created_by.handle]


def test_describe_shows_features_and_labels(
    artifact: ln.Artifact, experiments: list[ln.ULabel], capsys: pytest.CaptureFixture[str]
) -> None:
    ln.Feature(name="temperature", dtype=float).save()
    artifact.features.add_values({"temperature": 21.6, "experiment": experiments[0]})
    artifact.describe()
    shown = capsys.readouterr().out
    assert "Experiment 1" in shown
    assert "temperature" in shown
    assert "21.6" in shown
