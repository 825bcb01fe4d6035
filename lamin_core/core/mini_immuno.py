"""Two small datasets with their features, labels and schema: `ln.examples.datasets.mini_immuno`."""

from __future__ import annotations

from lamin_core.core.datasets import small_dataset1 as get_dataset1
from lamin_core.core.datasets import small_dataset2 as get_dataset2
from lamin_core.models import Feature, Schema, ULabel
from lamin_core.ontology.registries import CellType, ExperimentalFactor

__all__ = [
    "define_features_labels",
    "define_mini_immuno_schema_flexible",
    "get_dataset1",
    "get_dataset2",
]


def define_features_labels() -> None:
    """Save the features of both datasets, and the labels and terms among their values.

    Raises `MissingExtra` without the extra `[ontology]`.
    """
    perturbation = ULabel(name="Perturbation", is_type=True).save()
    for name in ("DMSO", "IFNG"):
        ULabel(name=name, type=perturbation).save()
    for cell_type in ("B cell", "T cell", "CD8-positive, alpha-beta T cell"):
        CellType.from_source(name=cell_type).save()
    ExperimentalFactor.from_source(ontology_id="EFO:0008913").save()
    Feature(name="perturbation", dtype=perturbation).save()
    Feature(name="sample_note", dtype=str).save()
    Feature(name="cell_type_by_expert", dtype=CellType).save()
    Feature(name="cell_type_by_model", dtype=CellType).save()
    Feature(name="assay_oid", dtype=ExperimentalFactor.ontology_id).save()
    Feature(name="concentration", dtype=str).save()
    Feature(name="treatment_time_h", dtype="num").save()
    Feature(name="donor", dtype=str, nullable=True).save()


def define_mini_immuno_schema_flexible() -> Schema:
    """Save and return the schema of the first dataset, with its features; other columns may be there."""
    define_features_labels()
    names = (
        "perturbation",
        "cell_type_by_model",
        "assay_oid",
        "donor",
        "concentration",
        "treatment_time_h",
    )
    features = [Feature.get(name=name) for name in names]
    return Schema(name="Mini immuno schema", features=features, flexible=True).save()
