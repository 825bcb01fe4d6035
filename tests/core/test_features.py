"""Values of features and labels of artifacts and runs, and queries by them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, ValidationError
from lamin_core.instance.instance import Instance
from lamin_core.models import ArtifactULabel
from lamin_core.models.dtypes import named, parse
from tests.support.statements import statements

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


def test_feature_values_of_every_type_round_trip(artifact: ln.Artifact) -> None:
    for name, (dtype, _) in VALUES.items():
        assert ln.Feature(name=name, dtype=dtype).save().dtype == name
    artifact.features.add_values({name: value for name, (_, value) in VALUES.items()})
    assert artifact.features.get_values() == {
        name: value for name, (_, value) in sorted(VALUES.items())
    }
    artifact.features.add_values(
        {"list[int]": [3, 1, 3], "int": np.int64(3), "float": np.float64(21.6)}
    )
    assert artifact.features["int"] == 3  # said again, it is there once
    artifact.features.add_values({"int": 4})
    assert artifact.features["int"] == [3, 4]
    artifact.features.set_values({"int": 5})
    assert artifact.features.get_values() == {"int": 5}


def test_labels_are_feature_values_and_may_be_several(
    artifact: ln.Artifact, experiments: list[ln.ULabel]
) -> None:
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


def test_records_of_any_registry_can_be_feature_values(artifact: ln.Artifact, write: Write) -> None:
    raw = ln.Artifact(write("raw.txt", "raw")).save()
    project = ln.Project(name="Atlas").save()
    ln.Feature(name="raw data", dtype=ln.Artifact).save()
    ln.Feature(name="belongs to", dtype=ln.ULabel | ln.Project).save()
    ln.Feature(name="tags", dtype=list[ln.ULabel]).save()
    ln.ULabel.from_values(["x", "y"], create=True).save()
    artifact.features.add_values({"raw data": raw, "belongs to": "Atlas", "tags": ["x"]})
    assert artifact.features.get_values() == {
        "belongs to": "Atlas",
        "raw data": "raw.txt",
        "tags": ["x"],
    }
    assert artifact.projects.one().uid == project.uid
    assert ln.Artifact.filter(**{"raw data": "raw.txt"}).one().uid == artifact.uid
    assert ln.Artifact.filter(**{"raw data": raw}).one().uid == artifact.uid
    assert (
        ln.Artifact.filter(**{"belongs to": project, "tags__in": ["x", "y"]}).one().uid
        == artifact.uid
    )


def test_invalid_values_raise_with_a_hint_and_write_nothing(
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
        ({"experiment": 1}, "is not a label"),
        ({"temperature": 1.0, "nope": 1}, "could not be validated"),
    ]  # fmt: skip
    for values, message in wrong:
        with pytest.raises(ValidationError, match=message):
            artifact.features.add_values(values)
    ln.ULabel(name="of no type").save()
    with pytest.raises(ValidationError, match=r"type=ln\.ULabel\.get"):
        artifact.features.add_values({"experiment": "of no type"})
    with pytest.raises(ValidationError, match="not a value of feature"):
        artifact.features.add_values({"experiment": ln.Project(name="p").save()})
    with pytest.raises(InvalidArgument, match="not a dict of values by feature"):
        artifact.features.add_values(["temperature"])  # type: ignore[arg-type]
    assert artifact.features.get_values() == {}


def test_hint_for_an_unknown_label_works(
    artifact: ln.Artifact, experiments: list[ln.ULabel]
) -> None:
    with pytest.raises(ValidationError) as caught:
        artifact.features.add_values({"experiment": "new"})
    exec(str(caught.value).splitlines()[-1].strip(), {"ln": ln})
    artifact.features.add_values({"experiment": "new"})
    assert artifact.features["experiment"] == "new"


def test_artifacts_are_filtered_by_features(
    artifact: ln.Artifact, experiments: list[ln.ULabel], write: Write
) -> None:
    other = ln.Artifact(write("b.txt", "b")).save()
    for name, (dtype, value) in VALUES.items():
        ln.Feature(
            name=f"f_{name.partition('[')[0]}" if name != "list[str]" else "f_words", dtype=dtype
        ).save()
        artifact.features.add_values(
            {f"f_{name.partition('[')[0]}" if name != "list[str]" else "f_words": value}
        )
    artifact.features.add_values({"experiment": "Experiment 1"})
    matching: list[dict[str, Any]] = [
        {"f_float__gt": 20}, {"f_float": 21.6}, {"f_float__range": (21, 22)}, {"f_int__in": [1, 3]}, {"f_bool": True},
        {"f_str__contains": "100%"}, {"f_str__istartswith": "IT"}, {"f_date": dt.date(2026, 1, 31)},
        {"f_date__gte": "2026-01-01"}, {"f_datetime__lt": WHEN + dt.timedelta(seconds=1)}, {"f_dict__a__isnull": False},
        {"f_list": 1}, {"f_words__contains": "a"}, {"f_int__isnull": False}, {"experiment__contains": "ment 1"},
        {"experiment": "Experiment 1"}, {"experiment": experiments[0]}, {"experiment__in": experiments},
        {"experiment__type__name": "Experiment"}, {"experiment__isnull": False, "f_int": 3, "key": "a.txt"},
    ]  # fmt: skip
    for lookups in matching:
        assert [match.uid for match in ln.Artifact.filter(**lookups)] == [artifact.uid], lookups
        assert [match.uid for match in ln.Artifact.features.filter(**lookups)] == [artifact.uid], (
            lookups
        )
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
    with pytest.raises(InvalidArgument, match="not a lookup for feature"):
        ln.Artifact.filter(f_date__startswith="2026")


def test_runs_have_features_and_labels(instance: Instance, experiments: list[ln.ULabel]) -> None:
    ln.Feature(name="lane", dtype=int).save()
    with ln.run("analysis") as run:
        pass
    run.features.add_values({"lane": 4, "experiment": "Experiment 1"})
    assert run.features.get_values() == {"experiment": "Experiment 1", "lane": 4}
    assert ln.Run.filter(lane=4, experiment__contains="1").one().uid == run.uid
    run.labels.add(experiments[1])
    assert [label.name for label in run.ulabels.order_by("name")] == [
        "Experiment 1",
        "Experiment 2",
    ]
    assert ln.ULabel.get(name="Experiment 2").runs.one().uid == run.uid
    run.transform.labels.add(experiments[0])
    assert run.transform.ulabels.one().name == "Experiment 1"


def test_labels_are_added_as_values_queried_and_removed(
    artifact: ln.Artifact, experiments: list[ln.ULabel]
) -> None:
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
            artifact.labels.add(wrong)  # type: ignore[arg-type]
    ln.Feature(name="n", dtype=int).save()
    with pytest.raises(InvalidArgument, match="not labels"):
        artifact.labels.add(experiments[0], feature="n")
    with pytest.raises(InvalidArgument, match="not saved"):
        artifact.labels.add(ln.ULabel(name="unsaved"))
    with pytest.raises(InvalidArgument, match="not a record of ULabel"):
        artifact.ulabels.add(ln.Project.get(name="Atlas"))  # type: ignore[arg-type]


def test_labels_from_events_and_from_users_are_separate(
    artifact: ln.Artifact, experiments: list[ln.ULabel], instance: Instance
) -> None:
    with instance.db.writing() as session:
        session.add(
            ArtifactULabel(artifact_id=artifact.id, ulabel_id=experiments[0].id, origin="event")
        )
    artifact.ulabels.add(experiments[0])
    assert artifact.ulabels.count() == 1
    with instance.db.writing() as session:  # an event told anew replaces its own
        session.query(ArtifactULabel).filter_by(origin="event").delete()
    assert artifact.ulabels.count() == 1
    artifact.ulabels.remove(experiments[0])
    assert artifact.ulabels.count() == 0


def test_dtypes_are_given_as_types_registries_and_texts(instance: Instance) -> None:
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
    for wrong in (
        "cat",
        "nonsense",
        "cat[]",
        "cat[ulabel]",
        "list[]",
        set,
        object(),
        "int|str",
        "cat[ULabel",
        3,
    ):
        with pytest.raises(InvalidArgument, match="not a dtype"):
            ln.Feature(name="x", dtype=wrong)
    with pytest.raises(InvalidArgument, match="there is no registry 'Ulabel'"):
        ln.Feature(name="x", dtype="cat[Ulabel]")
    with pytest.raises(ValidationError, match="not int"):
        ln.Feature(name="x", dtype=int, default_value="a")
    ln.Feature(name="x", dtype=int, default_value=1, nullable=False).save()
    with pytest.raises(Conflict, match="is int, not str"):
        ln.Feature(name="x", dtype=str).save()


def test_data_frame_of_artifacts_shows_features_and_labels(
    artifact: ln.Artifact, experiments: list[ln.ULabel]
) -> None:
    ln.Feature(name="temperature", dtype=float).save()
    artifact.features.add_values({"temperature": 21.6, "experiment": experiments})
    table = ln.Artifact.df(
        features=True, include=["ulabels__name", "storage__root", "created_by__handle"]
    )
    assert table["temperature"].tolist() == [21.6]
    assert table["experiment"].tolist() == [["Experiment 1", "Experiment 2"]]
    assert table["ulabels__name"].tolist() == [["Experiment 1", "Experiment 2"]]
    assert table["storage__root"].tolist() == [artifact.storage.root]
    assert table["created_by__handle"].tolist() == [artifact.created_by.handle]


def test_feature_named_like_a_field_has_its_own_column(
    artifact: ln.Artifact,
) -> None:
    names = [name for name in ln.Artifact.df().columns if name != "is_latest"]
    ln.save([ln.Feature(name=name, dtype=str) for name in names])
    before = ln.Artifact.df(include="storage__root")
    artifact.features.add_values({name: f"value of {name}" for name in names})
    table = ln.Artifact.df(include="storage__root", features=True)
    assert table["uid"].tolist() == [artifact.uid]
    for name in before.columns:
        assert table[name].astype(object).equals(before[name].astype(object)), name
    for name in names:
        assert table[f"features__{name}"].tolist() == [f"value of {name}"]


def test_data_frame_has_only_the_named_features(artifact: ln.Artifact) -> None:
    ln.save([ln.Feature(name=name, dtype=float) for name in ("alpha", "beta", "gamma")])
    artifact.features.add_values({"alpha": 1.0, "beta": 2.0})
    plain = ln.Artifact.df()
    assert ln.Artifact.df(features=["beta", "gamma"]).columns.tolist() == [
        *plain.columns,
        "beta",
        "gamma",
    ]
    assert ln.Artifact.filter().df(features="alpha")["alpha"].tolist() == [1.0]
    for choice in ({"include": "features"}, {"include": ["features", "run__uid"]}):
        table = ln.Artifact.df(**choice)
        assert (table["alpha"].tolist(), table["beta"].tolist()) == ([1.0], [2.0])
        assert "features" not in table
    assert ln.Artifact.df(features=False).columns.tolist() == plain.columns.tolist()
    assert ln.Artifact.df(features=[]).columns.tolist() == plain.columns.tolist()
    with pytest.raises(InvalidArgument, match="no feature is called 'alpa'") as error:
        ln.Artifact.df(features=["alpa"])
    assert error.value.hint == "did you mean alpha?"
    wrong: Any
    for wrong in (3, [3], None):
        with pytest.raises(InvalidArgument):
            ln.Artifact.df(features=wrong)


def test_schema_data_frame_includes_its_own_features_relation(instance: Instance) -> None:
    features = [ln.Feature(name=name, dtype=float).save() for name in ("alpha", "beta")]
    ln.Schema(features=features, name="both").save()
    assert ln.Schema.df(include="features")["features"].tolist() == [["alpha", "beta"]]


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
    many = ln.ULabel.from_values([f"label {n}" for n in range(1_000)], create=True).save()
    artifact.ulabels.add(*many)
    artifact.describe()
    shown = capsys.readouterr().out
    assert "label 0, label 1, label 10" in shown
    assert "... and 981 more" in shown  # and Experiment 1


ALL = {
    "i": (int, 1), "f": (float, 2.0), "s": (str, "x"), "b": (bool, False), "d": (dt.date, dt.date(2026, 1, 31)),
    "t": (dt.datetime, WHEN), "j": (dict, {"a": {"b": 1.5}}), "ints": (list[int], [2, 1]),
}  # fmt: skip


@pytest.fixture
def annotated(artifact: ln.Artifact) -> ln.Artifact:
    """An artifact that has a value of each plain type."""
    ln.save([ln.Feature(name=name, dtype=dtype) for name, (dtype, _) in ALL.items()])
    artifact.features.add_values({name: value for name, (_, value) in ALL.items()})
    return artifact


def test_float_value_stays_a_float(annotated: ln.Artifact) -> None:
    assert {name: type(value) for name, value in annotated.features.get_values().items()}[
        "f"
    ] is float
    assert annotated.features.get("f") == 2.0
    assert annotated.features.get("none", "nothing") == "nothing"
    with pytest.raises(KeyError):
        annotated.features["none"]


def test_one_invalid_value_of_many_writes_nothing(annotated: ln.Artifact) -> None:
    before = annotated.features.get_values()
    good: dict[str, Any] = {
        "i": 7,
        "f": 7.0,
        "s": "seven",
        "b": True,
        "d": "2026-07-07",
        "t": WHEN,
        "ints": [7],
    }
    bad: list[tuple[dict[Any, Any], str]] = [
        ({"j": {"a": object()}}, "is a dict with parts that JSON has not, not dict"),
        ({"j": {1: 2}}, "parts that JSON has not"), ({"i": 2**70}, "is too large, not int"),
        ({"i": None}, r"is NoneType, not int\n  hint: leave it out; features.remove_values\('i'\)"),
        ({"t": pd.NaT}, "is NaTType, not datetime"), ({"d": pd.NaT}, "not date"), ({"f": np.nan}, "is nan, not float"),
        ({"s": "a\0b"}, "not str"), ({"s": b"x"}, "is bytes, not str"), ({"d": WHEN}, "is datetime, not date"),
        ({"ints": [1, "2"]}, "is str, not int"), ({"i": np.array([1, 2])}, "is ndarray, not int"),
        ({"none": 1}, "could not be validated"), ({"b": 1}, "is int, not bool"), ({3: 1}, "could not be validated"),
    ]  # fmt: skip
    for values, message in bad:
        for write in (annotated.features.add_values, annotated.features.set_values):
            with pytest.raises(ValidationError, match=message):
                write({**good, **values})
        assert annotated.features.get_values() == before, values


def test_arrays_columns_and_query_sets_are_several_values(
    artifact: ln.Artifact, experiments: list[ln.ULabel], write: Write
) -> None:
    for name, dtype in (
        ("ints", list[int]),
        ("words", list[str]),
        ("label", ln.ULabel),
        ("when", dt.datetime),
    ):
        ln.Feature(name=name, dtype=dtype).save()
    names = ["Experiment 2", "Experiment 1"]
    several: list[dict[str, Any]] = [
        {"ints": np.array([2, 1])}, {"words": pd.Series(["b", "a"])}, {"label": np.array(names)},
        {"label": pd.Series(names).astype("category")}, {"label": pd.Index(names)}, {"ints": (2, 1)},
    ]  # fmt: skip
    for values in several:
        artifact.features.set_values(values)
        (value,) = artifact.features.get_values().values()
        assert value in ([2, 1], ["b", "a"], names)
    artifact.features.set_values({"label": ln.ULabel.filter(name="Experiment 1")})
    assert artifact.features["label"] == "Experiment 1"
    none: list[Any] = [[], np.array([]), ln.ULabel.filter(name="none"), set()]
    for nothing in none:
        artifact.features.set_values({"label": nothing})
        assert artifact.features.get_values() == {}
    artifact.features.set_values({"when": np.datetime64("2026-01-31T12:30")})
    assert artifact.features["when"] == WHEN


def test_label_record_must_be_of_the_type_of_the_feature(
    artifact: ln.Artifact, experiments: list[ln.ULabel]
) -> None:
    group = ln.ULabel.get(name="Experiment")
    inner = ln.ULabel(name="Pilot", type=group, is_type=True).save()
    pilot, stray = ln.ULabel(name="Pilot 1", type=inner).save(), ln.ULabel(name="stray").save()
    artifact.features.add_values({"experiment": [pilot, "Experiment 1"]})
    assert artifact.features["experiment"] == ["Pilot 1", "Experiment 1"]
    for write in (lambda: artifact.features.add_values({"experiment": stray}),
                  lambda: artifact.labels.add(stray, feature="experiment")):  # fmt: skip
        with pytest.raises(
            ValidationError, match=r"not a value of feature.*\n  hint: .*of the type 'Experiment'"
        ):
            write()
    assert artifact.features["experiment"] == ["Pilot 1", "Experiment 1"]


def test_other_records_are_named_by_key_or_uid(artifact: ln.Artifact, write: Write) -> None:
    raw = ln.Artifact(write("raw.txt", "1")).save()
    newer = ln.Artifact(write("raw.txt", "2")).save()
    with ln.run("measure.py") as run:
        pass
    ln.save([ln.Feature(name="raw", dtype=ln.Artifact), ln.Feature(name="run", dtype=ln.Run)])
    for value, meant in ((raw.uid, raw), ("raw.txt", newer), (newer, newer)):
        artifact.features.set_values({"raw": value})
        assert ln.Artifact.features.filter(raw=meant).one() == artifact
    artifact.features.set_values({"run": run.uid})
    assert ln.Artifact.features.filter(run=run).one() == artifact
    with pytest.raises(
        ValidationError,
        match=r"Artifact: \['none'\].*\n.*\n\n  ln.Artifact\(\.\.\.\)\.save\(\), then",
    ):
        artifact.features.set_values({"raw": "none"})
    with pytest.raises(InvalidArgument, match="not a value of feature 'raw'"):
        ln.Artifact.features.filter(raw=run)


def test_feature_values_can_be_filtered_by_parts_of_times(annotated: ln.Artifact) -> None:
    holding: list[dict[str, Any]] = [
        {"t__date": "2026-01-31"}, {"t__date__lte": dt.date(2026, 1, 31)}, {"t__year": 2026}, {"t__month__in": [1, 2]},
        {"t__day__gt": 30}, {"t__hour": 12}, {"t__minute__range": (30, 31)}, {"d__year__gte": 2026}, {"d__month": 1},
        {"j__a__b__gt": 1}, {"b": False}, {"b": 0}, {"f": 2}, {"i__in": [1, 5]}, {"ints": 2},
    ]  # fmt: skip
    missing: list[dict[str, Any]] = [
        {"t__date": "2026-02-01"}, {"t__year__lt": 2026}, {"t__month__gt": 1}, {"d__day__lt": 31}, {"b": True},
        {"i": None},
    ]  # fmt: skip
    for lookups in holding:
        assert ln.Artifact.filter(**lookups).one() == annotated, lookups
    for lookups in missing:
        assert not ln.Artifact.filter(**lookups).exists(), lookups
    for lookups, message in (
        ({"t__year": "x"}, "whole number"),
        ({"t__date": 3}, "a day"),
        ({"b": "yes"}, "True or"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            ln.Artifact.filter(**lookups)


ODD = [
    "a__b",
    "with space",
    "ünï",
    "'; DROP",
    "a.b",
    "__x",
    "x__gt",
    "in",
    "\\",
    "日本",
    "key",
    "%s",
    ":p",
]


def test_features_may_have_any_name(artifact: ln.Artifact) -> None:
    ln.save([ln.Feature(name=name, dtype=int) for name in ODD])
    artifact.features.add_values(dict.fromkeys(ODD, 3))
    assert artifact.features.get_values() == dict.fromkeys(sorted(ODD), 3)
    for name in ODD:
        assert ln.Artifact.features.filter(**{name: 3, f"{name}__gt": 2}).one() == artifact, name
        assert ln.Artifact.filter(ln.Feature.get(name=name) == 3).one() == artifact, name


def test_ten_thousand_values_need_few_statements(artifact: ln.Artifact, instance: Instance) -> None:
    names = [f"label {n}" for n in range(10_000)]
    ln.ULabel.from_values(names, create=True).save()
    ln.save([ln.Feature(name="label", dtype=ln.ULabel), ln.Feature(name="ints", dtype=list[int])])
    with statements(instance.db) as sent:
        artifact.features.add_values({"label": names, "ints": list(range(10_000))})
    assert len(sent) < 20
    assert artifact.features["label"] == names
    assert artifact.features["ints"] == list(range(10_000))
    with pytest.raises(ValidationError) as caught:
        artifact.features.add_values({"label": [f"none {n}" for n in range(10_000)]})
    assert len(str(caught.value)) < 1_000
    assert "from_values(names, create=True)" in str(caught.value)


def test_concurrent_threads_add_each_value_once(artifact: ln.Artifact) -> None:
    ln.Feature(name="word", dtype=str).save()

    def say(_: int) -> None:
        for n in range(10):
            artifact.features.add_values({"word": f"word {n}"})
            artifact.ulabels.add(ln.ULabel(name=f"label {n}").save())

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(say, range(4)))
    assert sorted(artifact.features["word"]) == [f"word {n}" for n in range(10)]
    assert artifact.ulabels.count() == ln.ULabel.count() == 10
