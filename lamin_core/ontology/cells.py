"""The registries of cells, and of the tissues that they form."""

from __future__ import annotations

from lamin_core.ontology.links import tie
from lamin_core.ontology.source import Source as Source
from lamin_core.ontology.term import HierarchicalTerm


@tie
class CellType(HierarchicalTerm):
    """A type of cell; of the Cell Ontology."""

    __tablename__ = "bionty_cell_type"


@tie
class CellLine(HierarchicalTerm):
    """A cell line; of Cellosaurus."""

    __tablename__ = "bionty_cell_line"


@tie
class Tissue(HierarchicalTerm):
    """A part of an anatomy; of Uberon."""

    __tablename__ = "bionty_tissue"
