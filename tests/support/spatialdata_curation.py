"""Curate, save and load a SpatialData: a program for the environment that has it, `.venv-spatialdata`.

Saves artifacts in the instance of the working directory and prints a JSON object with what the curators answered.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import anndata
import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the libraries that it imports
    import spatialdata  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]
    from spatialdata.models import TableModel  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

import lamin_core as ln

GENES = ["CD8A", "CD4"]


def spatial(kinds: list[str], disease: object, genes: list[str]) -> Any:
    """A SpatialData with one table and attributes."""
    obs = pd.DataFrame(
        {"region": pd.Categorical(["cells"] * 3), "instance": [1, 2, 3], "kind": kinds},
        index=["1", "2", "3"],
    )
    adata = anndata.AnnData(np.ones((3, 2), "float32"), obs=obs, var=pd.DataFrame(index=genes))
    table = TableModel.parse(adata, region="cells", region_key="region", instance_key="instance")
    return spatialdata.SpatialData(tables={"table": table}, attrs={"bio": {"disease": disease}})


def refusal(data: Any, schema: ln.Schema) -> str:
    """The message of the curator that refuses these data."""
    try:
        ln.Artifact.from_spatialdata(data, key="refused.zarr", schema=schema).save()
    except ln.errors.LaminError as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


def curated() -> dict[str, Any]:
    """Save, load and refuse data with a schema of three slots."""
    genes = [ln.Feature(name=gene, dtype="num").save() for gene in GENES]
    kind = ln.Feature(name="kind", dtype=ln.ULabel).save()
    ln.save([ln.ULabel(name=name) for name in ("tumour", "stroma")])
    slots = {
        "tables:table:obs": ln.Schema([kind], name="obs").save(),
        "tables:table:var": ln.Schema(genes, name="var").save(),
        "attrs:bio": ln.Schema([ln.Feature(name="disease", dtype=str).save()], name="bio").save(),
    }
    schema = ln.Schema(otype="SpatialData", slots=slots, name="Slides").save()
    good = spatial(["tumour", "stroma", "tumour"], "glioma", GENES)
    saved = ln.curators.SpatialDataCurator(good, schema).save_artifact(key="slide.zarr")
    loaded: Any = ln.Artifact.get(key="slide.zarr").load()
    direct = ln.Artifact.from_spatialdata(good, key="direct.spatialdata.zarr", schema=schema)
    unsaved: Any = direct.load()
    direct.save()
    return {
        "loaded": type(loaded).__name__,
        "kinds": loaded.tables["table"].obs["kind"].tolist(),
        "attrs": loaded.attrs["bio"],
        "unsaved": list(unsaved.tables),
        "checked": ln.curators.check(saved, schema),
        "misfit": refusal(spatial(["tumour", "stroma", "tumor"], 3, ["CD8A", "CD8B"]), schema),
        "no table": refusal(spatialdata.SpatialData(attrs=good.attrs), schema),
        "no attribute": refusal(spatialdata.SpatialData(tables=dict(good.tables)), schema),
        "count": ln.Artifact.all().count(),
    }


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, about the strings of AnnData
        print(json.dumps(curated()))
