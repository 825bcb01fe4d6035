"""The registries of the age and ancestry of donors."""

from __future__ import annotations

from lamin_core.ontology.links import tie
from lamin_core.ontology.source import Source as Source
from lamin_core.ontology.term import HierarchicalTerm


@tie
class DevelopmentalStage(HierarchicalTerm):
    """A stage of life of an organism; of HsapDv, MmusDv and others."""

    __tablename__ = "bionty_developmental_stage"


@tie
class Ethnicity(HierarchicalTerm):
    """An ancestry of people; of HANCESTRO."""

    __tablename__ = "bionty_ethnicity"
