"""The registries of proteins, and of proteins that distinguish cell types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.tables import Key
from lamin_core.ontology.links import tie
from lamin_core.ontology.species import Organism as Organism
from lamin_core.ontology.term import NamedTerm, OfOrganism

if TYPE_CHECKING:
    from typing import ClassVar

    from lamin_core.models.relations import ToMany
    from lamin_core.models.schema import Schema


@tie
class Protein(OfOrganism, NamedTerm):
    """A protein of an organism; of UniProt."""

    __tablename__ = "bionty_protein"
    _identifier = "uniprotkb_id"
    _search_fields = ("name", "uniprotkb_id", "gene_symbol", "synonyms")
    _editable = ("description", "gene_symbol")
    _editable_alone = ("name", "synonyms", "uniprotkb_id", "organism_id", "ontology_id")

    uniprotkb_id: Mapped[str | None] = mapped_column(Key, index=True)
    gene_symbol: Mapped[str | None] = mapped_column(Key, index=True)
    if TYPE_CHECKING:
        schemas: ClassVar[ToMany[Schema]]

    def __init__(
        self,
        *,
        name: str,
        uniprotkb_id: str | None = None,
        gene_symbol: str | None = None,
        organism: str | Organism | None = None,
        synonyms: str | None = None,
        description: str | None = None,
    ) -> None:
        """A protein of one's own, to be saved."""
        self._construct(
            organism,
            {
                "name": name,
                "uniprotkb_id": uniprotkb_id,
                "gene_symbol": gene_symbol,
                "synonyms": synonyms,
                "description": description,
            },
        )


@tie
class CellMarker(OfOrganism, NamedTerm):
    """A protein that distinguishes cell types, with the name that antibodies use."""

    __tablename__ = "bionty_cell_marker"
    _identifier = "name"
    _search_fields = ("name", "gene_symbol", "synonyms")
    _editable = ("description", "gene_symbol", "uniprotkb_id")
    _editable_alone = ("name", "synonyms", "organism_id", "ontology_id")

    gene_symbol: Mapped[str | None] = mapped_column(Key, index=True)
    uniprotkb_id: Mapped[str | None] = mapped_column(Key, index=True)
    if TYPE_CHECKING:
        schemas: ClassVar[ToMany[Schema]]

    def __init__(
        self,
        *,
        name: str,
        gene_symbol: str | None = None,
        uniprotkb_id: str | None = None,
        organism: str | Organism | None = None,
        synonyms: str | None = None,
        description: str | None = None,
    ) -> None:
        """A marker to be saved."""
        self._construct(
            organism,
            {
                "name": name,
                "gene_symbol": gene_symbol,
                "uniprotkb_id": uniprotkb_id,
                "synonyms": synonyms,
                "description": description,
            },
        )
