"""Schemas to try things with: `ln.examples.schemas`."""

from __future__ import annotations

from types import ModuleType

from lamin_core.errors import NotHere
from lamin_core.models import Feature, Schema
from lamin_core.ontology.registries import Gene

__all__ = ["anndata_ensembl_gene_ids_and_valid_features_in_obs", "valid_features"]


def valid_features() -> Schema:
    """Save and return a schema whose columns are names of features."""
    return Schema(name="valid_features", itype=Feature).save()


def anndata_ensembl_gene_ids_and_valid_features_in_obs() -> Schema:
    """Save and return a schema of an AnnData: variables are Ensembl ids of genes, columns of `obs` are features."""
    genes = Schema(name="valid_ensembl_gene_ids", itype=Gene.ensembl_gene_id).save()
    return Schema(
        name="anndata_ensembl_gene_ids_and_valid_features_in_obs",
        otype="AnnData",
        slots={"obs": valid_features(), "var.T": genes},
    ).save()


def __getattr__(name: str) -> ModuleType:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise NotHere(
        f"there is no example schema {name!r}", hint="ln.Schema(features=[...], name=...)"
    )
