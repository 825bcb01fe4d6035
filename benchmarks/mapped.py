"""Measures random batches of the rows of 50 AnnData files: `mapped`, beside the same reads by h5py alone.

`python benchmarks/mapped.py`: prints JSON, in milliseconds of CPU for a batch of 128 rows, the
median of interleaved rounds, and the ratio of the two. With the Python of an environment that has
LaminDB and not this package, it measures LaminDB's class. Needs anndata; writes 0.1 to 0.5 GB into a
temporary folder, each kind in turn.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py
import numpy
import psutil

FILES, CELLS, BATCH = 50, 2_000, 128
GENES = {"50 genes": 50, "500 genes": 500, "2,000 genes": 2_000}
LABELS = ["cell_type", "donor"]
Samples = list[dict[str, Any]]
Reader = Callable[[Sequence[int]], Samples]


def main() -> None:
    """Measure each kind of file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=41, help="batches of each")
    rounds = options.parse_args().rounds
    figures: dict[str, Any] = {"dataset": mapped_class().__module__}
    for name, genes in GENES.items():
        for kind in ("dense", "sparse"):
            with tempfile.TemporaryDirectory() as folder:
                paths = [write(Path(folder), number, genes, kind) for number in range(FILES)]
                figures[f"{kind}, {name}"] = compared(paths, rounds)
    print(json.dumps(figures, indent=2))


def mapped_class() -> Any:
    """The class of this package, else LaminDB's."""
    name = "lamin_core.curation.mapped" if find_spec("lamin_core") else "lamindb.core"
    return importlib.import_module(name).MappedCollection


def write(folder: Path, number: int, genes: int, kind: str) -> Path:
    """Write one file, in which 10 % of the values are not zero."""
    import anndata
    import pandas
    import scipy.sparse

    generator = numpy.random.default_rng(number)
    values = scipy.sparse.random(CELLS, genes, 0.1, "csr", dtype="float32", random_state=generator)
    names = pandas.Index([f"label {code}" for code in range(8)])
    columns = {}
    for label in LABELS:
        codes: Any = generator.integers(0, 8, CELLS)
        columns[label] = pandas.Categorical.from_codes(codes, names)
    obs = pandas.DataFrame(columns, index=[f"cell {row}" for row in range(CELLS)])
    var = pandas.DataFrame(index=[f"gene {gene}" for gene in range(genes)])
    path = folder / f"{number}.h5ad"
    anndata.AnnData(values.toarray() if kind == "dense" else values, obs, var).write_h5ad(path)
    return path


def compared(paths: list[Path], rounds: int) -> dict[str, float]:
    """Milliseconds of CPU for a batch, by each of the two in turns, and the growth of the memory in MB."""
    dataset = mapped_class()(paths, obs_keys=LABELS, encode_labels=LABELS)
    readers: dict[str, Reader] = {"mapped": read_by(dataset), "h5py": ByHand(paths).read}
    times: dict[str, list[float]] = {name: [] for name in readers}
    generator = numpy.random.default_rng(0)
    memory = 0
    for turn in range(-5, rounds):
        if turn == 0:
            memory = psutil.Process().memory_info().rss
        indices = generator.choice(FILES * CELLS, BATCH, replace=False).tolist()
        results = {}
        for name in sorted(readers, reverse=bool(turn % 2)):
            begin = time.process_time()
            results[name] = readers[name](indices)
            if turn >= 0:
                times[name].append(1000 * (time.process_time() - begin))
        check(results["mapped"], results["h5py"])
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    growth = psutil.Process().memory_info().rss - memory
    figures = medians | {"ratio": medians["mapped"] / medians["h5py"], "growth_mb": growth / 1e6}
    return {name: round(value, 3) for name, value in figures.items()}


def read_by(dataset: Any) -> Reader:
    """A batch of this dataset, as a DataLoader reads it."""
    if hasattr(dataset, "__getitems__"):
        reader: Reader = dataset.__getitems__
        return reader
    return lambda indices: [dataset[index] for index in indices]


class ByHand:
    """The shortest code for it: open files, labels in memory, rows in the order of the files."""

    def __init__(self, paths: list[Path]) -> None:
        files = [h5py.File(path) for path in paths]
        self._dense = isinstance(files[0]["X"], h5py.Dataset)
        self._values = [file["X"] if self._dense else file["X/data"] for file in files]
        if not self._dense:
            self._columns = [file["X/indices"] for file in files]
            self._offsets = [file["X/indptr"][:] for file in files]
        self._genes = len(files[0]["var/_index"])
        self._labels = [{name: file[f"obs/{name}/codes"][:] for name in LABELS} for file in files]
        self._ends = list(accumulate(len(file["obs/_index"]) for file in files))

    def read(self, indices: Sequence[int]) -> Samples:
        """Read a batch."""
        samples = {index: self._sample(index) for index in sorted(indices)}
        return [samples[index] for index in indices]

    def _sample(self, index: int) -> dict[str, Any]:
        file = bisect_right(self._ends, index)
        row = index - (self._ends[file - 1] if file else 0)
        sample = {"X": self._values[file][row] if self._dense else self._row(file, row)}
        for name, codes in self._labels[file].items():
            sample[name] = codes[row]
        return sample

    def _row(self, file: int, row: int) -> Any:
        start, end = self._offsets[file][row : row + 2]
        values = numpy.zeros(self._genes, dtype="float32")
        values[self._columns[file][start:end]] = self._values[file][start:end]
        return values


def check(samples: Samples, expected: Samples) -> None:
    """Check that both read the same."""
    for sample, other in zip(samples, expected, strict=True):
        assert (sample["X"] == other["X"]).all()
        assert all(sample[name] == other[name] for name in LABELS)


if __name__ == "__main__":
    main()
