"""The implementations fit the interfaces that the methods of records return; never run."""

from __future__ import annotations

from lamin_core.lineage.diff import RunDiff
from lamin_core.models.interfaces import (
    FeatureManager,
    HierarchyGraph,
    LabelManager,
    LineageGraph,
    RunComparison,
)
from lamin_core.render.drawing import Lineage
from lamin_core.render.hierarchy import Hierarchy
from lamin_core.saving.annotations import FeatureValues, LabelSet


def features(manager: FeatureValues) -> FeatureManager:
    return manager


def labels(manager: LabelSet) -> LabelManager:
    return manager


def lineage(graph: Lineage) -> LineageGraph:
    return graph


def hierarchy(graph: Hierarchy) -> HierarchyGraph:
    return graph


def comparison(diff: RunDiff) -> RunComparison:
    return diff
