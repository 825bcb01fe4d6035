"""Collections as one dataset: versions, load, open, cache, append, and rows for training."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import lamin_core as ln
from lamin_core.curation.mapped import MappedCollection
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance
from lamin_core.storage import formats

Write = Callable[[str, str], Path]


@pytest.fixture
def tables(instance: Instance) -> ln.Collection:
    """Two tables that have a column in common."""
    first = pd.DataFrame({"sample": ["a", "b"], "count": [1, 2]})
    second = pd.DataFrame({"sample": ["c"], "site": ["Oslo"]})
    artifacts = [
        ln.Artifact.from_df(table, key=f"{name}.parquet").save()
        for name, table in (("z", first), ("a", second))
    ]
    return ln.Collection(artifacts, key="tables").save()


def test_members_keep_their_order_and_append_makes_a_new_version(
    tables: ln.Collection, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [artifact.key for artifact in tables.ordered_artifacts] == ["z.parquet", "a.parquet"]
    third = ln.Artifact.from_df(pd.DataFrame({"sample": ["d"]}), key="third.parquet").save()
    longer = tables.append(third).save()
    assert [artifact.key for artifact in longer.ordered_artifacts][-1] == "third.parquet"
    assert tables.artifacts.count() == 2
    assert list(tables.versions) == [longer, tables]
    assert longer.is_latest
    assert tables.append(third).save() == longer
    longer.describe()
    longer.view_lineage()
    assert "Collection: tables (version 0001)" in capsys.readouterr().out


def test_tables_of_a_collection_load_and_open_as_one(tables: ln.Collection) -> None:
    with ln.run("train.py") as run:
        loaded = tables.load()
        assert loaded["sample"].tolist() == ["a", "b", "c"]
        assert tables.load(join="inner").columns.tolist() == ["sample"]
        assert len(tables.cache()) == 2
    assert run.input_artifacts.count() == 2
    dataset = tables.open()
    assert dataset.count_rows() == 3
    assert dataset.to_table()["site"].to_pylist() == [None, None, "Oslo"]
    with ln.run("look.py") as run:
        tables.open(is_run_input=False)
    assert run.input_artifacts.count() == 0


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_tables_of_a_collection_open_with_polars_and_duckdb(
    tables: ln.Collection, engine: Any
) -> None:
    pytest.importorskip(engine)
    opened = tables.open(engine)
    rows = opened.collect().height if engine == "polars" else len(opened.fetchall())
    assert rows == 3


def test_collection_of_mixed_members_cannot_be_loaded_opened_or_mapped(
    tables: ln.Collection, write: Write
) -> None:
    text = ln.Artifact(write("a.txt", "a")).save()
    mixed = ln.Collection([*tables.artifacts, text], key="mixed").save()
    for refused in (mixed.load, mixed.open, mixed.mapped):
        with pytest.raises(
            InvalidArgument, match=r"'a.txt' cannot be .*: its suffix is '.txt'|'z.par"
        ):
            refused()
    with pytest.raises(InvalidArgument, match=r"cannot be mapped: its suffix is '.parquet'"):
        tables.mapped()
    with pytest.raises(InvalidArgument, match="not an engine: 'spark'"):
        tables.open("spark")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="is not saved"):
        ln.Collection([text], key="new").load()
    other = ln.Artifact.from_df(pd.DataFrame({"sample": [[1]]}), key="other.parquet").save()
    with pytest.raises(InvalidArgument, match="columns of the same name and of other types"):
        tables.append(other).save().open()


def cells(n: int, genes: list[str], labels: list[str | None], *, sparse: bool) -> anndata.AnnData:
    values = np.arange(n * len(genes), dtype="float32").reshape(n, len(genes))
    obs = pd.DataFrame(
        {
            "label": pd.Categorical(labels),
            "n": range(n),
            "age": pd.array([None, *range(1, n)], dtype="Int64"),
        },
        index=[f"{n}{genes[0]}{row}" for row in range(n)],
    )
    matrix = scipy.sparse.csr_matrix(values) if sparse else values
    adata = anndata.AnnData(matrix, obs=obs, var=pd.DataFrame(index=genes))
    adata.layers["twice"] = values * 2
    adata.obsm["X_pca"] = values[:, :1]
    return adata


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Dense h5ad, sparse h5ad with other variables, zarr."""
    folder = tmp_path_factory.mktemp("cells")
    cells(3, ["a", "b", "c"], ["T", "B", "T"], sparse=False).write_h5ad(folder / "1.h5ad")
    cells(2, ["b", "c", "d"], ["T", None], sparse=True).write_h5ad(folder / "2.h5ad")
    formats.write(cells(2, ["c", "b", "a"], ["NK", "B"], sparse=True), folder / "3.zarr", ".zarr")
    return [folder / name for name in ("1.h5ad", "2.h5ad", "3.zarr")]


def test_mapped_collection_joins_rows_of_several_files(files: list[Path]) -> None:
    with MappedCollection(files, obs_keys=["label", "n"], encode_labels=["label"]) as inner:
        assert inner.shape == (7, 2)
        assert inner.original_shapes == [(3, 3), (2, 3), (2, 3)]
        assert inner.var_joint == ["b", "c"]
        assert inner[0]["X"].tolist() == [1, 2]
        assert inner[4]["X"].tolist() == [3, 4]
        assert inner[-1]["X"].tolist() == [4, 3]
        assert inner.encoders["label"] == {"B": 0, "NK": 1, "T": 2}
        assert [inner[row]["label"] for row in range(7)] == [2, 0, 2, 2, -1, 1, 0]
        assert inner[6]["n"] == 1
        assert inner[6]["_store_idx"] == 2
        rows = inner.__getitems__([6, 0, 6])
        assert [row["_store_idx"] for row in rows] == [2, 0, 2]
        with pytest.raises(IndexError):
            inner[7]
    assert inner.closed
    outer = MappedCollection(files, join="outer", dtype="float64")
    assert outer.var_joint == ["a", "b", "c", "d"]
    assert outer[4]["X"].tolist() == [0, 3, 4, 5]
    assert outer[4]["X"].dtype == "float64"
    assert MappedCollection(files, join=None)[-1]["X"].tolist() == [3, 4, 5]


def test_mapped_collection_labels_layers_and_filters(files: list[Path]) -> None:
    raw = MappedCollection(
        files,
        layers_keys=["X", "twice"],
        obs_keys=["label", "age"],
        obsm_keys="X_pca",
        encode_labels=False,
        obs_filter={"label": ["T", "B"]},
    )
    assert [row["label"] for row in raw] == ["T", "B", "T", "T", "B"]
    assert [row["age"] for row in raw] == [None, 1, 2, None, 1]
    assert MappedCollection(files, obs_keys="label", encode_labels=False)[4]["label"] is None
    encoded = MappedCollection(files, obs_keys="age")
    assert [row["age"] for row in encoded] == [-1, 0, 1, -1, 0, -1, 0]
    assert (raw[1]["twice"] == 2 * raw[1]["X"]).all()
    assert raw[1]["obsm_X_pca"].tolist() == [3]
    unknown = MappedCollection(files, obs_keys="label", unknown_label="NK")
    assert unknown.encoders["label"] == {"B": 0, "T": 1, "NK": -1}
    weights = unknown.get_label_weights("label")
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 3, 1, 1, 1 / 2])
    assert unknown.get_label_weights("label", scaler=1.0)[0] == pytest.approx(1 / 4)
    assert unknown.get_merged_categories("label") == {"T", "B", "NK"}
    assert not unknown.check_vars_sorted()
    assert unknown.check_vars_non_aligned(["a", "b", "c"]) == [1, 2]


def _row(mapped: MappedCollection, index: int) -> list[float]:
    row: list[float] = mapped[index]["X"].tolist()
    return row


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_mapped_collection_is_read_by_parallel_workers(files: list[Path], start: str) -> None:
    mapped = MappedCollection(files, parallel=start == "fork")
    expected = [_row(mapped, index) for index in range(7)]
    mapped.close()
    with multiprocessing.get_context(start).Pool(2) as pool:
        assert pool.starmap(_row, [(mapped, index) for index in range(7)]) == expected


def test_members_of_a_mapped_collection_are_inputs_of_the_run(
    instance: Instance, files: list[Path]
) -> None:
    artifacts = [ln.Artifact(path, key=path.name).save() for path in files]
    collection = ln.Collection(artifacts, key="cells").save()
    with ln.run("train.py") as run, collection.mapped(obs_keys="label") as mapped:
        assert mapped.shape == (7, 2)
    assert run.input_artifacts.count() == 3
    joined = collection.load(join="inner")
    assert joined.shape == (7, 2)
    assert joined.obs["artifact_uid"].nunique() == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"obs_keys": "none"}, r"'1.h5ad' has no column 'none' in obs\n.*label, n"),
        ({"layers_keys": "none"}, r"'1.h5ad' has no layer 'none'\n.*X, twice"),
        ({"obsm_keys": "none"}, "no layer 'obsm/none'"),
        ({"join": "left"}, "not a join: 'left'"),
        (
            {"encode_labels": ["label"]},
            r"encode_labels has columns that obs_keys lacks: \['label'\]",
        ),
    ],
)
def test_mapped_collection_with_missing_columns_names_them(
    files: list[Path], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        MappedCollection(files, **options)


def test_mapped_collection_refuses_corrupt_and_column_wise_files(
    tmp_path: Path, files: list[Path]
) -> None:
    (tmp_path / "corrupt.h5ad").write_bytes(b"not HDF5")
    with pytest.raises(InvalidArgument, match=r"'corrupt.h5ad' cannot be read as AnnData"):
        MappedCollection([tmp_path / "corrupt.h5ad"])
    adata = cells(2, ["x", "y"], ["T", "T"], sparse=True)
    adata.X = adata.X.tocsc()
    adata.write_h5ad(tmp_path / "columns.h5ad")
    with pytest.raises(InvalidArgument, match=r"stored by columns.*\n.*tocsr"):
        MappedCollection([tmp_path / "columns.h5ad"])
    with pytest.raises(InvalidArgument, match="no variable in common"):
        MappedCollection([files[0], tmp_path / "columns.h5ad"])
