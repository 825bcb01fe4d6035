"""The registries of variables of experiments, and of the processes that they look at."""

from __future__ import annotations

from lamin_core.ontology.links import tie
from lamin_core.ontology.source import Source as Source
from lamin_core.ontology.term import HierarchicalTerm


@tie
class ExperimentalFactor(HierarchicalTerm):
    """A variable of an experiment, such as an assay; of EFO."""

    __tablename__ = "bionty_experimental_factor"


@tie
class Pathway(HierarchicalTerm):
    """A biological process, function or component; of GO, or from a file that you name, such as Reactome."""

    __tablename__ = "bionty_pathway"
