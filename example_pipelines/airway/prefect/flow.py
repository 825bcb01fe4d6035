"""Per-gene changes in each cell line -> a paired t-test over the cell lines, as one AnnData file.

    python flow.py --folder FOLDER --parts 4

What it shows: mapped tasks (`t_test`, once per part of the table), paths as arguments and results,
a task that collects them, and a dataset that carries its own annotation: cell lines as
observations, genes as variables.

FOLDER holds differences/expressed.tsv.gz and raw/samples.csv; the results go to its statistics/ and
to statistics.h5ad.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import stats

from lamin_prefect import (
    flow,
    task,
)  # the one line: `from prefect import flow, task` is the same flow without lineage


@task
def split(table: Path, parts: int, into: str) -> list[Path]:
    """Cut the table of genes into parts, so that they can be tested side by side."""
    genes = pd.read_csv(table, sep="\t", index_col="gene_id")
    Path(into).mkdir(exist_ok=True)
    paths = [Path(into) / f"part_{number}.tsv" for number in range(1, parts + 1)]
    for path, rows in zip(paths, np.array_split(np.arange(len(genes)), parts), strict=True):
        genes.iloc[rows].to_csv(path, sep="\t", lineterminator="\n")
    return paths


@task
def t_test(part: Path) -> Path:
    """Is the mean difference over the cell lines other than zero? The t-test of pairs, gene by gene."""
    genes = pd.read_csv(part, sep="\t", index_col="gene_id")
    differences = genes.drop(columns=["symbol", "mean"])
    t, p = stats.ttest_1samp(differences, popmean=0, axis=1)
    result = part.with_suffix(".tested.tsv")
    genes.assign(log2_change=differences.mean(axis=1), t=t, p=p).to_csv(
        result, sep="\t", lineterminator="\n"
    )
    return result


@task
def collect(tested: list[Path], sheet: Path, into: str) -> Path:
    """One AnnData of all genes, with the p values adjusted for their number (Benjamini and Hochberg)."""
    genes = pd.concat([pd.read_csv(path, sep="\t", index_col="gene_id") for path in tested])
    genes["q"] = stats.false_discovery_control(genes["p"])
    samples = (
        pd.read_csv(sheet).pivot(index="cell", columns="dex", values="sample").add_suffix("_sample")
    )
    samples.columns.name = None
    cells = samples[samples.index.isin(genes.columns)]
    changes = genes[cells.index].T.to_numpy(dtype="float32")
    result = Path(into) / "statistics.h5ad"
    ad.AnnData(changes, obs=cells, var=genes.drop(columns=cells.index)).write_h5ad(
        result, compression="gzip"
    )
    return result


@flow(name="airway-statistics")
def airway_statistics(folder: str = "data/airway", parts: int = 4) -> Path:
    """From the differences per cell line to the genes that answer to dexamethasone."""
    pieces = split(
        Path(folder, "differences", "expressed.tsv.gz"), parts, into=f"{folder}/statistics"
    )
    tested = t_test.map(pieces).result()
    return collect(tested, Path(folder, "raw", "samples.csv"), into=folder)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Which genes answer to dexamethasone?")
    arguments.add_argument("--folder", default="data/airway")
    arguments.add_argument("--parts", type=int, default=4)
    print(airway_statistics(**vars(arguments.parse_args())))
