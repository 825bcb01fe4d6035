"""The types of fields, relations and methods of records for mypy and basedpyright; never run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

import pandas as pd

import lamin_core as ln
from lamin_core.models import (
    Artifact,
    Collection,
    Environment,
    Feature,
    Project,
    QuerySet,
    Reference,
    RelatedSet,
    Run,
    Schema,
    Storage,
    Transform,
    ULabel,
    User,
)
from lamin_core.models.annotated import ByFeatures
from lamin_core.models.interfaces import (
    FeatureManager,
    HierarchyGraph,
    LabelManager,
    LineageGraph,
    RecordList,
    RunComparison,
)


def artifacts(artifact: Artifact, table: pd.DataFrame, run: Run) -> None:
    assert_type(ln.Artifact("a.csv", key="a.csv").save(), Artifact)
    assert_type(ln.Artifact.from_df(table, key="a.parquet").save(), Artifact)
    assert_type(ln.Artifact.from_dir("data"), RecordList[Artifact])
    assert_type(artifact.uid, str)
    assert_type(artifact.key, str | None)
    assert_type(artifact.created_at, datetime)
    assert_type(artifact.is_latest, bool)
    assert_type(artifact.size, int | None)
    assert_type(artifact.hash, str | None)
    assert_type(artifact.version, str)
    assert_type(artifact.run, Run | None)
    assert_type(artifact.transform, Transform | None)
    assert_type(artifact.storage, Storage)
    assert_type(artifact.schema, Schema | None)
    assert_type(artifact.created_by, User | None)
    assert_type(artifact.ulabels, RelatedSet[ULabel])
    assert_type(artifact.ulabels.first(), ULabel | None)
    assert_type(artifact.ulabels.filter(name="x"), RelatedSet[ULabel])
    assert_type(artifact.projects, RelatedSet[Project])
    assert_type(artifact.references, RelatedSet[Reference])
    assert_type(artifact.collections, RelatedSet[Collection])
    assert_type(artifact.schemas, RelatedSet[Schema])
    assert_type(artifact.input_of_runs, RelatedSet[Run])
    assert_type(artifact.output_of_runs, RelatedSet[Run])
    assert_type(artifact.versions, QuerySet[Artifact])
    assert_type(artifact.path, Path | str)
    assert_type(artifact.cache(), Path)
    assert_type(artifact.load(), object)
    assert_type(artifact.load(pd.DataFrame), pd.DataFrame)
    assert_type(artifact.load(dict, trust=True), dict[Any, Any])
    assert_type(artifact.open(), object)
    assert_type(artifact.open(pd.DataFrame), pd.DataFrame)
    assert_type(artifact.replace(table), Artifact)
    assert_type(artifact.restore(), Artifact)
    assert_type(artifact.features, FeatureManager)
    assert_type(artifact.features.get_values(), dict[str, Any])
    assert_type(ln.Artifact.features, ByFeatures[Artifact])
    assert_type(ln.Artifact.features.filter(temperature=21), QuerySet[Artifact])
    assert_type(ln.Artifact.features.get(temperature=21), Artifact)
    assert_type(artifact.labels, LabelManager)
    if artifact.run is not None:
        assert_type(artifact.run.transform.key, str)


def assignments(artifact: Artifact, run: Run, label: ULabel) -> None:
    artifact.description = "x"
    artifact.run = run
    artifact.run = None
    artifact.run = label  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    artifact.ulabels.add(label)
    artifact.ulabels.add(run)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def runs(run: Run, artifact: Artifact) -> None:
    assert_type(run.transform, Transform)
    assert_type(run.parent, Run | None)
    assert_type(run.initiated_by_run, Run | None)
    assert_type(run.environment, Environment | None)
    assert_type(run.children, RelatedSet[Run])
    assert_type(run.input_artifacts, RelatedSet[Artifact])
    assert_type(run.output_artifacts.to_list(), list[Artifact])
    assert_type(run.report, Artifact | None)
    assert_type(run.duration, float | None)
    assert_type(run.started_at, datetime | None)
    assert_type(run.params, dict[str, Any] | None)
    assert_type(run.start(), Run)
    assert_type(run.complete(), Run)
    assert_type(run.fail("it broke"), Run)
    assert_type(run.diff("abcd"), RunComparison)
    assert_type(ln.Run.features, ByFeatures[Run])
    run.output_artifacts.add(artifact)
    run.output_artifacts.set([artifact])


def lineage(artifact: Artifact, collection: Collection) -> None:
    assert_type(artifact.view_lineage(return_graph=True), LineageGraph)
    assert_type(artifact.view_lineage(return_graph=True).tree(), str)
    assert_type(collection.view_lineage(up=1, return_graph=True).svg(), str)
    assert_type(collection.artifacts, RelatedSet[Artifact])
    assert_type(collection.run, Run | None)


def transforms(transform: Transform) -> None:
    assert_type(ln.Transform(key="a.py").save(), Transform)
    assert_type(transform.runs, RelatedSet[Run])
    assert_type(transform.latest_run, Run | None)
    assert_type(transform.versions, QuerySet[Transform])


def labels(label: ULabel, feature: Feature, table: pd.DataFrame) -> None:
    assert_type(label.type, ULabel | None)
    assert_type(label.parents, RelatedSet[ULabel])
    assert_type(label.query_parents(), QuerySet[ULabel])
    assert_type(label.query_children(), QuerySet[ULabel])
    assert_type(label.view_parents(return_graph=True), HierarchyGraph)
    assert_type(label.view_children(return_graph=True), HierarchyGraph)
    assert_type(ln.Feature.from_df(table), RecordList[Feature])
    assert_type(ln.Schema.from_df(table), Schema)
    assert_type(ln.Schema([feature]).features, RelatedSet[Feature])
    assert_type(feature.schemas, RelatedSet[Schema])


@ln.flow
def analyse(name: str) -> int:
    return len(name)


@ln.step(key="count")
def count(name: str, *, twice: bool = False) -> int:
    return len(name) * (1 + twice)


def functions() -> None:
    assert_type(analyse("a"), int)
    assert_type(count("a", twice=True), int)
    analyse(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with ln.run("part") as run:
        assert_type(run, Run)
    assert_type(ln.track(), Run)
