"""The AnnData of a collection as one array of rows, for training: `collection.mapped()`."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from lamin_core.curation import stores
from lamin_core.errors import InvalidArgument

if TYPE_CHECKING:
    from lamin_core.curation.stores import Array

Sample = dict[str, Any]
"""Arrays by layer, labels by column, and `_store_idx`, the position of the file."""
Join = Literal["inner", "outer"] | None


class MappedCollection:
    """Rows of several AnnData files as if they were one: a dataset for `torch.utils.data.DataLoader`.

    In memory are the names of variables, and of the open files the requested columns of `obs` and
    the offsets of sparse rows; each row is read when it is requested. Files are opened once in each
    process, so that forked and spawned workers read side by side.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        layers_keys: str | Sequence[str] | None = None,
        obs_keys: str | Sequence[str] | None = None,
        obsm_keys: str | Sequence[str] | None = None,
        obs_filter: Mapping[str, object] | None = None,
        join: Join = "inner",
        encode_labels: bool | Sequence[str] = True,
        unknown_label: str | Mapping[str, str] | None = None,
        parallel: bool = False,
        dtype: str | None = None,
    ) -> None:
        """Look at the files; `lamin_core.Collection.mapped` says what the arguments mean."""
        if join not in ("inner", "outer", None):
            raise InvalidArgument(f"not a join: {join!r}", hint="'inner', 'outer' or None")
        self.path_list = list(paths)
        self.layers_keys = _listed(layers_keys) or ["X"]
        self.obs_keys = _listed(obs_keys)
        self.obsm_keys = _listed(obsm_keys)
        self.join, self.parallel, self.dtype = join, parallel, dtype
        self._handles = stores.Handles()
        self._rows = [self._chosen_rows(position, obs_filter) for position in range(len(paths))]
        self.n_obs_list = [len(rows) for rows in self._rows]
        self._ends = list(accumulate(self.n_obs_list))
        self._starts = [0, *self._ends]
        self._join_variables()
        self.encoders: dict[str, dict[object, int]] = {}
        """The code of each label, for each encoded column."""
        self._encode(encode_labels, unknown_label)
        self._check_parts()
        if parallel:
            self.close()

    # What is in it

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and variables after the join."""
        return len(self), self.n_vars

    @property
    def original_shapes(self) -> list[tuple[int, int]]:
        """Rows and variables of each member."""
        return list(zip(self.n_obs_list, self.n_vars_list, strict=True))

    def get_merged_labels(self, label_key: str) -> list[object]:
        """Return the labels of all rows in a column of `obs`; None for missing ones."""
        labels: list[object] = []
        for position, rows in enumerate(self._rows):
            values = self._file(position).labels(label_key).values()
            labels += [values[row] for row in rows]
        return labels

    def get_merged_categories(self, label_key: str) -> set[object]:
        """Return the labels that there are in a column of `obs`."""
        return {label for label in self.get_merged_labels(label_key) if label is not None}

    def get_label_weights(
        self,
        obs_keys: str | Sequence[str],
        scaler: float | None = None,
        return_categories: bool = False,
    ) -> Any:
        """Return a weight for each row, for `torch.utils.data.WeightedRandomSampler`: rare labels weigh more.

        Args:
            obs_keys: A column of `obs`, or several, whose combinations count.
            scaler: Softens the weights: `scaler / (scaler + count)` instead of `1 / count`.
            return_categories: Return the weight of each label instead.
        """
        import numpy

        columns = [self.get_merged_labels(key) for key in _listed(obs_keys)]
        labels = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        counts = Counter(labels)
        weights = {
            label: 1.0 / count if scaler is None else scaler / (scaler + count)
            for label, count in counts.items()
        }
        if return_categories:
            return weights
        return numpy.array([weights[label] for label in labels])

    def check_vars_sorted(self, ascending: bool = True) -> bool:
        """Return whether the variables of each member are sorted by name."""
        return all(
            names == sorted(names, reverse=not ascending)
            for names in map(self._names, self._members())
        )

    def check_vars_non_aligned(self, vars: Iterable[str]) -> list[int]:
        """Return the positions of the members whose variables are not exactly these, in this order."""
        expected = list(vars)
        return [position for position in self._members() if self._names(position) != expected]

    # Rows

    def __getitem__(self, index: int) -> Sample:
        member, row = self._located(index)
        return _sample(member, row, self._readers(member))

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Return several rows, in the order asked for, read in the order of the files: what a DataLoader calls."""
        samples: dict[int, Sample] = {}
        readers: stores.Readers = ()
        last_member = -1
        for index in sorted(set(indices)):
            member, row = self._located(index)
            if member != last_member:
                readers, last_member = self._readers(member), member
            samples[index] = _sample(member, row, readers)
        return [samples[index] for index in indices]

    def _located(self, index: int) -> tuple[int, int]:
        """Return the member that has this row, and its row there."""
        position = index + self._ends[-1] if index < 0 else index
        if not 0 <= position < self._ends[-1]:
            raise IndexError(f"row {index} of {len(self):,}")
        member = bisect_right(self._ends, position)
        return member, self._rows[member][position - self._starts[member]]

    def _readers(self, member: int) -> stores.Readers:
        """Return what reads each part of a row of a member: looked up once for each opened file."""
        file = self._file(member)
        if not file.readers:
            readers = [(key, self._row_reader(member, key)) for key in self.layers_keys]
            for key in self.obsm_keys:
                readers.append((f"obsm_{key}", file.matrix(f"obsm/{key}").row))
            for key in self.obs_keys:
                readers.append((key, file.labels(key).reader(self.encoders.get(key))))
            file.readers = readers
        return file.readers

    def _row_reader(self, member: int, key: str) -> Callable[[int], Any]:
        read, places = self._file(member).matrix(key).row, self._places[member]
        if self.dtype is None and places is None:
            return read
        return partial(self._values, read, places)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def _values(self, read: Callable[[int], Array], places: Array | None, row: int) -> Array:
        import numpy

        values = stores.as_type(read(row), self.dtype)
        if places is None:
            return values
        if self.join == "inner":
            chosen: Array = values[places]
            return chosen
        joined = numpy.zeros(self.n_vars, dtype=values.dtype)
        joined[places] = values
        return joined

    # Files

    def close(self) -> None:
        """Close the files; reading a row opens them again."""
        self._handles.close()

    @property
    def closed(self) -> bool:
        """Whether no file is open."""
        return not self._handles._open

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @staticmethod
    def torch_worker_init_fn(worker_id: int) -> None:
        """Begin a worker of a `torch.utils.data.DataLoader` with files of its own: `worker_init_fn=`."""
        from torch.utils.data import get_worker_info

        get_worker_info().dataset.close()

    def _members(self) -> range:
        return range(len(self.path_list))

    def _file(self, member: int) -> stores.OpenFile:
        return self._handles.get(self.path_list[member])

    # What is looked up once

    def _chosen_rows(self, member: int, obs_filter: Mapping[str, object] | None) -> Sequence[int]:
        """Return the rows of a member that the filter leaves."""
        rows: Sequence[int] = range(stores.n_rows(self._file(member).group))
        for key, allowed in (obs_filter or {}).items():
            several = (
                {allowed}
                if isinstance(allowed, str) or not isinstance(allowed, Iterable)
                else set(allowed)
            )
            values = self._file(member).labels(key).values()
            rows = [row for row in rows if values[row] in several]
        return rows

    def _names(self, member: int) -> list[str]:
        return stores.names_of(self._file(member).group, "var")

    def _join_variables(self) -> None:
        """Find where the variables of each member go."""
        import numpy

        names_by_member = [self._names(member) for member in self._members()]
        self.n_vars_list = [len(names) for names in names_by_member]
        first = names_by_member[0]
        self._places: list[Array | None] = [None] * len(names_by_member)
        self.var_joint: list[str] | None = first
        """The names of the variables; None without a join."""
        if self.join is None:
            self.var_joint = None
            self.n_vars = max(self.n_vars_list)
            return
        if all(names == first for names in names_by_member):
            self.n_vars = len(first)
            return
        joint = _joined(names_by_member, self.join)
        if not joint:
            raise InvalidArgument(
                "the members have no variable in common", hint="join='outer', or join=None"
            )
        self.var_joint, self.n_vars = joint, len(joint)
        for member, names in enumerate(names_by_member):
            source, target = (joint, names) if self.join == "inner" else (names, joint)
            places = {name: column for column, name in enumerate(target)}
            self._places[member] = numpy.array([places[name] for name in source], dtype="int64")

    def _check_parts(self) -> None:
        """Raise `InvalidArgument` for what a member does not have, before training begins."""
        for member in self._members():
            for key in (*self.layers_keys, *(f"obsm/{key}" for key in self.obsm_keys)):
                self._file(member).matrix(key)
            for key in self.obs_keys:
                self._file(member).labels(key)

    def _encode(
        self, encode_labels: bool | Sequence[str], unknown_label: str | Mapping[str, str] | None
    ) -> None:
        """Number the labels of each column that is to be encoded, over all members."""
        keys = self.obs_keys if encode_labels is True else _listed(encode_labels or None)
        if wrong := [key for key in keys if key not in self.obs_keys]:
            raise InvalidArgument(
                f"encode_labels has columns that obs_keys lacks: {wrong}",
                hint=f"obs_keys={[*self.obs_keys, *wrong]}",
            )
        for key in keys:
            unknown = (
                unknown_label if isinstance(unknown_label, str) else (unknown_label or {}).get(key)
            )
            labels = sorted(
                self._categories(key) - {unknown}, key=lambda label: (str(type(label)), label)
            )
            self.encoders[key] = {label: code for code, label in enumerate(labels)}
            if unknown is not None:
                self.encoders[key][unknown] = stores.MISSING

    def _categories(self, key: str) -> set[Any]:
        """Return the labels that occur in a column."""
        occurring: set[Any] = set()
        for member, rows in enumerate(self._rows):
            labels = self._file(member).labels(key)
            if labels.categories is None or len(rows) < len(labels):
                values = labels.values()
                occurring |= {values[row] for row in rows}
            else:
                occurring |= set(labels.categories)
        return {label for label in occurring if label is not None}


def _sample(member: int, row: int, readers: stores.Readers) -> Sample:
    sample: Sample = {name: read(row) for name, read in readers}
    sample["_store_idx"] = member
    return sample


def _joined(names_by_member: Sequence[Sequence[str]], join: str) -> list[str]:
    """Return the variables that all have, or that any has, in the order in which they first occur.

    >>> _joined([["a", "b"], ["b", "c"]], "inner"), _joined([["a", "b"], ["b", "c"]], "outer")
    (['b'], ['a', 'b', 'c'])
    """
    if join == "outer":
        return list(dict.fromkeys(name for names in names_by_member for name in names))
    common = set(names_by_member[0]).intersection(*names_by_member[1:])
    return [name for name in names_by_member[0] if name in common]


def _listed(keys: str | Sequence[str] | None) -> list[str]:
    if keys is None:
        return []
    return [keys] if isinstance(keys, str) else list(keys)
