"""Formats by suffix: how a file is loaded, opened for streaming, and written; libraries are imported on use.

Pickles and other formats that can run code on loading are not here on purpose.
"""

from __future__ import annotations

import gzip
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamin_core.errors import InvalidArgument, MissingExtra


@dataclass(frozen=True, slots=True)
class Format:
    """What can be done with files of one suffix."""

    load: Callable[[Path], Any]
    open: Callable[[Path], Any] | None = None
    write: Callable[[Any, Path], None] | None = None


def load(path: Path, suffix: str) -> Any:
    """The content of the file in memory; of a suffix that is not known, the path itself.

    >>> import tempfile; file = Path(tempfile.mkdtemp(), "a.json"); _ = file.write_text('{"a": 1}')
    >>> load(file, ".json")
    {'a': 1}
    """
    known = FORMATS.get(suffix)
    return path if known is None else known.load(path)


def open_stream(path: Path, suffix: str) -> Any:
    """A handle that reads as it is used. Raises `InvalidArgument` for a suffix that cannot be streamed."""
    known = FORMATS.get(suffix)
    if known is None or known.open is None:
        streamed = ", ".join(sorted(name for name, one in FORMATS.items() if one.open))
        raise InvalidArgument(f"{suffix or 'a file without suffix'} cannot be opened for streaming; {streamed} can",
                              hint="use .load() or .cache()")  # fmt: skip
    return known.open(path)


def suffix_for(data: Any, key: str | None, wanted: str) -> str:
    """The suffix to write this object with: the key's, where that can hold it, else the usual one.

    Raises `InvalidArgument` when the key's suffix cannot hold it.
    """
    name = _object_type(data)
    usual = {"DataFrame": ".parquet", "AnnData": ".h5ad"}.get(name)
    if usual is None:
        raise InvalidArgument(f"a {type(data).__name__} cannot be saved this way", hint="write a file and save that")
    suffix = wanted if key else usual
    allowed = {"DataFrame": (".parquet", ".csv", ".tsv"), "AnnData": (".h5ad", ".zarr", ".anndata.zarr")}[name]
    if suffix not in allowed:
        raise InvalidArgument(f"key {key!r} cannot hold a {name}", hint=f"end it in {' or '.join(allowed)}")
    return suffix


def write(data: Any, path: Path, suffix: str) -> None:
    """Write the object to this path."""
    writer = FORMATS[suffix].write
    assert writer is not None
    writer(data, path)


def otype(data: Any) -> str:
    """What kind of object it is: `DataFrame` or `AnnData`."""
    return _object_type(data)


def n_observations(data: Any) -> int:
    """How many rows it has."""
    return int(data.shape[0])


def _object_type(data: Any) -> str:
    names = [base.__name__ for base in type(data).__mro__]
    return next((name for name in ("DataFrame", "AnnData") if name in names), type(data).__name__)


def _library(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(name, extra) from error


def _pandas() -> Any:
    return _library("pandas", "data")


def _anndata() -> Any:
    return _library("anndata", "data")


def _dataset(path: Path) -> Any:
    return _library("pyarrow.dataset", "data").dataset(path)


def _csv_dataset(path: Path) -> Any:
    return _library("pyarrow.dataset", "data").dataset(path, format="csv")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _zipped_text(path: Path) -> str:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read()


def _write_table(separator: str) -> Callable[[Any, Path], None]:
    return lambda data, path: data.to_csv(path, sep=separator, index=not _is_default_index(data))


def _read_table(separator: str) -> Callable[[Path], Any]:
    return lambda path: _pandas().read_csv(path, sep=separator)


def _is_default_index(data: Any) -> bool:
    return type(data.index).__name__ == "RangeIndex"


FORMATS: dict[str, Format] = {
    ".parquet": Format(lambda p: _pandas().read_parquet(p), _dataset, lambda d, p: d.to_parquet(p)),
    ".csv": Format(_read_table(","), _csv_dataset, _write_table(",")),
    ".csv.gz": Format(_read_table(",")),
    ".tsv": Format(_read_table("\t"), None, _write_table("\t")),
    ".tsv.gz": Format(_read_table("\t")),
    ".h5ad": Format(
        lambda p: _anndata().read_h5ad(p),
        lambda p: _anndata().read_h5ad(p, backed="r"),
        lambda d, p: d.write_h5ad(p),
    ),
    ".zarr": Format(lambda p: _anndata().read_zarr(p), None, lambda d, p: d.write_zarr(p)),
    ".anndata.zarr": Format(lambda p: _anndata().read_zarr(p), None, lambda d, p: d.write_zarr(p)),
    ".json": Format(lambda p: json.loads(_text(p))),
    ".txt": Format(_text),
    ".md": Format(_text),
    ".html": Format(_text),
    ".svg": Format(_text),
    ".yaml": Format(_text),
    ".fasta": Format(_text),
    ".fa": Format(_text),
    ".fasta.gz": Format(_zipped_text),
    ".fa.gz": Format(_zipped_text),
}
