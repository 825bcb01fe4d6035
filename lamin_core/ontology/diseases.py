"""The registries of diseases, and of qualities that can be observed."""

from __future__ import annotations

from lamin_core.ontology.links import tie
from lamin_core.ontology.source import Source as Source
from lamin_core.ontology.term import HierarchicalTerm


@tie
class Disease(HierarchicalTerm):
    """A disease; of MONDO."""

    __tablename__ = "bionty_disease"


@tie
class Phenotype(HierarchicalTerm):
    """A quality that can be observed; of HPO for human, else of PATO."""

    __tablename__ = "bionty_phenotype"
