"""The statistics of the airway cells -> a volcano plot and a table of the genes that answer most.

    python figure.py

What it shows: a plain script. `ln.track()` and `ln.finish()` say that what is read and saved
between them belongs together; `ln.Artifact.get` asks for data by key, wherever it lies and whatever
made it.
"""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

import lamin_core as ln

MAX_Q = 0.05
TOP = 50
# The genes that the study names: known to answer to glucocorticoids, and CRISPLD2, its own finding.
KNOWN = {"DUSP1", "FKBP5", "KLF15", "PER1", "TSC22D3", "CRISPLD2"}

ln.track(params={"max_q": MAX_Q, "top": TOP})

genes = ln.Artifact.get(key="airway/statistics.h5ad").load().var
changed = genes[genes["q"] < MAX_Q]
top = changed.reindex(changed["log2_change"].abs().sort_values(ascending=False).index).head(TOP)

figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
axes.scatter(
    genes["log2_change"],
    -np.log10(genes["p"]),
    s=4,
    color="0.75",
    linewidths=0,
    label="all expressed genes",
)
for direction, color in (("more", "tab:red"), ("less", "tab:blue")):
    some = changed[(changed["log2_change"] > 0) == (direction == "more")]
    label = f"{direction} with dexamethasone ({len(some)})"
    axes.scatter(
        some["log2_change"], -np.log10(some["p"]), s=6, color=color, linewidths=0, label=label
    )
named = top[top["symbol"].isin(KNOWN) | (np.arange(len(top)) < 7)].sort_values("p")
for number, gene in enumerate(named.itertuples()):
    at = (gene.log2_change, -np.log10(gene.p))
    beside = (3, 3 if number % 2 else -9)  # neighbours in height: one above its point, one below
    weight = "bold" if gene.symbol in KNOWN else "normal"
    axes.annotate(
        gene.symbol, at, beside, textcoords="offset points", fontsize=8, fontweight=weight
    )
axes.set(
    title="Airway smooth muscle cells of four donors, 18 h with dexamethasone",
    xlabel="log2 change, mean of four cell lines",
    ylabel="-log10 p, paired t-test",
    xlim=(-5, 9),
    ylim=(0, 6.4),
)
axes.legend(loc="upper right", fontsize=8, frameon=False)
# Without the version of the plotting library in it, the same picture is the same bytes.
figure.savefig("volcano.png", dpi=150, metadata={"Software": None})
top.round(6).to_csv("top_genes.csv", lineterminator="\n")

ln.Artifact(
    "volcano.png", key="airway/volcano.png", description="Genes that answer to dexamethasone"
).save()
ln.Artifact(
    "top_genes.csv",
    key="airway/top_genes.csv",
    description=f"The {TOP} largest significant changes",
).save()
ln.finish()
