"""The bytes of all members of a collection: fetched, in memory as one, or open for streaming as one."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from lamin_core.curation.mapped import MappedCollection
from lamin_core.errors import InvalidArgument, MissingExtra
from lamin_core.ingest.inputs import Reader
from lamin_core.models import Artifact, Collection

Engine = Literal["pyarrow", "polars", "duckdb"]
_TABLES = (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz")
_ANNDATA = (".h5ad", ".zarr", ".anndata.zarr")


def members(collection: Collection) -> list[Artifact]:
    """Return the artifacts in their order. Raises `InvalidArgument` for a collection that is not saved."""
    if collection.id is None:
        raise InvalidArgument(f"{collection!r} is not saved", hint="collection.save()")
    return list(collection.ordered_artifacts)


def cache(collection: Collection, *, reader: Reader = None) -> list[Path]:
    """Return a local path of each member; the reader has then read them all."""
    return [artifact.cache(is_run_input=reader) for artifact in members(collection)]


def load(collection: Collection, *, join: str = "outer", reader: Reader = None) -> Any:
    """Return all members as one table, or as one AnnData whose `obs` says which member a row is from."""
    if join not in ("inner", "outer"):
        raise InvalidArgument(f"not a join: {join!r}", hint="'outer' or 'inner'")
    artifacts = members(collection)
    _require(
        artifacts, (*_TABLES, *_ANNDATA), "loaded as one", "collection.cache() gives the paths"
    )
    loaded = [artifact.load(is_run_input=reader) for artifact in artifacts]
    kinds = {type(part).__name__ for part in loaded}
    if kinds == {"DataFrame"}:
        return importlib.import_module("pandas").concat(loaded, join=join)
    if kinds == {"AnnData"}:
        uids = [artifact.uid for artifact in artifacts]
        anndata = importlib.import_module("anndata")
        return anndata.concat(loaded, join=join, label="artifact_uid", keys=uids)
    raise InvalidArgument(
        f"members of several kinds are not one: {', '.join(sorted(kinds))}",
        hint="[artifact.load() for artifact in collection.artifacts]",
    )


def open_tables(collection: Collection, *, engine: str = "pyarrow", reader: Reader = None) -> Any:
    """Return a `pyarrow` dataset, a `polars.LazyFrame` or a `duckdb` relation over all members, read as it is used."""
    if engine not in get_args(Engine):
        raise InvalidArgument(
            f"not an engine: {engine!r}", hint=f"one of {', '.join(get_args(Engine))}"
        )
    artifacts = members(collection)
    _require(artifacts, _TABLES, "opened as one table", "collection.mapped() for AnnData")
    library = _library(engine)
    dataset = _as_one([artifact.open(is_run_input=reader) for artifact in artifacts])
    if engine == "polars":
        return library.scan_pyarrow_dataset(dataset)
    return library.from_arrow(dataset) if engine == "duckdb" else dataset


def _as_one(datasets: Sequence[Any]) -> Any:
    """Return the union of datasets; a column that one has not is empty there."""
    arrow, dataset = _library("pyarrow"), importlib.import_module("pyarrow.dataset")
    try:
        schema = arrow.unify_schemas(
            [part.schema.remove_metadata() for part in datasets], promote_options="permissive"
        )
    except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
        raise InvalidArgument(
            f"the members have columns of the same name and of other types: {error}",
            hint="save them with one type each: ln.Artifact.from_df(df, schema=schema)",
        ) from error
    return dataset.dataset([part.replace_schema(schema) for part in datasets])


def mapped(collection: Collection, *, reader: Reader = None, **options: Any) -> MappedCollection:
    """Return the rows of all members, which are AnnData, as one dataset for training."""
    artifacts = members(collection)
    _require(artifacts, _ANNDATA, "mapped", "collection.open() for tables")
    return MappedCollection(cache(collection, reader=reader), **options)


def _require(
    artifacts: Sequence[Artifact], suffixes: Sequence[str], action: str, hint: str
) -> None:
    """Raise `InvalidArgument` unless all members are of such formats."""
    if not artifacts:
        raise InvalidArgument(
            "the collection has no artifacts", hint="ln.Collection([...], key=...)"
        )
    wrong = [artifact for artifact in artifacts if artifact.suffix not in suffixes]
    if wrong:
        raise InvalidArgument(
            f"{wrong[0].key or wrong[0].uid!r} cannot be {action}: its suffix is {wrong[0].suffix!r}",
            hint=hint,
        )


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(name, "data" if name == "pyarrow" else None) from error
