"""Rows of an AnnData on disk, read one at a time: h5ad by h5py, zarr by zarr. A file is opened once in each process."""

from __future__ import annotations

import importlib
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from lamin_core.errors import InvalidArgument, MissingExtra, NotFound

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]

Group = Any
"""A group or an array of h5py or of zarr, which are alike and share no type."""
Readers = Sequence[tuple[str, Callable[[int], Any]]]
"""What reads each part of a row, by the name that a sample has it by."""
MISSING = -1
"""The code of labels that are missing or unknown."""
_NUMBERS = "biuf"
"""The kinds of values of numpy that are in memory."""
_OPEN = 256
"""Files that a process has open at once."""


class OpenFile:
    """An open file, and what was looked up in it: matrices, columns, and the readers of rows."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.group = opened(path)
        self.readers: Readers = ()
        self._parts: dict[str, Any] = {}

    def matrix(self, path: str) -> Matrix:
        """Return `X`, a layer, or an entry of `obsm`. Raises `InvalidArgument`."""
        if path not in self._parts:
            self._parts[path] = matrix_of(self.group, path, self.name)
        matrix: Matrix = self._parts[path]
        return matrix

    def labels(self, key: str) -> Labels:
        """Return a column of `obs`. Raises `InvalidArgument`."""
        part = f"obs:{key}"
        if part not in self._parts:
            self._parts[part] = labels_of(self.group, key, self.name)
        labels: Labels = self._parts[part]
        return labels


class Handles:
    """The open files of this process; a copy in a forked or spawned worker opens its own."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._open: OrderedDict[Path, OpenFile] = OrderedDict()

    def get(self, path: Path) -> OpenFile:
        """Return the open file. Raises `NotFound` and `InvalidArgument`."""
        if self._process != os.getpid():  # those of the parent are not ours to read from
            self._process, self._open = os.getpid(), OrderedDict()
        file = self._open.get(path)
        if file is None:
            file = self._open[path] = OpenFile(path)
            if len(self._open) > _OPEN:
                close(self._open.popitem(last=False)[1].group)
        self._open.move_to_end(path)
        return file

    def close(self) -> None:
        """Close them all."""
        if self._process == os.getpid():
            for file in self._open.values():
                close(file.group)
        self._open = OrderedDict()

    def __getstate__(self) -> dict[str, object]:
        return {"_process": -1, "_open": OrderedDict()}


def opened(path: Path) -> Group:
    """Return the root group of an h5ad file or a zarr folder."""
    if not path.exists():
        raise NotFound(f"no file at {str(path)!r}", hint="collection.cache() fetches all members")
    try:
        if path.is_dir():
            return _library("zarr").open_group(str(path), mode="r")
        return _library("h5py").File(path, "r")
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidArgument(
            f"{path.name!r} cannot be read as AnnData: {reason}",
            hint="members are h5ad files or zarr folders; artifact.load() shows what it is",
        ) from error


def close(group: Group) -> None:
    """Close a file; a zarr group has nothing to close."""
    if type(group).__name__ == "File":
        group.close()


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(name, "data") from error


class Matrix(Protocol):
    """A matrix of which rows are read."""

    @property
    def row(self) -> Callable[[int], Array]:
        """What returns one row, dense."""


class Dense:
    """A dense matrix."""

    def __init__(self, dataset: Group) -> None:
        self.row: Callable[[int], Array] = dataset.__getitem__


class Sparse:
    """A matrix of compressed sparse rows. Where each begins is in memory: 4 or 8 bytes for each row."""

    def __init__(self, group: Group) -> None:
        import numpy

        self._offsets = _view(group["indptr"][:])
        self._indices, self._data = group["indices"], group["data"]
        self._dtype = self._data.dtype
        self._n_columns = int(group.attrs["shape"][1])
        self._zeros: Callable[..., Array] = numpy.zeros

    def row(self, position: int) -> Array:
        """Return one row, dense."""
        start, end = self._offsets[position], self._offsets[position + 1]
        values = self._zeros(self._n_columns, dtype=self._dtype)
        if end > start:
            values[self._indices[start:end]] = self._data[start:end]
        return values


def matrix_of(group: Group, layer: str, name: str) -> Matrix:
    """Return `X`, a layer, or an entry of `obsm`, by its path in the file. Raises `InvalidArgument`."""
    path = layer if layer == "X" or "/" in layer else f"layers/{layer}"
    if path not in group:
        layers = ["X", *(group["layers"].keys() if "layers" in group else [])]
        raise InvalidArgument(
            f"{name!r} has no layer {layer!r}", hint=f"layers: {', '.join(map(str, layers))}"
        )
    stored = group[path]
    encoding = str(stored.attrs.get("encoding-type", "array"))
    if encoding == "csc_matrix":
        raise InvalidArgument(
            f"{layer!r} of {name!r} is stored by columns, of which single rows cannot be read",
            hint="adata.X = adata.X.tocsr(), and save it again",
        )
    return Sparse(stored) if encoding == "csr_matrix" else Dense(stored)


def names_of(group: Group, axis: str) -> list[str]:
    """Return the names of `obs` or `var`."""
    frame = group[axis]
    stored = frame[str(frame.attrs.get("_index", "_index"))]
    return [text_of(value) for value in stored[:]]


def n_rows(group: Group) -> int:
    """Return how many rows there are, without reading their names."""
    frame = group["obs"]
    return int(frame[str(frame.attrs.get("_index", "_index"))].shape[0])


def text_of(value: object) -> str:
    """Return text, which HDF5 has as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


class Labels:
    """A column of `obs`: its values as codes, and what the codes mean."""

    def __init__(
        self, codes: Group, categories: Sequence[object] | None, mask: Array | None = None
    ) -> None:
        """Take numbers and codes as arrays in memory, text as it is stored."""
        self._codes = codes
        self._mask = mask
        """True for each missing value, where values can be missing."""
        self.categories = categories
        """None where the values stand for themselves."""

    def __len__(self) -> int:
        return int(self._codes.shape[0])

    def values(self) -> list[object]:
        """Return the values of all rows; None for missing ones."""
        values = [plain(value) for value in self._codes[:]]
        if self.categories is not None:
            meanings = [*self.categories, None]
            return [meanings[code] for code in values]
        if self._mask is None:
            return values
        return [
            None if missing else value for value, missing in zip(values, self._mask, strict=True)
        ]

    def reader(self, encoder: Mapping[object, int] | None) -> Callable[[int], Any]:
        """Return what returns the label of a row: its code in the encoder, if there is one."""
        if encoder is not None:
            return _view(self._encoded(encoder)).__getitem__
        if self.categories is not None:
            codes, meanings = _view(self._codes), [*self.categories, None]
            return lambda row: meanings[codes[row]]
        if self._mask is not None:
            return self.values().__getitem__
        if self._codes.dtype.kind in _NUMBERS:
            return _view(self._codes).__getitem__
        return lambda row: plain(self._codes[row])

    def _encoded(self, encoder: Mapping[object, int]) -> Array:
        """Return the codes of all rows; missing and unknown labels have `MISSING`."""
        import numpy

        dtype = numpy.min_scalar_type(-1 - len(encoder))
        if self.categories is None:
            codes = (encoder.get(value, MISSING) for value in self.values())
            return numpy.fromiter(codes, dtype, len(self))
        meanings = [encoder.get(label, MISSING) for label in self.categories]
        encoded: Array = numpy.array([*meanings, MISSING], dtype)[self._codes]
        return encoded


def _view(values: Array) -> memoryview[Any]:
    """Return a view of which single values are read several times as fast as of the array."""
    native = values.dtype.newbyteorder("=")
    return values.astype(native, copy=False).view(native).data  # not "<i", which it cannot read


def plain(value: Group) -> Group:
    """Return a Python value for one of numpy or HDF5."""
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if hasattr(value, "item") else value


def labels_of(group: Group, key: str, name: str) -> Labels:
    """Return a column of `obs`. Raises `InvalidArgument`, which names those there are."""
    frame = group["obs"]
    if key not in frame:
        columns = ", ".join(str(column) for column in frame.attrs.get("column-order", []))
        raise InvalidArgument(
            f"{name!r} has no column {key!r} in obs", hint=f"there are: {columns or 'none'}"
        )
    stored = frame[key]
    if "categories" in getattr(stored, "attrs", {}) and not hasattr(stored, "keys"):
        return Labels(stored[:], _texts(group[stored.attrs["categories"]][:]))  # before anndata 0.7
    if not hasattr(stored, "keys"):
        return Labels(stored[:] if stored.dtype.kind in _NUMBERS else stored, None)
    if "codes" in stored:
        return Labels(stored["codes"][:], _texts(stored["categories"][:]))
    return Labels(stored["values"][:], None, stored["mask"][:])


def _texts(values: Array) -> list[object]:
    return [plain(value) for value in values]


def as_type(values: Array, dtype: str | np.dtype[np.generic] | None) -> Array:
    """Return the values in this type; None leaves them as they are."""
    return values if dtype is None else values.astype(dtype, copy=False)
