"""Small datasets to try things with."""

from __future__ import annotations

from typing import Any, Literal

from lamin_core.errors import MissingExtra

Otype = Literal["DataFrame", "AnnData"]


def small_dataset1(otype: Otype = "DataFrame", *, with_typo: bool = False) -> Any:
    """Three samples: counts of three genes, a perturbation, notes; `with_typo` misspells a perturbation.

    >>> small_dataset1(with_typo=True)["perturbation"].tolist()
    ['DMSO', 'IFNJ', 'DMSO']
    """
    perturbations = ["DMSO", "IFNJ" if with_typo else "IFNG", "DMSO"]
    genes = {
        "ENSG00000153563": [1, 3, 5],
        "ENSG00000010610": [2, 4, 6],
        "ENSG00000170458": [3, 5, 7],
    }
    described: dict[str, list[Any]] = {
        "sample_note": ["was ok", "looks naah", "pretty!"],
        "cell_type_by_expert": [
            "B cell",
            "CD8-positive, alpha-beta T cell",
            "CD8-positive, alpha-beta T cell",
        ],
        "cell_type_by_model": ["B cell", "T cell", "T cell"],
        "assay_oid": ["EFO:0008913", "EFO:0008913", "EFO:0008913"],
        "concentration": ["0.1%", "200 nM", "0.1%"],
        "treatment_time_h": [24, 24, 6],
        "donor": ["D0001", "D0002", None],
    }
    return _dataset(["sample1", "sample2", "sample3"], genes, perturbations, described, otype)


def small_dataset2(otype: Otype = "DataFrame") -> Any:
    """Three more samples, with another gene among the three.

    >>> list(small_dataset2().columns[:3])
    ['ENSG00000153563', 'ENSG00000010610', 'ENSG00000004468']
    """
    genes = {
        "ENSG00000153563": [2, 3, 3],
        "ENSG00000010610": [3, 4, 5],
        "ENSG00000004468": [4, 2, 3],
    }
    described: dict[str, list[Any]] = {
        "cell_type_by_model": ["T cell", "NK cell", "T cell"],
        "concentration": ["200 nM", "0.1%", "200 nM"],
        "treatment_time_h": [24, 6, 24],
        "donor": ["D0003", "D0003", "D0004"],
    }
    return _dataset(
        ["sample4", "sample5", "sample6"], genes, ["IFNG", "DMSO", "IFNG"], described, otype
    )


class mini_immuno:
    """The same datasets under their names in newer versions of LaminDB.

    >>> mini_immuno.get_dataset2().equals(small_dataset2())
    True
    """

    get_dataset1 = staticmethod(small_dataset1)
    get_dataset2 = staticmethod(small_dataset2)


def _dataset(
    samples: list[str],
    genes: dict[str, list[int]],
    perturbations: list[str],
    described: dict[str, list[Any]],
    otype: Otype,
) -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtra("pandas", "data") from error
    columns: dict[str, Any] = {"perturbation": perturbations, **described}
    table = pd.DataFrame({**genes, **columns}, index=samples)
    for name in ("perturbation", "cell_type_by_expert", "cell_type_by_model"):
        if name in columns:
            table[name] = table[name].astype("category")
    if otype == "DataFrame":
        return table
    import anndata

    return anndata.AnnData(table[list(genes)].astype("float32"), obs=table[list(columns)])
