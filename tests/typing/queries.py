"""The types of query results for mypy and basedpyright; never run."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd

import lamin_core as ln
from lamin_core.models import Artifact, QuerySet, Run, Transform, ULabel
from lamin_core.models.interfaces import RecordList
from lamin_core.models.names import Inspection, Lookup


def registries() -> None:
    assert_type(ln.Artifact.filter(key="a.csv"), QuerySet[Artifact])
    assert_type(ln.Artifact.filter(ln.Q(key="a.csv") | ~ln.Q(kind="dataset")), QuerySet[Artifact])
    assert_type(ln.Artifact.exclude(key="a.csv"), QuerySet[Artifact])
    assert_type(ln.Artifact.all(), QuerySet[Artifact])
    assert_type(ln.Artifact.distinct(), QuerySet[Artifact])
    assert_type(ln.Artifact.order_by("-created_at"), QuerySet[Artifact])
    assert_type(ln.Artifact.search("raw"), QuerySet[Artifact])
    assert_type(ln.Artifact.trash(), QuerySet[Artifact])
    assert_type(ln.Artifact.get("abcd"), Artifact)
    assert_type(ln.Artifact.one(key="a.csv"), Artifact)
    assert_type(ln.Artifact.one_or_none(key="a.csv"), Artifact | None)
    assert_type(ln.Artifact.first(), Artifact | None)
    assert_type(ln.Artifact.last(), Artifact | None)
    assert_type(ln.Artifact.count(), int)
    assert_type(ln.Artifact.exists(), bool)
    assert_type(ln.Artifact.df(), pd.DataFrame)
    assert_type(ln.Artifact.to_dataframe(), pd.DataFrame)
    assert_type(ln.Run.filter(status="failed"), QuerySet[Run])
    assert_type(ln.Transform.get(key="a.py"), Transform)


def query_sets() -> None:
    artifacts = ln.Artifact.filter(key__startswith="raw/")
    assert_type(artifacts.filter(kind="dataset"), QuerySet[Artifact])
    assert_type(artifacts.exclude(kind="dataset").order_by("key").reverse(), QuerySet[Artifact])
    assert_type(artifacts.having(temperature__gt=20), QuerySet[Artifact])
    assert_type(artifacts.search("raw"), QuerySet[Artifact])
    assert_type(artifacts.all().distinct(), QuerySet[Artifact])
    assert_type(artifacts.get(key="raw/a.csv"), Artifact)
    assert_type(artifacts.one(), Artifact)
    assert_type(artifacts.one_or_none(), Artifact | None)
    assert_type(artifacts.first(), Artifact | None)
    assert_type(artifacts.last(), Artifact | None)
    assert_type(artifacts[0], Artifact)
    assert_type(artifacts[:10], list[Artifact])
    assert_type([artifact for artifact in artifacts], list[Artifact])  # noqa: C416 - what iterating gives
    assert_type(list(artifacts), list[Artifact])
    assert_type(artifacts.list(), list[Artifact])
    assert_type(artifacts.to_list(), list[Artifact])
    assert_type(artifacts.to_list("key"), list[Any])
    assert_type(artifacts.values_list("key", "size"), list[tuple[Any, ...]])
    assert_type(artifacts.values_list("key", flat=True), list[Any])
    assert_type(len(artifacts), int)
    assert_type(artifacts.count(), int)
    assert_type(artifacts.exists(), bool)
    assert_type(artifacts.df(), pd.DataFrame)
    assert_type(artifacts.df(limit=3, include="created_by__handle").head(), pd.DataFrame)
    assert_type(artifacts.to_dataframe(), pd.DataFrame)
    assert_type(artifacts.update(description="x"), int)
    assert_type(artifacts.delete(), int)


def misspelled() -> None:
    """A checker finds what is misspelled."""
    ln.Artifact.filter().frist()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    ln.Artifact.get("abcd").kee  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue] # noqa: B018


def names() -> None:
    assert_type(ln.ULabel.lookup(), Lookup[ULabel])
    assert_type(ln.ULabel.lookup().dmso, ULabel)
    assert_type(ln.ULabel.lookup()["DMSO"], ULabel)
    assert_type(ln.ULabel.lookup(ln.ULabel.name, return_field="uid"), Lookup[Any])
    assert_type(ln.ULabel.filter(is_type=False).lookup("name"), Lookup[ULabel])
    assert_type(ln.ULabel.inspect(["DMSO"]), Inspection)
    assert_type(ln.ULabel.inspect(["DMSO"], ln.ULabel.name).frac_validated, float)
    assert_type(ln.ULabel.validate(["DMSO"]), npt.NDArray[np.bool_])
    assert_type(ln.ULabel.standardize(["dmso"]), list[str])
    assert_type(ln.ULabel.standardize(["dmso"], return_mapper=True), dict[str, str])
    assert_type(ln.ULabel.from_values(["DMSO"], create=True), RecordList[ULabel])
    assert_type(ln.ULabel.from_values(["DMSO"], create=True).save(), RecordList[ULabel])
    assert_type(ln.ULabel.from_values(["DMSO"])[0], ULabel)
