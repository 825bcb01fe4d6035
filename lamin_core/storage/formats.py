"""File formats by suffix: load, open for streaming, write. Libraries are imported on use.

Formats that can run code when they are loaded are a table of their own, for `trust=True`.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import json
import lzma
import posixpath
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from lamin_core.errors import InvalidArgument, LaminError, MissingExtra


@dataclass(frozen=True, slots=True)
class Format:
    """The operations on files of one suffix."""

    load: Callable[[Path], object]
    open: Callable[[Path], object] | None = None
    write: Callable[[Any, Path], None] | None = None
    open_remote: Callable[[Any, str], object] | None = None
    """Takes an fsspec file system and a path in it."""


def load(path: Path, suffix: str, *, trust: bool = False) -> object:
    """The content of the file in memory; of a suffix that is not known, the path itself.

    Raises `InvalidArgument` for formats that can run code, unless they are trusted.

    >>> import tempfile; file = Path(tempfile.mkdtemp(), "a.json"); _ = file.write_text('{"a": 1}')
    >>> load(file, ".json")
    {'a': 1}
    """
    check_trusted(suffix, trust=trust)
    file_format = _format_of(suffix) or TRUSTED_FORMATS.get(suffix.lower())
    return path if file_format is None else file_format.load(path)


def check_trusted(suffix: str, *, trust: bool) -> None:
    """Raise `InvalidArgument` for a format that can run code when it is loaded, unless it is trusted.

    >>> check_trusted(".csv", trust=False)
    """
    if suffix.lower() in TRUSTED_FORMATS and not trust:
        raise InvalidArgument(
            f"loading a {suffix} file runs whatever code is in it",
            hint="if you know who wrote it: .load(trust=True); .cache() gives the path without loading",
        )


def open_stream(path: Path, suffix: str) -> object:
    """A handle that reads as it is used. Raises `InvalidArgument` for a suffix that cannot be streamed."""
    file_format = _format_of(suffix)
    if file_format is None or file_format.open is None:
        streamed = ", ".join(sorted(name for name, candidate in FORMATS.items() if candidate.open))
        raise InvalidArgument(f"{suffix or 'a file without suffix'} cannot be opened for streaming; {streamed} can",
                              hint="use .load() or .cache()")  # fmt: skip
    return file_format.open(path)


def open_remote(fs: object, path: str, suffix: str) -> object:
    """A handle that reads from a remote storage as it is used; None where the file must be fetched for that."""
    file_format = _format_of(suffix)
    return (
        None
        if file_format is None or file_format.open_remote is None
        else file_format.open_remote(fs, path)
    )


def _format_of(suffix: str) -> Format | None:
    """The format of this suffix, in small letters or capitals; of a compressed text, that of the text."""
    lower = suffix.lower()
    inner, outer = posixpath.splitext(lower)
    return FORMATS.get(lower) or (
        FORMATS.get(inner) if outer in _UNZIPS and inner in _OF_TEXT else None
    )


@contextmanager
def understood(name: str, suffix: str, *but: type[Exception]) -> Iterator[None]:
    """Whatever a library says of a file that is damaged, empty or of another kind, in our words.

    >>> with understood("a.json", ".json"): json.loads("{")
    Traceback (most recent call last):
    lamin_core.errors.InvalidArgument: 'a.json' cannot be read as .json: JSONDecodeError: ...
    """
    passed: tuple[type[Exception], ...] = (LaminError, MemoryError, *but)
    try:
        yield
    except passed:
        raise
    except Exception as error:
        detail = _first_line(error)
        raise InvalidArgument(
            f"{name!r} cannot be read as {suffix}: {type(error).__name__}{detail and ': '}{detail}",
            hint="is it complete, and what its suffix says? .cache() gives its path",
        ) from error


_SUFFIXES = {
    "DataFrame": (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz"),
    "AnnData": (".h5ad", ".zarr", ".anndata.zarr"),
    "MuData": (".h5mu",),
    "SpatialData": (".zarr", ".spatialdata.zarr"),
}
"""The suffixes of the files that can hold each kind of object, the usual one first."""


def suffix_for(data: object, key: str | None, key_suffix: str) -> str:
    """The suffix to write this object with: the key's, where that can hold it, else the usual one.

    Raises `InvalidArgument` when the key's suffix cannot hold it.
    """
    name = _object_type(data)
    allowed = _SUFFIXES.get(name)
    if allowed is None:
        raise InvalidArgument(
            f"a {type(data).__name__} cannot be saved this way", hint="write a file and save that"
        )
    suffix = key_suffix if key else allowed[0]
    if suffix not in allowed:
        raise InvalidArgument(
            f"key {key!r} cannot hold a {name}", hint=f"end it in {' or '.join(allowed)}"
        )
    return suffix


def write(data: Any, path: Path, suffix: str) -> None:
    """Write the object to this path."""
    writer = FORMATS[suffix].write
    assert writer is not None
    try:
        writer(data, path)
    except (LaminError, MemoryError, OSError):
        raise
    except Exception as error:
        raise InvalidArgument(
            f"this {otype(data)} cannot be written as {suffix}: {_first_line(error)}",
            hint="fix it, or write a file and save that",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def otype(data: object) -> str:
    """The kind of object, such as `DataFrame` or `AnnData`."""
    return _object_type(data)


def n_observations(data: Any) -> int | None:
    """The number of rows; None of an object without rows."""
    shape = getattr(data, "shape", None)
    return None if shape is None else int(shape[0])


def _object_type(data: object) -> str:
    names = [base.__name__ for base in type(data).__mro__]
    return next((name for name in _SUFFIXES if name in names), type(data).__name__)


def _library(name: str, extra: str | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(name, extra) from error


def _pandas() -> ModuleType:
    return _library("pandas", "data")


def _anndata() -> ModuleType:
    return _library("anndata", "data")


def _open_h5ad(path: Path) -> object:
    adata = _anndata().read_h5ad(path, backed="r")
    adata.__class__ = _closing_anndata()
    return adata


@cache
def _closing_anndata() -> type:
    """A subclass of AnnData for `with artifact.open() as adata:`, which closes the file at its end."""

    class AnnData(_anndata().AnnData):  # type: ignore[misc]
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

    return AnnData


def _mudata() -> ModuleType:
    return _library("mudata", None)


def _arrow(format: str = "parquet", **options: Any) -> Callable[..., object]:
    """Opens a `pyarrow.dataset`, here or in an fsspec file system."""

    def opened(path: object, filesystem: object = None) -> object:
        arrow = _library("pyarrow.dataset", "data")
        csv = _library("pyarrow.csv", "data")
        reads = arrow.CsvFileFormat(csv.ParseOptions(**options)) if format == "csv" else format
        return arrow.dataset(path, format=reads, filesystem=filesystem)

    return opened


def _remotely(opened: Callable[..., object]) -> Callable[[Any, str], object]:
    return lambda fs, path: opened(path, fs)


_UNZIPS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bgz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


def _text(path: Path) -> str:
    with _UNZIPS.get(path.suffix.lower(), open)(path, "rt", encoding="utf-8") as file:
        text: str = file.read()
    return text


def _json_lines(path: Path) -> list[object]:
    return [json.loads(line) for line in _text(path).splitlines() if line.strip()]


def _yaml(path: Path) -> object:
    return _library("yaml", "data").safe_load(_text(path))


def _array(path: Path) -> object:
    return _library("numpy", "data").load(path, allow_pickle=False)


def _image(path: Path) -> Path:
    """The path; in a notebook the picture is shown as well."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        display = importlib.import_module("IPython.display")
        display.display(display.Image(str(path)))
    return path


def _zarr(path: Path) -> object:
    """An `AnnData` or `SpatialData` where the store says that it is one, else the zarr group or array."""
    attributes = _zarr_attributes(path)
    if attributes.get("encoding-type") == "anndata":
        return _anndata().read_zarr(path)
    if "spatialdata_attrs" in attributes:
        return _library("spatialdata", None).read_zarr(path)
    return _open_zarr(path)


def _zarr_attributes(path: Path) -> dict[str, Any]:
    """The attributes of the root of a store; its file has those of the parts, too, if they are consolidated."""
    attributes: dict[str, Any] = {}
    for name in (".zattrs", "zarr.json"):
        file = path / name
        if file.exists():
            content = json.loads(_text(file))
            attributes |= content.get("attributes", {}) if name == "zarr.json" else content
    return attributes


def _open_zarr(path: Path) -> object:
    return _library("zarr", "data").open(str(path), mode="r")


def _open_remote_zarr(fs: Any, path: str) -> object:
    if not fs.async_impl:
        return None
    stores = _library("zarr.storage", "data")
    own = type(fs)(**{**fs.storage_options, "asynchronous": True})
    return _library("zarr", "data").open(
        stores.FsspecStore(own, read_only=True, path=path), mode="r"
    )


def _write_zarr(data: Any, path: Path) -> None:
    with (
        warnings.catch_warnings()
    ):  # which version of the format is the default of anndata, not a choice of the user
        warnings.filterwarnings("ignore", "Writing zarr v2", UserWarning)
        if otype(data) == "SpatialData":
            data.write(path)
        else:
            data.write_zarr(path)


def _write_table(separator: str) -> Callable[[Any, Path], None]:
    return lambda data, path: data.to_csv(path, sep=separator, index=not _is_default_index(data))


def _read_table(separator: str) -> Callable[[Path], object]:
    return lambda path: _pandas().read_csv(path, sep=separator)


def _is_default_index(data: Any) -> bool:
    return type(data.index).__name__ == "RangeIndex"


def _unpickle(path: Path) -> object:
    with path.open("rb") as file:
        return importlib.import_module("pickle").load(file)


_TEXTS = (
    ".txt",
    ".log",
    ".md",
    ".rst",
    ".html",
    ".svg",
    ".xml",
    ".fasta",
    ".fa",
    ".fna",
    ".faa",
    ".fastq",
    ".fq",
)
_OF_TEXT = {*_TEXTS, ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".csv", ".tsv"}
"""Suffixes that may be compressed: `.json.gz`, `.csv.bz2`."""
_PARQUET, _CSV, _TSV = _arrow(), _arrow("csv"), _arrow("csv", delimiter="\t")

FORMATS: dict[str, Format] = {
    ".parquet": Format(
        lambda p: _pandas().read_parquet(p),
        _PARQUET,
        lambda d, p: d.to_parquet(p),
        _remotely(_PARQUET),
    ),
    ".csv": Format(_read_table(","), _CSV, _write_table(","), _remotely(_CSV)),
    ".csv.gz": Format(_read_table(","), _CSV, _write_table(","), _remotely(_CSV)),
    ".tsv": Format(_read_table("\t"), _TSV, _write_table("\t"), _remotely(_TSV)),
    ".tsv.gz": Format(_read_table("\t"), _TSV, _write_table("\t"), _remotely(_TSV)),
    ".h5ad": Format(
        lambda p: _anndata().read_h5ad(p),
        _open_h5ad,
        lambda d, p: d.write_h5ad(p),
    ),
    ".zarr": Format(_zarr, _open_zarr, _write_zarr, _open_remote_zarr),
    ".anndata.zarr": Format(_zarr, _open_zarr, _write_zarr, _open_remote_zarr),
    ".spatialdata.zarr": Format(_zarr, _open_zarr, _write_zarr, _open_remote_zarr),
    ".h5mu": Format(
        lambda p: _mudata().read_h5mu(p),
        lambda p: _mudata().read_h5mu(p, backed="r"),
        lambda d, p: d.write_h5mu(p),
    ),
    ".json": Format(lambda p: json.loads(_text(p))),
    ".jsonl": Format(_json_lines),
    ".ndjson": Format(_json_lines),
    ".yaml": Format(_yaml),
    ".yml": Format(_yaml),
    ".toml": Format(lambda p: tomllib.loads(_text(p))),
    ".npy": Format(_array),
    ".npz": Format(_array),
    ".png": Format(_image),
    ".jpg": Format(_image),
    ".jpeg": Format(_image),
    ".gif": Format(_image),
    **dict.fromkeys(_TEXTS, Format(_text)),
}

TRUSTED_FORMATS: dict[str, Format] = {
    ".pkl": Format(_unpickle),
    ".pickle": Format(_unpickle),
    ".joblib": Format(lambda p: _library("joblib", "data").load(p)),
    ".pt": Format(lambda p: _library("torch", "data").load(p, weights_only=False)),
    ".pth": Format(lambda p: _library("torch", "data").load(p, weights_only=False)),
}
"""Suffixes of files that can run code when they are loaded."""
