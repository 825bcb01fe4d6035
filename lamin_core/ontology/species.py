"""The registry of species."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.tables import Key
from lamin_core.ontology.links import tie
from lamin_core.ontology.source import Source as Source
from lamin_core.ontology.term import HierarchicalTerm


@tie
class Organism(HierarchicalTerm):
    """A species, such as human; of NCBITaxon."""

    __tablename__ = "bionty_organism"
    _search_fields = ("name", "scientific_name", "ontology_id", "synonyms")
    _editable = ("description", "abbr", "scientific_name")

    scientific_name: Mapped[str | None] = mapped_column(Key, index=True)
