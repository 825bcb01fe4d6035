"""Make the files of this folder from the two Python packages that carry the data.

Run once, by hand: `python make_data.py airway.h5ad human_to_mouse.csv`; `SOURCE.md` says where
those are from.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

HERE = Path(__file__).parent


def write_gzipped(path: Path, table: pd.DataFrame, separator: str) -> None:
    """The same table gives the same bytes: no name and no time in the gzip header."""
    path.parent.mkdir(exist_ok=True)
    text = table.to_csv(sep=separator, index=False, lineterminator="\n")
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def make(counts: Path, annotation: Path) -> None:
    """One table of counts per sample, the sample sheet, and the gene symbols."""
    data = ad.read_h5ad(counts)
    matrix = np.asarray(data.X)
    seen = matrix.sum(axis=0) > 0
    genes = data.var_names[seen]
    for sample, row in zip(data.obs_names, matrix, strict=True):
        table = pd.DataFrame({"gene_id": genes, "count": row[seen].astype(int)})
        write_gzipped(HERE / "counts" / f"{sample}.tsv.gz", table, "\t")

    sheet = data.obs[["cell", "dex"]].rename_axis("sample")
    sheet.to_csv(HERE / "samples.csv", lineterminator="\n")

    names = (
        pd.read_csv(annotation, usecols=["Gene stable ID", "Gene name"])
        .dropna()
        .drop_duplicates("Gene stable ID")
    )
    symbols = names.set_index("Gene stable ID")["Gene name"].reindex(genes).dropna()
    write_gzipped(
        HERE / "genes.csv.gz", symbols.rename("symbol").rename_axis("gene_id").reset_index(), ","
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
