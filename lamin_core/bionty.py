"""Biological registries that follow public ontologies: `import lamin_core.bionty as bt`.

The tables of the registries are defined when one of these names is first used: a script that only
imports the module does not wait for that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamin_core.ontology.registries import CellLine as CellLine
    from lamin_core.ontology.registries import CellMarker as CellMarker
    from lamin_core.ontology.registries import CellType as CellType
    from lamin_core.ontology.registries import DevelopmentalStage as DevelopmentalStage
    from lamin_core.ontology.registries import Disease as Disease
    from lamin_core.ontology.registries import Ethnicity as Ethnicity
    from lamin_core.ontology.registries import ExperimentalFactor as ExperimentalFactor
    from lamin_core.ontology.registries import Gene as Gene
    from lamin_core.ontology.registries import Organism as Organism
    from lamin_core.ontology.registries import Pathway as Pathway
    from lamin_core.ontology.registries import Phenotype as Phenotype
    from lamin_core.ontology.registries import Protein as Protein
    from lamin_core.ontology.registries import Tissue as Tissue
    from lamin_core.ontology.settings import settings as settings
    from lamin_core.ontology.source import Source as Source

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
    home = _HOMES.get(name, "registries")
    value = getattr(importlib.import_module(f"lamin_core.ontology.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
