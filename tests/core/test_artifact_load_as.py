"""`artifact.load(as_type)` and `open(as_type)`: what it has to be."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance


def test_load_as_the_matching_type_returns_the_value(instance: Instance, tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2]})
    artifact = ln.Artifact.from_df(table, key="t.parquet").save()
    assert artifact.load(pd.DataFrame).equals(table)
    assert type(artifact.open(as_type=object)) is type(artifact.open())


def test_load_as_another_type_raises(instance: Instance, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps([1, 2]))
    artifact = ln.Artifact(path, key="settings.json").save()
    assert artifact.load(list) == [1, 2]
    with pytest.raises(
        InvalidArgument, match=r"settings.json' is a list, not a dict: its suffix is '.json'"
    ) as error:
        artifact.load(dict)
    assert error.value.hint == "artifact.load() returns it as it is"


def test_open_as_another_type_raises(instance: Instance) -> None:
    artifact = ln.Artifact.from_df(pd.DataFrame({"a": [1]}), key="t.parquet").save()
    with pytest.raises(InvalidArgument, match="is a FileSystemDataset, not a DataFrame"):
        artifact.open(pd.DataFrame)
