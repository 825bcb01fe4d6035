"""Small datasets to try things with."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, Literal

from lamin_core.errors import MissingExtra, NotHere

Otype = Literal["DataFrame", "AnnData"]

_SYMBOLS = {
    "ENSG00000153563": "CD8A",
    "ENSG00000010610": "CD4",
    "ENSG00000170458": "CD14",
    "ENSG00000004468": "CD38",
}
_CATEGORIES = ("perturbation", "cell_type_by_expert", "cell_type_by_model")


def small_dataset1(
    otype: Otype = "DataFrame",
    *,
    gene_symbols_in_index: bool = False,
    with_typo: bool = False,
    with_cell_type_synonym: bool = False,
    with_cell_type_typo: bool = False,
    with_gene_typo: bool = False,
    with_outdated_gene: bool = False,
    with_wrong_subtype: bool = False,
    with_index_type_mismatch: bool = False,
) -> Any:
    """Return three samples: counts of three genes, a perturbation, cell types, notes.

    Args:
        otype: `DataFrame`, or `AnnData` with the counts as `X` and the rest as `obs`.
        gene_symbols_in_index: Name the genes by symbols, not by Ensembl ids.
        with_typo: Misspell a perturbation.
        with_cell_type_synonym: Name a cell type by a synonym.
        with_cell_type_typo: Misspell a cell type.
        with_gene_typo: Misspell a gene.
        with_outdated_gene: Use an Ensembl id that is no longer valid.
        with_wrong_subtype: Use a label that is not a perturbation.
        with_index_type_mismatch: Mix numbers and texts in the index.

    >>> small_dataset1(with_typo=True)["perturbation"].tolist()
    ['DMSO', 'IFNJ', 'DMSO']
    """
    genes = {
        "ENSG00000153563": [1, 3, 5],
        "ENSG00000010610": [2, 4, 6],
        "ENSG00000170458": [3, 5, 7],
    }
    if with_gene_typo or with_outdated_gene:
        values = genes.pop("ENSG00000170458")
        genes["GeneTypo" if with_gene_typo else "ENSG00000278198"] = values
    last = "ulabel_but_not_perturbation" if with_wrong_subtype else "DMSO"
    expert = (
        "CD8-pos alpha-beta T cell" if with_cell_type_typo else "CD8-positive, alpha-beta T cell"
    )
    described: dict[str, list[Any]] = {
        "perturbation": ["DMSO", "IFNJ" if with_typo else "IFNG", last],
        "sample_note": ["was ok", "looks naah", "pretty!"],
        "cell_type_by_expert": ["B-cell" if with_cell_type_synonym else "B cell", expert, expert],
        "cell_type_by_model": ["B cell", "T cell", "T cell"],
        "assay_oid": ["EFO:0008913", "EFO:0008913", "EFO:0008913"],
        "concentration": ["0.1%", "200 nM", "0.1%"],
        "treatment_time_h": [24, 24, 6],
        "donor": ["D0001", "D0002", None],
    }
    samples: list[Any] = ["sample1", "sample2", 0 if with_index_type_mismatch else "sample3"]
    return _dataset(samples, _named(genes, gene_symbols_in_index), described, otype)


def small_dataset2(otype: Otype = "DataFrame", *, gene_symbols_in_index: bool = False) -> Any:
    """Return three more samples, with another gene among the three; the arguments are those of `small_dataset1`.

    >>> list(small_dataset2(gene_symbols_in_index=True).columns[:3])
    ['CD8A', 'CD4', 'CD38']
    """
    genes = {
        "ENSG00000153563": [2, 3, 3],
        "ENSG00000010610": [3, 4, 5],
        "ENSG00000004468": [4, 2, 3],
    }
    described: dict[str, list[Any]] = {
        "perturbation": ["IFNG", "DMSO", "IFNG"],
        "cell_type_by_model": ["T cell", "NK cell", "T cell"],
        "concentration": ["200 nM", "0.1%", "200 nM"],
        "treatment_time_h": [24, 6, 24],
        "donor": ["D0003", "D0003", "D0004"],
    }
    samples = ["sample4", "sample5", "sample6"]
    return _dataset(samples, _named(genes, gene_symbols_in_index), described, otype)


def __getattr__(name: str) -> ModuleType:
    if name == "mini_immuno":  # defines biological registries, so it is imported when it is used
        return importlib.import_module("lamin_core.core.mini_immuno")
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise NotHere(
        f"there is no example dataset {name!r}: those of LaminDB are downloaded",
        hint="ln.examples.datasets.mini_immuno.get_dataset1(), or a file of your own",
    )


def _named(genes: dict[str, list[int]], with_symbols: bool) -> dict[str, list[int]]:
    if not with_symbols:
        return genes
    return {_SYMBOLS.get(gene, gene): counts for gene, counts in genes.items()}


def _dataset(
    samples: list[Any], genes: dict[str, list[int]], described: dict[str, list[Any]], otype: Otype
) -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtra("pandas", "data") from error
    table = pd.DataFrame({**genes, **described}, index=samples)
    for name in _CATEGORIES:
        if name in described:
            table[name] = table[name].astype("category")
    if otype == "DataFrame":
        return table
    import anndata

    return anndata.AnnData(table[list(genes)].astype("float32"), obs=table[list(described)])
