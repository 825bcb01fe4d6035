"""The registry of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.tables import Key
from lamin_core.ontology.links import tie
from lamin_core.ontology.species import Organism as Organism
from lamin_core.ontology.term import OfOrganism

if TYPE_CHECKING:
    from typing import ClassVar

    from lamin_core.models.relations import ToMany
    from lamin_core.models.schema import Schema


@tie
class Gene(OfOrganism):
    """A gene of an organism; those of human are of HGNC, others of Ensembl."""

    __tablename__ = "bionty_gene"
    _name_field = "symbol"
    _identifier = "ensembl_gene_id"
    _search_fields = ("symbol", "ensembl_gene_id", "synonyms", "description")
    _editable = ("description", "biotype")
    _editable_alone = (
        "symbol",
        "synonyms",
        "stable_id",
        "ensembl_gene_id",
        "ncbi_gene_ids",
        "organism_id",
        "ontology_id",
    )
    _aliases = {"name": "symbol", "hgnc_id": "ontology_id"}

    symbol: Mapped[str | None] = mapped_column(Key, index=True)
    stable_id: Mapped[str | None] = mapped_column(Key, index=True)
    ensembl_gene_id: Mapped[str | None] = mapped_column(Key, index=True)
    ncbi_gene_ids: Mapped[str | None]
    """Joined by `|`."""
    biotype: Mapped[str | None]
    if TYPE_CHECKING:
        schemas: ClassVar[ToMany[Schema]]

    def __init__(
        self,
        *,
        symbol: str | None = None,
        ensembl_gene_id: str | None = None,
        stable_id: str | None = None,
        ncbi_gene_ids: str | None = None,
        biotype: str | None = None,
        organism: str | Organism | None = None,
        synonyms: str | None = None,
        description: str | None = None,
    ) -> None:
        """A gene of one's own, to be saved; take a public one from `from_source(symbol=...)`."""
        self._construct(
            organism,
            {
                "symbol": symbol,
                "ensembl_gene_id": ensembl_gene_id,
                "stable_id": stable_id,
                "ncbi_gene_ids": ncbi_gene_ids,
                "biotype": biotype,
                "synonyms": synonyms,
                "description": description,
            },
        )
