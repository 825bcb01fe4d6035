"""Features compared with values: conditions that are joined with each other and with lookups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance

Write = Callable[[str, str], Path]


@pytest.fixture
def measured(instance: Instance, write: Write) -> dict[str, ln.Feature]:
    """Three artifacts: a is warm, b is cold, of c nothing is known; and the features by name."""
    ln.ULabel.from_values(["IFNG", "DMSO"], create=True).save()
    dtypes: dict[str, Any] = {
        "temperature": float, "donor": str, "day": dt.date, "is_done": bool, "treated": ln.ULabel, "key": int,
        "lane": int,
    }  # fmt: skip
    features = {name: ln.Feature(name=name, dtype=dtype).save() for name, dtype in dtypes.items()}
    values_by_artifact: dict[str, dict[str, Any]] = {
        "a": {
            "temperature": 37.0,
            "donor": "D0001",
            "day": "2026-01-31",
            "is_done": True,
            "treated": "IFNG",
            "key": 1,
        },
        "b": {
            "temperature": 4.0,
            "donor": "d0002",
            "day": "2026-02-01",
            "is_done": False,
            "treated": ["DMSO", "IFNG"],
        },
        "c": {},
    }
    for name, values in values_by_artifact.items():
        artifact = ln.Artifact(write(f"{name}.txt", name)).save()
        artifact.features.add_values(values)
    return features


def keys(*conditions: Any, **lookups: Any) -> str:
    return "".join(
        sorted(artifact.key[0] for artifact in ln.Artifact.filter(*conditions, **lookups))
    )


def test_features_can_be_compared_with_values(measured: dict[str, ln.Feature]) -> None:
    temperature, donor, day, is_done, treated = list(measured.values())[:5]
    dmso = ln.ULabel.get(name="DMSO")
    expected: list[tuple[Any, str]] = [
        (temperature == 37, "a"), (temperature != 37, "bc"), (temperature > 4, "a"), (temperature >= 4, "ab"),
        (temperature < 37, "b"), (temperature <= 37.0, "ab"), (temperature.in_([4, 5]), "b"),
        (temperature.between(0, 10), "b"), (temperature.is_null(), "c"), (temperature.is_null(False), "ab"),
        (temperature == None, "c"), (temperature != None, "ab"),  # noqa: E711 - as people write it
        (donor.startswith("D"), "a"), (donor.contains("000"), "ab"), (donor.icontains("D0"), "ab"),
        (donor.endswith("2"), "b"), (donor == "D0001", "a"), (day > dt.date(2026, 1, 31), "b"),
        (day <= "2026-01-31", "a"),
        (is_done == True, "a"), (is_done == False, "b"),  # noqa: E712 - as people write it
        (treated == "IFNG", "ab"), (treated == dmso, "b"), (treated != dmso, "ac"), (treated.in_(["DMSO"]), "b"),
        (treated.contains("MS"), "b"),
    ]  # fmt: skip
    for condition, expected_keys in expected:
        assert keys(condition) == expected_keys, condition


def test_conditions_are_joined_with_each_other_and_with_lookups(
    measured: dict[str, ln.Feature],
) -> None:
    temperature, donor, treated = measured["temperature"], measured["donor"], measured["treated"]
    assert keys((temperature > 0) & (donor == "D0001")) == "a"
    assert keys((temperature > 30) | temperature.is_null()) == "ac"
    assert keys(~(temperature > 30)) == "bc"
    assert keys(~((temperature > 30) | (donor == "d0002"))) == "c"
    assert keys(temperature > 0, treated == "IFNG", key__startswith="b") == "b"
    assert keys(ln.Q(key="c.txt") | (temperature > 30)) == "ac"
    assert keys((temperature > 30) & ~ln.Q(key="a.txt")) == ""
    assert ln.Artifact.exclude(temperature > 30).count() == 2
    assert ln.Artifact.filter(key__endswith=".txt").filter(temperature < 30).one().key == "b.txt"
    assert keys(measured["key"] == 1) == "a"  # the feature, though a field is called the same
    assert ln.ULabel.filter(artifacts__in=ln.Artifact.filter(temperature > 30)).one().name == "IFNG"


def test_runs_are_filtered_by_features(measured: dict[str, ln.Feature]) -> None:
    with ln.run("measure.py") as run:
        pass
    run.features.add_values({"lane": 3})
    lane = measured["lane"]
    assert ln.Run.filter((lane > 2) & (lane < 4), transform__key="measure.py").one() == run
    assert ln.Artifact.filter(lane == 3).count() == 0
    with pytest.raises(InvalidArgument, match="a ULabel has no values of features"):
        ln.ULabel.filter(lane == 3)


def test_condition_has_no_truth_value(measured: dict[str, ln.Feature]) -> None:
    temperature = measured["temperature"]
    for wrong in (
        lambda: bool(temperature == 3),
        lambda: (temperature > 3) and (temperature < 5),
        lambda: 3 < temperature < 5,
        lambda: not ln.Q(key="a"),
        lambda: temperature in ["temperature"],
    ):
        with pytest.raises(
            InvalidArgument, match=r"is neither true nor false\n  hint: .*join with & | ~"
        ):
            wrong()
    assert repr((temperature > 3) & ~ln.Q(key="a")) == "(('temperature' gt 3) & ~Q(key='a'))"
    with pytest.raises(InvalidArgument, match="needs a number"):
        ln.Artifact.filter(temperature > "warm")
    with pytest.raises(InvalidArgument, match="is not saved"):
        ln.Artifact.filter(ln.Feature(name="unsaved", dtype=int) == 1)


def test_records_are_equal_if_they_are_the_same_row(measured: dict[str, ln.Feature]) -> None:
    temperature = measured["temperature"]
    assert temperature == ln.Feature.get(name="temperature")
    assert temperature != measured["lane"]
    assert temperature in list(ln.Feature.all())
    assert len({*ln.Feature.all(), *ln.Feature.all(), *measured.values()}) == len(measured)
    dmso = ln.ULabel.get(name="DMSO")
    assert dmso == ln.ULabel.get(name="DMSO")
    assert dmso != ln.ULabel.get(name="IFNG")
    assert dmso != ln.Project(name="DMSO").save()
    assert dmso in ln.Artifact.get(key="b.txt").ulabels.all().to_list()
    assert dmso != "DMSO"
    new = ln.ULabel(name="new")
    labels = {new}
    assert new != ln.ULabel(name="new")
    new.save()
    assert new in labels  # nothing that was known before it was saved forgets it
    assert new == ln.ULabel.get(name="new")
