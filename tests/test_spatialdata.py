"""Curating, saving and loading a SpatialData, in the environment that has it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.errors import MissingExtra
from lamin_core.instance.instance import Instance

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-spatialdata" / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="make environments: .venv-spatialdata is missing")
def test_spatialdata_is_curated_saved_loaded_and_refused(embedded: Instance) -> None:
    done = subprocess.run(
        [PYTHON, ROOT / "tests/support/spatialdata_curation.py"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (results["loaded"], results["unsaved"]) == ("SpatialData", ["table"])
    assert results["kinds"] == ["tumour", "stroma", "tumour"]
    assert results["attrs"] == {"disease": "glioma"}
    assert results["checked"]
    misfit = results["misfit"]
    assert misfit.startswith("ValidationError: 3 problems with schema 'Slides'")
    assert "slot 'attrs:bio': column 'disease' has int64, not str" in misfit
    assert "slot 'tables:table:obs': 1 term not validated in feature 'kind': 'tumor'" in misfit
    assert "slot 'tables:table:var': variables that are missing: 'CD4'" in misfit
    assert "has no slot 'tables:table:obs'\n  hint: there are: attrs" in results["no table"]
    assert "slot 'attrs:bio': there is no 'bio'" in results["no attribute"]
    # Nothing of what was refused is saved; the rest is queried without the library.
    assert results["count"] == ln.Artifact.all().count() == 2
    slide = ln.Artifact.get(key="slide.zarr")
    assert (slide.otype, slide.suffix) == ("SpatialData", ".zarr")
    assert (slide.path / "tables" / "table").is_dir()
    assert ln.Artifact.get(key="direct.spatialdata.zarr").schema == slide.schema
    assert ln.Artifact.filter(ulabels__name="stroma").count() == 2
    assert sorted(slide.feature_sets.all().to_list("name")) == ["bio", "obs", "var"]
    with pytest.raises(MissingExtra, match="spatialdata"):
        slide.load()
