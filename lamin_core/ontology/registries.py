"""All biological registries, one table each. Importing this module defines all tables."""

from __future__ import annotations

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
from lamin_core.ontology.source import Source as Source
from lamin_core.ontology.species import Organism as Organism

REGISTRIES = (
    Organism,
    Gene,
    Protein,
    CellMarker,
    CellType,
    CellLine,
    Tissue,
    Disease,
    Phenotype,
    Pathway,
    ExperimentalFactor,
    DevelopmentalStage,
    Ethnicity,
)
__all__ = [registry.__name__ for registry in REGISTRIES] + ["Source"]
