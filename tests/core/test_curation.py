"""Curators: what is validated, what a misfit is told, and what saving ties to the artifact; on both databases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import InvalidArgument, MissingExtra, ValidationError
from lamin_core.instance.instance import Instance, disconnect, init

GENES = ["ENSG00000153563", "ENSG00000010610", "ENSG00000170458"]


@pytest.fixture
def perturbation(instance: Instance) -> ln.Feature:
    """A feature whose values are labels of a type."""
    group = ln.ULabel(name="Perturbation", is_type=True).save()
    ln.save([ln.ULabel(name=name, type=group) for name in ("DMSO", "IFNG")])
    return ln.Feature(name="perturbation", dtype=group).save()


@pytest.fixture
def schema(perturbation: ln.Feature) -> ln.Schema:
    """The schema of the walkthrough."""
    genes = [ln.Feature(name=name, dtype=int).save() for name in GENES]
    return ln.Schema([*genes, perturbation], name="Counts").save()


@pytest.fixture
def table() -> pd.DataFrame:
    """A table that fits it, with columns that it does not ask for."""
    frame: pd.DataFrame = ln.core.datasets.small_dataset1()
    return frame


def problem(table: pd.DataFrame, schema: ln.Schema) -> str:
    """The error text for a table that does not fit."""
    with pytest.raises(ValidationError) as raised:
        ln.curators.DataFrameCurator(table, schema).validate()
    return str(raised.value)


def test_valid_table_is_saved_and_annotated(schema: ln.Schema, table: pd.DataFrame) -> None:
    with ln.run("curate.py") as run:
        artifact = ln.curators.DataFrameCurator(table, schema).save_artifact(key="a.parquet")
    assert artifact.schema == schema
    assert artifact.run == run
    assert artifact.n_observations == 3
    assert ln.Artifact.get(ulabels__name="IFNG") == artifact
    assert artifact.features.get_values() == {"perturbation": ["DMSO", "IFNG"]}
    sets = ln.FeatureSet.filter(features__name="perturbation")
    assert ln.Artifact.filter(feature_sets__in=sets).one() == artifact
    assert schema.validated_artifacts.one() == artifact
    pd.testing.assert_frame_equal(artifact.load(pd.DataFrame), table)
    again = ln.Artifact.from_df(table, key="a.parquet", schema=schema).save()
    assert again == artifact
    assert again.schema == schema
    assert len(again.feature_sets) == 1


def test_describe_shows_schema_and_columns(
    schema: ln.Schema, table: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    ln.Artifact.from_df(table, key="a.parquet", schema=schema).save().describe()
    text = capsys.readouterr().out
    assert "schema:         Counts" in text
    assert "perturbation (cat[ULabel[Perturbation]])" in text


def test_all_problems_are_reported_at_once_with_the_calls_that_fix_them(
    schema: ln.Schema, table: pd.DataFrame
) -> None:
    table = table.rename(columns={GENES[0]: "ENSG00000153564"})
    table[GENES[1]] = ["1", "2", "3"]
    table["perturbation"] = ["DMSO", "IFNJ", "IFNJ"]
    assert problem(table, schema) == (
        "3 problems with schema 'Counts':\n"
        "  column 'ENSG00000153563' is missing (did you mean 'ENSG00000153564'?)\n"
        "    → add it, or let it be missing: feature.with_config(optional=True), "
        "or ln.Schema([...], minimal_set=False); "
        "curator.standardize() adds columns of features that have a default\n"
        "  column 'ENSG00000010610' has string values, not int\n"
        "    → df['ENSG00000010610'] = df['ENSG00000010610'].astype('int64'), "
        "or let it be converted: ln.Schema(..., coerce=True)\n"
        "  1 term not validated in feature 'perturbation': 'IFNJ' (did you mean 'IFNG'?)\n"
        "    → fix typos, or create records: ln.save([ln.ULabel(name=name, "
        "type=ln.ULabel.get(name='Perturbation')) for name in ['IFNJ']]); "
        "or all at once: curator.cat.add_new_from('perturbation')"
    )


def test_invalid_table_is_not_saved(schema: ln.Schema, table: pd.DataFrame) -> None:
    table["perturbation"] = "none"
    with pytest.raises(ValidationError):
        ln.curators.DataFrameCurator(table, schema).save_artifact(key="a.parquet")
    with pytest.raises(ValidationError):
        ln.Artifact.from_df(table, key="a.parquet", schema=schema)
    assert ln.Artifact.all().count() == 0
    assert ln.Schema.all().count() == 1


def test_table_changed_after_validation_is_validated_again(
    schema: ln.Schema, table: pd.DataFrame
) -> None:
    curator = ln.curators.DataFrameCurator(table, schema)
    curator.validate()
    table[GENES[0]] = "x"
    with pytest.raises(ValidationError):
        curator.save_artifact(key="a.parquet")


def test_curator_of_a_saved_artifact_annotates_that_artifact(
    schema: ln.Schema, table: pd.DataFrame
) -> None:
    artifact = ln.Artifact.from_df(table, key="a.parquet").save()
    assert ln.curators.DataFrameCurator(artifact, schema).save_artifact() == artifact
    assert ln.Artifact.get(key="a.parquet").schema == schema
    assert [label.name for label in artifact.ulabels.order_by("name")] == ["DMSO", "IFNG"]


def test_unknown_values_can_be_added_renamed_and_looked_up(
    schema: ln.Schema, table: pd.DataFrame
) -> None:
    ln.ULabel.get(name="IFNG").add_synonym("Interferon gamma")
    table["perturbation"] = pd.Categorical(["interferon gamma", "dmso", "new"])
    curator = ln.curators.DataFrameCurator(table, schema)
    assert curator.cat.non_validated == {"perturbation": ["interferon gamma", "dmso", "new"]}
    curator.cat.standardize("perturbation")
    assert curator.cat.non_validated == {"perturbation": ["new"]}
    assert table["perturbation"].tolist()[1] == "dmso", "the table that was passed stays"
    curator.cat.add_new_from("perturbation")
    assert curator.cat.validate()
    assert ln.ULabel.get(name="new").type.name == "Perturbation"
    assert curator.cat.lookup()["perturbation"].ifng.name == "IFNG"
    artifact = curator.save_artifact(key="a.parquet")
    assert artifact.load(pd.DataFrame)["perturbation"].tolist() == ["IFNG", "DMSO", "new"]
    with pytest.raises(
        InvalidArgument, match=r"not a categorical column: 'donor'.*\n.*perturbation"
    ):
        curator.cat.add_new_from("donor")


def test_standardize_adds_columns_and_defaults(instance: Instance) -> None:
    site = ln.Feature(name="site", dtype=str, default_value="Oslo").save()
    note = ln.Feature(name="note", dtype=str).save()
    schema = ln.Schema([site, note]).save()
    curator = ln.curators.DataFrameCurator(pd.DataFrame({"site": ["Bergen", None]}), schema)
    curator.standardize()
    assert curator.dataset["site"].tolist() == ["Bergen", "Oslo"]
    curator.validate()
    strict = ln.Feature(name="strict", dtype=str, nullable=False).save()
    curator = ln.curators.DataFrameCurator(pd.DataFrame({"a": [1]}), ln.Schema([strict]).save())
    with pytest.raises(ValidationError, match="'strict' is missing, may not be empty"):
        curator.standardize()


def test_schema_of_any_features_validates_the_columns_it_knows(
    schema: ln.Schema, table: pd.DataFrame
) -> None:
    registered = ln.Schema(itype=ln.Feature, name="valid features").save()
    artifact = ln.Artifact.from_df(table, key="a.parquet", schema=registered).save()
    assert artifact.feature_sets.one().n_members == 4
    assert "'IFNJ'" in problem(table.assign(perturbation="IFNJ"), registered)
    partial = ln.Schema([ln.Feature.get(name=GENES[0])], flexible=True).save()
    assert "'IFNJ'" in problem(table.assign(perturbation="IFNJ"), partial)


def test_optional_members_and_non_minimal_schemas_may_be_absent(
    schema: ln.Schema, table: pd.DataFrame
) -> None:
    gene, perturbation = ln.Feature.get(name=GENES[0]), ln.Feature.get(name="perturbation")
    only = table[["perturbation"]]
    optional = ln.Schema([gene.with_config(optional=True), perturbation]).save()
    ln.curators.DataFrameCurator(only, optional).validate()
    ln.curators.DataFrameCurator(
        only, ln.Schema([gene, perturbation], minimal_set=False).save()
    ).validate()


def test_coerced_values_are_saved_converted(schema: ln.Schema, table: pd.DataFrame) -> None:
    coerced = ln.Schema(list(schema.features), coerce=True).save()
    table[GENES[0]] = ["1", "3", "5"]
    table[GENES[1]] = [2.0, None, 6.0]
    artifact = ln.Artifact.from_df(table, key="a.parquet", schema=coerced).save()
    loaded = artifact.load(pd.DataFrame)
    assert loaded[GENES[0]].tolist() == [1, 3, 5]
    assert str(loaded[GENES[1]].dtype) == "Int64"
    assert "cannot be converted to int: 'x'" in problem(table.assign(**{GENES[0]: "x"}), coerced)


TYPES: list[tuple[Any, list[Any], list[Any]]] = [
    (int, [1, 2], [1.5, 2.5]),
    (float, [1.5, None], ["a", "b"]),
    ("num", [1, 2.5], [True, False]),
    (str, ["a", None], ["a", 1]),
    (bool, [True, False], [0, 1]),
    (dt.date, [dt.date(2026, 1, 31)], ["2026-01-31"]),
    (dt.datetime, [dt.datetime(2026, 1, 31)], ["2026-01-31"]),
    (dict, [{"a": 1}], ["{}"]),
    (list[str], [["a"], ["b", "c"]], ["a", "b"]),
    (object, [1, "a"], []),
]


def test_columns_are_validated_by_dtype(instance: Instance) -> None:
    for number, (dtype, fitting, wrong) in enumerate(TYPES):
        feature = ln.Feature(name=f"f{number}", dtype=dtype).save()
        schema = ln.Schema([feature]).save()
        ln.curators.DataFrameCurator(pd.DataFrame({feature.name: fitting}), schema).validate()
        if wrong:
            text = problem(pd.DataFrame({feature.name: wrong}), schema)
            assert f"not {feature.dtype}" in text
            assert "\n    → " in text


def test_lists_of_labels_are_validated(perturbation: ln.Feature) -> None:
    treatments = ln.Feature(name="treatments", dtype=list[ln.ULabel]).save()
    schema = ln.Schema([treatments]).save()
    table = pd.DataFrame({"treatments": [["DMSO"], ["DMSO", "IFNG"], None]})
    artifact = ln.Artifact.from_df(table, key="a.parquet", schema=schema).save()
    assert artifact.features["treatments"] == ["DMSO", "IFNG"]
    table = pd.DataFrame({"treatments": [["DMSO"], ["no"], None]})
    assert "1 term not validated in feature 'treatments': 'no'" in problem(table, schema)


# AnnData


def cells(table: pd.DataFrame) -> anndata.AnnData:
    """The object of the walkthrough."""
    return anndata.AnnData(table[GENES].astype("float32"), obs=table[["perturbation"]])


@pytest.fixture
def composite(schema: ln.Schema) -> ln.Schema:
    """Schemas of the slots of an AnnData."""
    genes = ln.Schema([ln.Feature.get(name=name) for name in GENES], name="genes").save()
    obs = ln.Schema([ln.Feature.get(name="perturbation")], name="cells").save()
    study = ln.Schema([ln.Feature(name="site", dtype=str).save()], name="study").save()
    slots = {"obs": obs, "var": genes, "uns:study": study}
    return ln.Schema(name="Cells", otype="AnnData", slots=slots).save()


def test_anndata_is_annotated_by_slot(composite: ln.Schema, table: pd.DataFrame) -> None:
    adata = cells(table)
    adata.uns["study"] = {"site": "Oslo"}
    artifact = ln.curators.AnnDataCurator(adata, composite).save_artifact(description="cells")
    assert artifact.schema == composite
    assert artifact.otype == "AnnData"
    ln.ULabel.get(name="IFNG").add_synonym("gamma")
    adata.obs["perturbation"] = ["gamma", "DMSO", "DMSO"]
    curator = ln.curators.AnnDataCurator(adata, composite)
    with pytest.raises(ValidationError) as raised:
        curator.validate()
    assert "1 synonym in feature 'perturbation': 'gamma' for 'IFNG'" in str(raised.value)
    assert "term" not in str(raised.value)
    curator.slots["var"].cat.standardize()
    curator.slots["obs"].cat.standardize("perturbation")
    curator.validate()
    assert adata.obs["perturbation"].tolist() == ["IFNG", "DMSO", "DMSO"]
    assert len(artifact.feature_sets) == 3
    assert ln.Artifact.get(ulabels__name="IFNG") == artifact
    assert (
        ln.Artifact.from_anndata(adata, key="a.h5ad", schema=composite).save().schema == composite
    )


def test_problems_of_an_anndata_name_their_slots(composite: ln.Schema, table: pd.DataFrame) -> None:
    adata = cells(table.assign(perturbation="IFNJ"))[:, :2].copy()
    adata.uns["study"] = {"site": 3}
    adata.obs_names = ["a", "a", "b"]
    with pytest.raises(ValidationError) as raised:
        ln.curators.AnnDataCurator(adata, composite).validate()
    text = str(raised.value)
    assert "4 problems with schema 'Cells'" in text
    assert "slot 'obs': 1 term not validated in feature 'perturbation': 'IFNJ'" in text
    assert "slot 'obs': obs_names has 1 value more than once: 'a'" in text
    assert f"slot 'var': variables that are missing: '{GENES[2]}'" in text
    assert (
        "slot 'uns:study': column 'site' has integer values" in text or "'site' has int64" in text
    )
    assert "→ set other values in adata.uns['study']" in text
    assert "→ adata.obs_names_make_unique()" in text
    adata.obs["perturbation"] = [3, 4, 5]
    with pytest.raises(ValidationError, match=r"→ adata\.obs\['perturbation'\] = adata\.obs"):
        ln.curators.AnnDataCurator(adata, composite).validate()
    with pytest.raises(ValidationError):
        ln.Artifact.from_anndata(adata, key="a.h5ad", schema=composite)
    assert ln.Artifact.all().count() == 0


def test_missing_slots_are_refused(
    schema: ln.Schema, composite: ln.Schema, table: pd.DataFrame
) -> None:
    other = ln.Schema(slots={"layers": schema}).save()
    with pytest.raises(InvalidArgument, match=r"has no slot 'layers'.*\n.*obs, var"):
        ln.curators.AnnDataCurator(cells(table), other)
    with pytest.raises(InvalidArgument, match="there is no 'study'"):
        ln.curators.AnnDataCurator(cells(table), composite).validate()
    with pytest.raises(InvalidArgument, match=r"has no slots"):
        ln.curators.AnnDataCurator(cells(table), schema)
    with pytest.raises(InvalidArgument, match="has the slots"):
        ln.curators.DataFrameCurator(table, composite)
    with pytest.raises(InvalidArgument, match="there is no 'study'"):
        ln.Artifact.from_anndata(cells(table), key="a.h5ad", schema=composite)
    assert ln.Artifact.all().count() == 0


def test_variable_names_are_validated_as_labels(perturbation: ln.Feature) -> None:
    ln.save([ln.ULabel(name=name) for name in GENES[:2]])
    var = ln.Schema(itype=ln.ULabel.name, dtype=int, name="var").save()
    schema = ln.Schema(otype="AnnData", slots={"var": var}).save()
    adata = anndata.AnnData(np.ones((2, 2), "float32"), var=pd.DataFrame(index=GENES[:2]))
    artifact = ln.curators.AnnDataCurator(adata, schema).save_artifact(key="a.h5ad")
    assert artifact.feature_sets.one().n_members == 2
    adata.var_names = [GENES[0], "ENSG00000010611"]
    with pytest.raises(
        ValidationError,
        match=r"1 variable name not validated as ULabel.name: 'ENSG00000010611' \(did",
    ):
        ln.curators.AnnDataCurator(adata, schema).validate()


def test_mudata_is_curated_if_installed(composite: ln.Schema, table: pd.DataFrame) -> None:
    mudata = pytest.importorskip("mudata")
    obs = ln.Schema.get(name="cells")
    schema = ln.Schema(otype="MuData", slots={"rna:obs": obs}).save()
    with mudata.set_options(pull_on_update=False):
        data = mudata.MuData({"rna": cells(table)})
        artifact = ln.curators.MuDataCurator(data, schema).save_artifact(key="a.h5mu")
        assert (artifact.schema, artifact.otype, artifact.n_observations) == (schema, "MuData", 3)
        loaded: Any = artifact.load()
        opened: Any = artifact.open()
        assert list(loaded.mod) == list(opened.mod) == ["rna"]
        unsaved = ln.Artifact.from_mudata(data, key="b.h5mu", schema=schema)
        loaded = unsaved.load()
        assert list(loaded.mod) == ["rna"]
        with pytest.raises(InvalidArgument, match=r"'c\.zarr' cannot hold a MuData"):
            ln.Artifact.from_mudata(data, key="c.zarr")
        data.mod["rna"].obs["perturbation"] = "IFNJ"
        with pytest.raises(ValidationError, match="slot 'rna:obs': 1 term"):
            ln.curators.MuDataCurator(data, schema).validate()


def test_missing_spatialdata_is_named(composite: ln.Schema, table: pd.DataFrame) -> None:
    with pytest.raises(MissingExtra, match="spatialdata is not installed"):
        ln.curators.SpatialDataCurator(cells(table), composite)


# Checks of what is saved


def test_schema_check_result_is_stored_on_the_artifact(
    schema: ln.Schema, table: pd.DataFrame
) -> None:
    good = ln.Artifact.from_df(table, key="good.parquet").save()
    bad = ln.Artifact.from_df(table.assign(perturbation="IFNJ"), key="bad.parquet").save()
    assert ln.curators.check(good, schema)
    assert not ln.curators.check(bad, schema)
    assert ln.Artifact.filter(schema_check="failed").one() == bad
    assert "'IFNJ'" in bad.features["schema_problems"]
    assert bad.schema is None
    with pytest.raises(ValidationError, match="'IFNJ'"):
        ln.curators.check(bad, schema, strict=True)
    ln.ULabel(name="IFNJ", type=ln.ULabel.get(name="Perturbation")).save()
    assert ln.curators.check(bad, schema)
    assert bad.features.get_values() == {"perturbation": "IFNJ", "schema_check": "passed"}
    text = ln.Artifact.from_dir(_folder_with_text())[0].save()
    with pytest.raises(InvalidArgument, match="no schema applies to it"):
        ln.curators.check(text, schema)


def _folder_with_text() -> Path:
    Path("texts").mkdir()
    Path("texts/a.txt").write_text("a")
    return Path("texts")


# Bad input


def _frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": ["a", "b"], "n": [1, 2], "kind": ["x", "y"]} | columns).set_index(
        "id"
    )


BAD_TABLES: dict[str, tuple[pd.DataFrame, str]] = {
    "wrong dtype": (_frame(n=["1", "2"]), "column 'n' has string values, not int"),
    "missing column": (_frame().drop(columns="n"), "column 'n' is missing"),
    "extra column": (_frame(z=[1, 2]), "columns that are not in the schema: 'z'"),
    "missing value": (_frame(n=[1, None]), "column 'n' has 1 missing value"),
    "missing label": (_frame(kind=["x", None]), "column 'kind' has 1 missing value"),
    "typo": (_frame(kind=["x", "Y "]), "'Y ' (did you mean 'y'?)"),
    "duplicate index": (_frame(id=["a", "a"]), "the index has 1 value more than once: 'a'"),
    "another order": (_frame()[["kind", "n"]], "not in the order of the schema"),
    "mixed types": (_frame(n=[1, "2"]), "values of several types: 'int', 'str'"),
    "numbers for labels": (_frame(kind=["x", 3]), "1 value in feature 'kind' is no text: 3"),
    "empty table": (_frame()[:0], "the table has no rows"),
    "no columns": (pd.DataFrame(index=["a"]), "the table has no columns"),
    "columns twice": (_frame()[["n", "n"]], "columns that are there more than once: 'n'"),
    "unused and unordered categories": (
        _frame(kind=pd.Categorical(["x", "z"], categories=["w", "x", "z"])),
        "1 term not validated in feature 'kind': 'z'",
    ),
}


@pytest.fixture(scope="module")
def strict_schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ln.Schema]:
    """A schema that asks for everything that it can ask for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("strict"))
        new_instance = init("./data")
        ln.save([ln.ULabel(name=name) for name in "xy"])
        features = [
            ln.Feature(name="n", dtype=int, nullable=False).save(),
            ln.Feature(name="kind", dtype=ln.ULabel, nullable=False).save(),
        ]
        index = ln.Feature(name="id", dtype=str, nullable=False).save()
        yield ln.Schema(features, index=index, maximal_set=True, ordered_set=True).save()
        disconnect()
        new_instance.db.dispose()


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_table_is_refused_with_a_hint_and_not_saved(
    strict_schema: ln.Schema, name: str
) -> None:
    bad, message = BAD_TABLES[name]
    text = problem(bad, strict_schema)
    assert message in text
    assert "\n    → " in text
    with pytest.raises(ValidationError):
        ln.Artifact.from_df(bad, key="a.parquet", schema=strict_schema)
    assert ln.Artifact.all().count() == 0


def test_reference_table_of_the_bad_tables_is_valid(strict_schema: ln.Schema) -> None:
    ln.curators.DataFrameCurator(_frame(), strict_schema).validate()


def test_message_for_many_bad_values_is_short(strict_schema: ln.Schema) -> None:
    kinds = np.where(np.arange(1_000_000) % 2, "x", np.arange(1_000_000).astype(str))
    big = pd.DataFrame({"n": np.arange(1_000_000), "kind": kinds})
    big.index = pd.Index(np.arange(1_000_000).astype(str), name="id")
    text = problem(big, strict_schema)
    assert "500,000 terms not validated" in text
    assert "... (500,000)" in text
    assert len(text) < 1_000


def test_wrong_dataset_and_schema_arguments_are_refused(
    strict_schema: ln.Schema, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match=r"not a pandas.DataFrame: list"):
        ln.curators.DataFrameCurator([1], strict_schema)
    with pytest.raises(InvalidArgument, match="not a schema: 'x'"):
        ln.curators.DataFrameCurator(_frame(), "x")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="is not saved"):
        ln.curators.DataFrameCurator(_frame(), ln.Schema(itype=ln.Feature))
    (tmp_path / "corrupt.h5ad").write_bytes(b"not HDF5")
    corrupt = ln.Artifact(tmp_path / "corrupt.h5ad", key="corrupt.h5ad").save()
    with pytest.raises(InvalidArgument, match=r"'corrupt.h5ad' cannot be read as .h5ad"):
        ln.curators.check(corrupt, strict_schema)
    corrupt.delete(permanent=True)
