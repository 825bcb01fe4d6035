"""One table of all cell lines: gene, symbol, mean expression, and a column of differences per cell line."""

from pathlib import Path

import pandas as pd

job = snakemake  # noqa: F821  Snakemake puts it there

reads = pd.read_csv(job.input.sizes, index_col="sample")["reads"]
sheet = pd.read_csv(job.input.sheet)
smallest = sheet["sample"].map(reads).groupby(sheet["cell"]).min()

pairs = {
    Path(path).name.removesuffix(".tsv.gz"): pd.read_csv(
        path, sep="\t", index_col=["gene_id", "symbol"]
    )
    for path in job.input.pairs
}
selected = {cell: pair for cell, pair in pairs.items() if smallest[cell] >= job.params.min_reads}

merged = pd.DataFrame({cell: pair["difference"] for cell, pair in selected.items()})
merged.insert(0, "mean", sum(pair["mean"] for pair in selected.values()) / len(selected))
merged.round(4).to_csv(
    job.output[0], sep="\t", lineterminator="\n", compression={"method": "gzip", "mtime": 0}
)
