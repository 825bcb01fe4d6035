"""Registries: what they all can, how they are shown, and what is told about what they cannot."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, MultipleFound, NotFound
from lamin_core.instance.instance import Instance
from lamin_core.models import Registry

Write = Callable[[str, str], Path]

REGISTRIES: list[type[Registry]] = [
    *(ln.Artifact, ln.Collection, ln.Environment, ln.Feature, ln.Project, ln.Reference, ln.Run),
    *(ln.Schema, ln.Storage, ln.Transform, ln.ULabel, ln.User),
]


@pytest.fixture
def filled(instance: Instance, write: Write) -> Instance:
    """Something in every registry."""
    feature = ln.Feature(name="n", dtype=int).save()
    ln.Schema(name="s", features=[feature]).save()
    ln.ULabel(name="l").save()
    ln.Project(name="p").save()
    ln.Reference(name="r").save()
    run = ln.track(
        ln.Transform(key="t.py", source_code="1").save(),
        params={"alpha": 0.5, "how": "fast", "deep": {"er": True}},
    )
    artifact = ln.Artifact(write("a.txt", "a")).save()
    ln.Collection([artifact], key="c").save()
    ln.finish()
    assert run.status == "completed"
    return instance


def test_every_registry_has_the_same_methods(filled: Instance) -> None:
    for registry in REGISTRIES:
        _check_words(registry)


def _check_words(registry: Any) -> None:
    record = registry.first()
    name = getattr(record, registry._name_field)
    assert (
        registry.count()
        == len(registry.all())
        == len(registry.df())
        == len(registry.to_dataframe())
        >= 1
    )
    assert registry.exists()
    assert registry.last() is not None
    assert registry.get(record.uid).uid == record.uid
    assert registry.filter(uid=record.uid).one().id == record.id
    assert registry.filter(uid=record.uid).distinct().one_or_none().id == record.id
    assert registry.exclude(uid=record.uid).filter(uid=record.uid).one_or_none() is None
    assert [row.id for row in registry.order_by("-created_at", "uid")] == [
        row.id
        for row in sorted(
            registry.all(), key=lambda record: (-record.created_at.timestamp(), record.uid)
        )
    ]
    assert registry.filter(uid__in=[record.uid]).values_list("uid", flat=True) == [record.uid]
    if name is not None:
        assert record.uid in [row.uid for row in registry.search(name)]
        assert record.uid in [row.uid for row in registry.lookup()]
        assert registry.validate([name, "none such"]).tolist() == [True, False]
        assert registry.inspect([name, "none such"]).non_validated == ["none such"]
        assert registry.standardize([name.upper(), "none such"]) == [name, "none such"]
        assert [row.uid for row in registry.from_values([name, "none such"])].count(record.uid) == 1
    with pytest.raises(InvalidArgument, match="did you mean uid"):
        registry.filter(udi="x")
    assert record.save().uid == record.uid
    assert repr(record).startswith(f"{registry.__name__}(uid=")


def test_repr_of_a_registry_lists_its_fields() -> None:
    shown = repr(ln.Artifact)
    assert shown.startswith("Artifact\n  Simple fields\n    .uid: str\n")
    for line in (
        "    .key: str",
        "    .is_latest: bool",
        "    .created_at: datetime",
        "    .n_observations: int",
    ):
        assert line in shown.splitlines()
    related = shown.split("  Relational fields\n")[1].splitlines()
    assert {"    .run: Run", "    .ulabels: ULabel", "    .input_of_runs: Run"} <= set(related)
    assert "_id:" not in shown
    assert str(ln.Artifact) == "<class 'lamin_core.models.artifact.Artifact'>"
    code = "import lamin_core as ln; import sys; sys.displayhook(ln.ULabel)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.startswith("ULabel\n  Simple fields\n    .uid: str\n")


IPYTHON = """
import json
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.lib.pretty import pretty
import lamin_core as ln

ln.ULabel(name="Candidate marker").save()
shell = InteractiveShell(user_ns={"ln": ln, "label": ln.ULabel.first(), "labels": ln.ULabel.lookup()})
typed = ["ln.Artifact.ula", "ln.Artifact.sea", "label.descript", "labels.cand", 'labels["Cand']
with provisionalcompleter():
    found = {one: [each.text for each in shell.Completer.completions(one, len(one))] for one in typed}
print(json.dumps([pretty(ln.ULabel).splitlines()[:3], found]))
"""


def test_ipython_displays_and_completes_fields_and_lookups(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    done = subprocess.run(
        [sys.executable, "-c", IPYTHON], capture_output=True, text=True, check=True
    )
    shown, completed = json.loads(done.stdout.splitlines()[-1])
    assert shown == ["ULabel", "  Simple fields", "    .uid: str"]
    assert completed == {
        "ln.Artifact.ula": ["ulabels"],
        "ln.Artifact.sea": ["search"],
        "label.descript": ["description"],
        "labels.cand": ["candidate_marker"],
        'labels["Cand': ["Candidate marker"],
    }


def test_lookup_objects_complete_names(instance: Instance) -> None:
    ln.save(
        [
            ln.ULabel(name="Candidate marker experiment"),
            ln.ULabel(name="7SK"),
            ln.ULabel(name="7-SK"),
        ]
    )
    lookup = ln.ULabel.lookup()
    assert lookup.candidate_marker_experiment.name == "Candidate marker experiment"
    assert dir(lookup) == ["candidate_marker_experiment", "dict", "ulabel_7_sk", "ulabel_7sk"]
    assert lookup["7-SK"].name == "7-SK"
    assert lookup._ipython_key_completions_() == ["Candidate marker experiment", "7SK", "7-SK"]
    assert ln.ULabel.lookup(return_field="uid").ulabel_7sk == ln.ULabel.get(name="7SK").uid
    assert ln.ULabel.filter(name__startswith="7").lookup(ln.ULabel.name).dict().keys() == {
        "ulabel_7_sk",
        "ulabel_7sk",
    }
    with pytest.raises(AttributeError, match="nothing is called"):
        lookup.none_such  # noqa: B018


def test_labels_have_types_parents_and_children(instance: Instance) -> None:
    wide, middle, narrow, other = (
        ln.ULabel(name=name).save() for name in ("wide", "middle", "narrow", "other")
    )
    narrow.parents.add(middle)
    wide.children.add(middle, other)
    assert [record.name for record in narrow.query_parents().order_by("name")] == ["middle", "wide"]
    assert [record.name for record in wide.query_children().order_by("name")] == [
        "middle",
        "narrow",
        "other",
    ]
    assert ln.ULabel.filter(parents__parents=wide).one().name == "narrow"
    assert ln.ULabel.filter(children__name="narrow").one().name == "middle"
    for below, above in ((wide, narrow), (wide, wide)):
        with pytest.raises(InvalidArgument, match="has no circles"):
            below.parents.add(above)
    narrow.parents.set([other])
    assert [record.name for record in narrow.parents] == ["other"]
    narrow.parents.clear()
    assert not narrow.parents.exists()
    kind = ln.ULabel(name="Kind", is_type=True).save()
    inner = ln.ULabel(name="Inner", is_type=True, type=kind).save()
    label = ln.ULabel(name="wide", type=inner).save()
    assert label.uid != wide.uid
    assert [record.name for record in kind.records] == ["Inner"]
    for wrong in (wide, ln.ULabel(name="unsaved", is_type=True)):
        with pytest.raises(InvalidArgument, match="not a saved type"):
            ln.ULabel(name="x", type=wrong)
    with pytest.raises(InvalidArgument, match="themselves"):
        kind.records.add(wide)


def test_synonyms_are_standardized(instance: Instance) -> None:
    ln.save([ln.ULabel(name="DMSO"), ln.ULabel(name="IFNG")])
    ln.ULabel.get(name="DMSO").add_synonym("dimethyl sulfoxide", "Dimethylsulfoxide")
    values = ["dimethyl sulfoxide", "IFNG", "ifng", "none such", None]
    assert ln.ULabel.standardize(values) == ["DMSO", "IFNG", "IFNG", "none such", None]
    assert ln.ULabel.standardize(values, return_mapper=True) == {
        "dimethyl sulfoxide": "DMSO",
        "ifng": "IFNG",
    }
    ln.ULabel.get(name="DMSO").remove_synonym("dimethyl sulfoxide")
    assert ln.ULabel.standardize(["dimethyl sulfoxide", "dimethylsulfoxide"]) == [
        "dimethyl sulfoxide",
        "DMSO",
    ]
    with pytest.raises(InvalidArgument, match="not a name"):
        ln.ULabel.get(name="DMSO").add_synonym("a|b")


def test_inspect_and_validate_report_known_and_unknown_values(instance: Instance) -> None:
    ln.save([ln.ULabel(name="DMSO"), ln.ULabel(name="IFNG")])
    result = ln.ULabel.inspect(pd.Series(["DMSO", "DMSO", "IFNJ"]))
    assert (result.validated, result.non_validated, result.frac_validated) == (
        ["DMSO"],
        ["IFNJ"],
        50.0,
    )
    assert "not: ['IFNJ']" in repr(result)
    assert ln.ULabel.validate(["DMSO", 1, None], field="name").tolist() == [True, False, False]
    with pytest.raises(InvalidArgument, match="pass a list"):
        ln.ULabel.validate("DMSO")
    with pytest.raises(InvalidArgument, match="not a list of values"):
        ln.ULabel.from_values("DMSO")


def test_conditions_can_be_combined(instance: Instance) -> None:
    ln.save(
        [
            ln.ULabel(name=name, description=text)
            for name, text in [("a", "x"), ("b", None), ("c", "z")]
        ]
    )

    def names(*conditions: Any, **lookups: Any) -> str:
        return "".join(sorted(label.name for label in ln.ULabel.filter(*conditions, **lookups)))

    assert names(ln.Q(name="a") | ln.Q(name="b")) == "ab"
    assert names((ln.Q(name="a") | ln.Q(name="b")) & ~ln.Q(description="x")) == "b"
    assert names(~ln.Q(description="x")) == "bc"  # what is not known is not "x"
    assert names(~(ln.Q(name="a") | ln.Q(description__isnull=True))) == "c"
    assert names(ln.Q(name="a", description="y")) == ""
    assert names(ln.Q(), name="a") == "a"
    assert names(ln.ULabel.name == "a") == "a"
    assert (
        "".join(label.name for label in ln.ULabel.exclude(description="x").order_by("-name"))
        == "cb"
    )
    assert (
        "".join(
            label.name for label in ln.ULabel.exclude(description="x", name="c").order_by("name")
        )
        == "abc"
    )
    with pytest.raises(InvalidArgument, match="not a condition"):
        ln.ULabel.filter("a")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="no field or lookup"):
        ln.ULabel.filter(ln.Q(name="a") & ~ln.Q(nmae="b"))


def test_queries_filter_by_parts_of_times_and_members_of_json(filled: Instance) -> None:
    run = ln.Run.filter(transform__key="t.py").one()
    at = run.created_at
    day = at.date()
    holding: list[dict[str, Any]] = [
        {"created_at__date": day}, {"created_at__date": day.isoformat()}, {"created_at__date__gte": day},
        {"created_at__date__lte": day}, {"created_at__date__in": [day]}, {"created_at__date__range": (day, day)},
        {"created_at__year": at.year}, {"created_at__month__in": [at.month]}, {"created_at__day": at.day},
        {"created_at__hour": at.hour}, {"created_at__minute__lte": at.minute}, {"created_at": at},
        {"created_at__lt": at + dt.timedelta(seconds=1)}, {"created_at__gte": at.replace(tzinfo=None)},
        {"params__alpha": 0.5}, {"params__alpha__gt": 0.1}, {"params__how": "fast"}, {"params__how__icontains": "FA"},
        {"params__deep__er": True}, {"params__none__isnull": True}, {"params__how__in": ["slow", "fast"]},
        {"params__alpha__range": (0, 1)}, {"params__isnull": False},
    ]  # fmt: skip
    missing: list[dict[str, Any]] = [
        {"created_at__date__gt": day}, {"created_at__date__lt": day}, {"created_at__year": at.year - 1},
        {"params__alpha": 1}, {"params__alpha": "0.5"}, {"params__how__gt": 0.1}, {"params__deep__er": False},
        {"params__deep__er": 1}, {"params__alpha__isnull": True}, {"params__none": 1},
    ]  # fmt: skip
    for lookups in holding:
        assert ln.Run.filter(uid=run.uid, **lookups).exists(), lookups
    for lookups in missing:
        assert not ln.Run.filter(uid=run.uid, **lookups).exists(), lookups
    assert ln.Artifact.filter(run__params__how="fast").one().key == "a.txt"
    assert ln.Artifact.order_by("run__transform__key", "-key").first().key == "a.txt"
    assert ln.Artifact.all().values_list("key", "run__transform__key") == [("a.txt", "t.py")]
    with pytest.raises(InvalidArgument, match="is not a single value"):
        ln.Artifact.order_by("ulabels__name")


def test_lookup_values_of_wrong_type_are_refused(instance: Instance) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"created_at__gt": "soon"}, "needs a moment"), ({"created_at__date": 3}, "needs a day"),
        ({"number": "two"}, "needs a whole number"), ({"number": 2**70}, "64 bits"), ({"is_latest": "x"}, "True or"),
        ({"key__in": "abc"}, "needs several values"), ({"number__range": 3}, "needs two values"),
        ({"key__isnull": "no"}, "True or False"), ({"key__regex": "("}, "regular expression"),
        ({"key": "a\0b"}, "text that a database can hold"), ({"key": "\ud800"}, "text that a database can hold"),
        ({"is_latest__contains": "x"}, "holds no text"), ({"key__contains": None}, "needs text"),
        ({"ulabels": ln.ULabel(name="unsaved")}, "is not saved"), ({"key__exact__exact": "x"}, "no field or lookup"),
    ]  # fmt: skip
    for lookups, message in wrong:
        with pytest.raises(InvalidArgument, match=message):
            ln.Artifact.filter(**lookups)


def test_lookup_with_thousands_of_values_works(instance: Instance) -> None:
    names = [f"label {n}" for n in range(12_000)]
    labels = ln.ULabel.from_values(names, create=True).save()
    assert ln.ULabel.filter(name__in=names).count() == len(names)
    assert ln.ULabel.filter(id__in=[label.id for label in labels]).count() == len(names)
    assert ln.ULabel.filter(id__in=ln.ULabel.filter(name__startswith="label 11")).count() == 1111
    assert [label.name for label in ln.ULabel.from_values(names)] == names


def test_slices_and_indexes_of_query_sets_follow_lists(instance: Instance) -> None:
    ln.save([ln.ULabel(name=name) for name in "abcde"])
    some = ln.ULabel.order_by("name")
    assert some[0].name == "a"
    assert some[-1].name == "e"
    assert [label.name for label in some[1:3]] == ["b", "c"]
    assert [label.name for label in some[3:]] == ["d", "e"]
    assert [label.name for label in some[::2]] == ["a", "c", "e"]
    assert some.last().name == some.reverse().first().name == "e"
    with pytest.raises(IndexError):
        some[5]
    assert some.to_list("name") == some.list("name") == list("abcde")


def test_existing_names_raise_conflict(instance: Instance, write: Write) -> None:
    ln.save([ln.ULabel(name="a"), ln.ULabel(name="b"), ln.Project(name="a"), ln.ULabel(name="a")])
    assert ln.ULabel.count() == 2
    label = ln.ULabel.get(name="a")
    label.name = "b"
    with pytest.raises(Conflict, match="another record has this name"):
        label.save()
    ln.save([ln.Feature(name="x", dtype=int)])
    with pytest.raises(Conflict, match="is int, not str"):
        ln.save([ln.Feature(name="y", dtype=int), ln.Feature(name="x", dtype=str)])
    assert not ln.Feature.filter(name="y").exists()  # all or nothing


def test_ambiguous_get_lists_the_matches(instance: Instance) -> None:
    ln.save([ln.ULabel(name="a"), ln.ULabel(name="b"), ln.ULabel(name="ab")])
    with pytest.raises(MultipleFound, match=r"2 ULabel records fit\n  hint: .*name='a'.*name='b'"):
        ln.ULabel.get(name__in=["a", "b"])
    with pytest.raises(NotFound, match="nearest: ab"):
        ln.ULabel.get(name="aab", description="x")


def test_versions_are_queried_by_number_or_tag(instance: Instance) -> None:
    for source, tag in (("1", "2.1"), ("2", None)):
        ln.Transform(key="t.py", source_code=source, version=tag).save()
    assert ln.Transform.get(key="t.py", version="2.1").source_code == "1"
    assert ln.Transform.get(key="t.py", version="0000").source_code == "1"
    assert ln.Transform.get(key="t.py", version="0001").source_code == "2"
    assert ln.Transform.get(key="t.py").source_code == "2"
    with pytest.raises(NotFound):
        ln.Transform.get(key="t.py", version="1")


def test_lamindb_and_current_names_of_fields_are_equivalent(filled: Instance) -> None:
    artifact = ln.Artifact.get(key="a.txt")
    assert ln.Transform.get(type="pipeline").uid == ln.Transform.get(kind="pipeline").uid
    assert ln.Run.filter(initiated_by_run__isnull=True).one().transform.key == "t.py"
    assert ln.Feature.get(dtype_as_str="int").dtype_as_str == "int"
    assert ln.Collection.filter(transform__key="t.py").one().key == "c"
    assert not ln.Artifact.filter(feature_sets__in=ln.FeatureSet.all()).exists()
    artifact.schemas.add(ln.Schema.get(name="s"))
    assert (
        ln.Artifact.filter(feature_sets__in=ln.FeatureSet.filter(features__name="n")).one().uid
        == artifact.uid
    )
    assert artifact.feature_sets.one().name == "s"


def test_schemas_are_identified_by_their_requirements(instance: Instance) -> None:
    x, y = ln.Feature(name="x", dtype=int).save(), ln.Feature(name="y", dtype=float).save()
    plain = ln.Schema([x, y], name="plain").save()
    assert (plain.itype, plain.n_members, plain.flexible) == ("Feature", 2, False)
    assert (
        ln.Schema(name="again", features=[y, x]).save().name == "plain"
    )  # a name is never overwritten
    others = [
        ln.Schema([x, y], ordered_set=True), ln.Schema([y, x], ordered_set=True), ln.Schema([x, y], maximal_set=True),
        ln.Schema([x, y.with_config(optional=True)]), ln.Schema([x, y], coerce=True), ln.Schema([x], index=y),
        ln.Schema(itype=ln.Feature), ln.Schema(itype=ln.ULabel.name, dtype=int), ln.Schema([x, y], otype="DataFrame"),
    ]  # fmt: skip
    assert len({schema.save().uid for schema in [plain, *others]}) == len(others) + 1
    assert others[5].index.name == "y"
    composite = ln.Schema(otype="AnnData", slots={"obs": plain, "var": others[6]}).save()
    assert (
        ln.FeatureSet(otype="AnnData", components={"var": others[6], "obs": plain}).save().uid
        == composite.uid
    )
    assert {slot: schema.uid for slot, schema in composite.slots.items()} == {
        "obs": plain.uid,
        "var": others[6].uid,
    }
    assert ln.Schema.filter(components=plain).one().uid == composite.uid
    assert ln.Schema.filter(features__name="y", otype="DataFrame").one().uid == others[8].uid
    table = pd.DataFrame(
        {"x": [1], "new": pd.Categorical(["a"]), "when": pd.to_datetime(["2026-01-31"])}
    )
    assert [feature.dtype for feature in ln.Feature.from_df(table).save()] == [
        "int",
        "cat[ULabel]",
        "datetime",
    ]
    assert ln.Schema.from_dataframe(table, name="of a table").save().features.count() == 3
    for wrong in (
        {},
        {"features": [x, x]},
        {"features": ["x"]},
        {"features": [ln.Feature(name="u", dtype=int)]},
    ):
        with pytest.raises(InvalidArgument):
            ln.Schema(**wrong).save()
    with pytest.raises(InvalidArgument, match="make another"):
        plain.features.add(x)


def test_describe_shows_the_fields_of_every_record(
    filled: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    for registry in REGISTRIES:
        record: Any = registry.first()
        record.describe()
        shown = capsys.readouterr().out
        assert shown.startswith(f"{registry.__name__}: ")
        assert record.uid in shown
    label, group = ln.ULabel.get(name="l"), ln.ULabel(name="group", is_type=True).save()
    narrow = ln.ULabel(name="narrow", type=group, description="of a group").save()
    narrow.parents.add(label)
    narrow.describe()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["ULabel:", "narrow"]
    for line in (["description:", "of", "a", "group"], ["type:", "group"], ["parents:", "1"]):
        assert line in lines
    ln.Collection.first().describe()
    shown = capsys.readouterr().out
    assert shown.startswith("Collection: c (version 0000)\n")
    assert shown.splitlines()[-1].split() == ["artifacts:", "1"]


def test_data_frame_begins_with_the_identifying_columns(filled: Instance) -> None:
    assert ln.Artifact.df().columns[:8].tolist() == [
        *("uid", "key", "description", "suffix", "kind"),
        *("version", "size", "hash"),
    ]
    labels = ln.ULabel.df()
    assert labels.columns[:2].tolist() == ["uid", "name"]
    assert labels["created_by"].tolist() == [label.created_by.handle for label in ln.ULabel.all()]
    group = ln.ULabel(name="group", is_type=True).save()
    ln.ULabel(name="in it", type=group).save()
    assert ln.ULabel.df().set_index("name")["type"].dropna().to_dict() == {"in it": "group"}
    assert ln.Schema.df(features=True).shape[0] == 1


def test_from_values_warns_once_about_unknown_values(
    filled: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["l", *(f"none {n}" for n in range(1_000)), None, float("nan")]
    assert [label.name for label in ln.ULabel.from_values(names)] == ["l"]
    (warning,) = caplog.messages
    assert warning.startswith("1000 of the values name no ULabel by name: 'none 0', 'none 1', ")
    assert warning.endswith(
        "..., ...; to make them: ln.ULabel.from_values(..., create=True).save()".removeprefix("...")
    )
    caplog.clear()
    assert len(ln.ULabel.from_values(["l", "m"], create=True).save()) == 2
    assert ln.Feature.from_df(pd.DataFrame({"n": [1], "o": [2]})).save()[1].name == "o"
    assert ln.ULabel.from_values([]) == ln.ULabel.from_values([None, pd.NA, pd.NaT]) == []
    assert caplog.messages == []
    wrong: list[tuple[Any, str]] = [
        ("l", "not a list of values"),
        (["x", 3], "not a name: 3"),
        (["x", ""], "not a name: ''"),
        (["x", "a\0"], "not a name"),
        ([["x"]], "not all of these are values"),
        (7, "not a list of values"),
    ]
    for values, message in wrong:
        with pytest.raises(InvalidArgument, match=message):
            ln.ULabel.from_values(values, create=True)
    with pytest.raises(
        InvalidArgument, match=r"is more than name='x'\n  hint: make each: ln.Feature"
    ):
        ln.Feature.from_values(["x"], create=True)


def test_from_values_returns_the_latest_version(filled: Instance, write: Write) -> None:
    newest = ln.Artifact(write("a.txt", "b")).save()
    assert [artifact.uid for artifact in ln.Artifact.from_values(["a.txt"])] == [newest.uid]
    newest.delete()
    assert [artifact.version for artifact in ln.Artifact.from_values(["a.txt"])] == ["0000"]


def test_names_must_be_non_blank_text(instance: Instance) -> None:
    for name in (None, 3, "", "  ", "a\0b", "\ud800", b"x"):
        for make in (lambda name: ln.ULabel(name=name), lambda name: ln.Feature(name=name, dtype=int),
                     lambda name: ln.Project(name=name), lambda name: ln.Reference(name=name)):  # fmt: skip
            with pytest.raises(InvalidArgument, match="not a name"):
                make(name)
    label = ln.ULabel(name="x" * 1_000).save()
    with pytest.raises(InvalidArgument, match="not a name"):
        label.name = " "
    label.description = "a\0b"
    with pytest.raises(
        InvalidArgument, match=r"description is not text that a database can hold: 'a.x00b'"
    ):
        label.save()
    with pytest.raises(InvalidArgument, match=r"description is not text"):
        ln.ULabel(name="y", description="\0").save()
    with pytest.raises(InvalidArgument, match=r"abbr=.* is too long\n  hint: at most 32"):
        ln.save([ln.Project(name="p"), ln.Project(name="q", abbr="q" * 33)])
    assert ln.Project.count() == 0


def test_update_of_a_query_changes_all_its_records(filled: Instance) -> None:
    ln.save([ln.ULabel(name=name) for name in "abc"])
    some = ln.ULabel.filter(name__in=["a", "b"])
    assert some.update(description="changed", is_type=True) == 2
    assert ln.ULabel.filter(description="changed", is_type=True).order_by("name").list("name") == [
        "a",
        "b",
    ]
    assert [label.name for label in ln.ULabel.search("changed")] == ["a", "b"]  # the index follows
    assert some.update(description=None) == 2
    assert some.update() == 0
    assert ln.ULabel.filter(name="a").update(name="z") == 1
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"uid": "x"}, "'uid' of ULabel cannot be changed in many"), ({"nmae": "x"}, "did you mean name"),
        ({"parents": []}, "cannot be changed in many"), ({"is_type": "x"}, "True or False"),
        ({"is_type": None}, "True or False"),
        ({"name": ""}, "not a name"), ({"description": "\0"}, "text that a database can hold"),
    ]  # fmt: skip
    for values, message in wrong:
        with pytest.raises(InvalidArgument, match=message):
            ln.ULabel.all().update(**{"description": "lost", **values})
    with pytest.raises(Conflict, match="cannot all be changed to this"):
        ln.ULabel.filter(name__in=["b", "c"]).update(name="z")
    assert not ln.ULabel.filter(description="lost").exists()
    assert ln.Artifact.filter(key="a.txt").update(description="of a") == 1
    assert ln.Artifact.get(key="a.txt").description == "of a"
    with pytest.raises(InvalidArgument, match="'key' of Artifact"):
        ln.Artifact.all().update(key="b.txt")


def test_delete_of_a_query_removes_all_its_records(filled: Instance) -> None:
    ln.save([ln.ULabel(name=name) for name in "abc"])
    assert ln.ULabel.filter(name__in=["a", "b"]).delete() == 2
    assert ln.ULabel.order_by("name").list("name") == ["c", "l"]
    with pytest.raises(Conflict, match="is used by 1 schema"):
        ln.Feature.one().delete(permanent=True)
    assert ln.Feature.count() == 1
    assert ln.Artifact.all().delete() == 1
    assert ln.Artifact.count() == 0
    assert ln.Artifact.trash().one().key == "a.txt"
    assert ln.ULabel.filter(name="none").delete() == 0


def test_unknown_name_of_the_package_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'none_such'"):
        ln.none_such  # noqa: B018
