"""Gene counts -> log2 counts per million: what `nextflow/main.nf` does, for a machine that can have no Nextflow.

    python prepare.py

What it shows: a script that registers the files it finds and the files it writes where they are,
under keys that others can ask for. `demo.py` runs it only when there is neither a `nextflow` nor a
way to get one.
"""

from pathlib import Path

import numpy as np
import pandas as pd

import lamin_core as ln

FOLDER = Path("data/airway")

for path in sorted((FOLDER / "raw").rglob("*.?sv*")):
    ln.Artifact(path).save()  # nobody's result: registered before the run begins

ln.track()


def raw(name: str, separator: str) -> pd.DataFrame:
    """A table of the raw data."""
    return pd.read_csv(ln.Artifact.get(key=f"airway/raw/{name}").cache(), sep=separator)


def save(table: pd.DataFrame, name: str, separator: str) -> None:
    """Write a table, always with the same bytes, and register it."""
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    compression = {"method": "gzip", "mtime": 0} if path.suffix == ".gz" else None
    table.to_csv(
        path,
        sep=separator,
        index=False,
        lineterminator="\n",
        compression=compression,
        float_format="%.4f",
    )
    ln.Artifact(path).save()


genes = raw("genes.csv.gz", ",")
sizes = []
for sample in raw("samples.csv", ",")["sample"]:
    counts = raw(f"counts/{sample}.tsv.gz", "\t").merge(genes, on="gene_id")
    reads = counts["count"].sum()
    logcpm = np.log2((counts["count"] + 0.5) / (reads + 1) * 1e6)
    save(
        counts[["gene_id", "symbol"]].assign(logcpm=logcpm),
        f"normalized/{sample}.logcpm.tsv.gz",
        "\t",
    )
    sizes.append({"sample": sample, "reads": reads, "genes": (counts["count"] > 0).sum()})
save(pd.DataFrame(sizes), "qc/library_sizes.csv", ",")

ln.finish()
