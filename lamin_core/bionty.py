"""Biological registries that follow public ontologies: `import lamin_core.bionty as bt`.

The table of a registry is defined when its name is first used: a script does not wait for those of
registries that it does not use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamin_core.ontology.cells import CellLine as CellLine
    from lamin_core.ontology.cells import CellType as CellType
    from lamin_core.ontology.cells import Tissue as Tissue
    from lamin_core.ontology.diseases import Disease as Disease
    from lamin_core.ontology.diseases import Phenotype as Phenotype
    from lamin_core.ontology.donors import DevelopmentalStage as DevelopmentalStage
    from lamin_core.ontology.donors import Ethnicity as Ethnicity
    from lamin_core.ontology.experiments import ExperimentalFactor as ExperimentalFactor
    from lamin_core.ontology.experiments import Pathway as Pathway
    from lamin_core.ontology.genes import Gene as Gene
    from lamin_core.ontology.proteins import CellMarker as CellMarker
    from lamin_core.ontology.proteins import Protein as Protein
    from lamin_core.ontology.settings import settings as settings
    from lamin_core.ontology.source import Source as Source
    from lamin_core.ontology.species import Organism as Organism

_HOMES = {"Source": "source", "settings": "settings"}
"""The modules of names that are no registries of terms."""

__all__ = [
    "CellLine",
    "CellMarker",
    "CellType",
    "DevelopmentalStage",
    "Disease",
    "Ethnicity",
    "ExperimentalFactor",
    "Gene",
    "Organism",
    "Pathway",
    "Phenotype",
    "Protein",
    "Source",
    "Tissue",
    "settings",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"lamin_core.ontology.{_HOMES[name]}"), name)
    else:
        value = importlib.import_module("lamin_core.ontology").registry(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
