"""The biological registries, one table each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.tables import Key
from lamin_core.ontology.links import tie
from lamin_core.ontology.source import Source as Source
from lamin_core.ontology.term import HierarchicalTerm, NamedTerm, OfOrganism

if TYPE_CHECKING:
    from typing import ClassVar

    from lamin_core.models.relations import ToMany
    from lamin_core.models.schema import Schema


class Organism(HierarchicalTerm):
    """A species, such as human; of NCBITaxon."""

    __tablename__ = "bionty_organism"
    _search_fields = ("name", "scientific_name", "ontology_id", "synonyms")
    _editable = ("description", "abbr", "scientific_name")

    scientific_name: Mapped[str | None] = mapped_column(Key, index=True)


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


class CellType(HierarchicalTerm):
    """A type of cell; of the Cell Ontology."""

    __tablename__ = "bionty_cell_type"


class CellLine(HierarchicalTerm):
    """A cell line; of Cellosaurus."""

    __tablename__ = "bionty_cell_line"


class Tissue(HierarchicalTerm):
    """A part of an anatomy; of Uberon."""

    __tablename__ = "bionty_tissue"


class Disease(HierarchicalTerm):
    """A disease; of MONDO."""

    __tablename__ = "bionty_disease"


class Phenotype(HierarchicalTerm):
    """A quality that can be observed; of HPO for human, else of PATO."""

    __tablename__ = "bionty_phenotype"


class Pathway(HierarchicalTerm):
    """A biological process, function or component; of GO, or from a file that you name, such as Reactome."""

    __tablename__ = "bionty_pathway"


class ExperimentalFactor(HierarchicalTerm):
    """A variable of an experiment, such as an assay; of EFO."""

    __tablename__ = "bionty_experimental_factor"


class DevelopmentalStage(HierarchicalTerm):
    """A stage of life of an organism; of HsapDv, MmusDv and others."""

    __tablename__ = "bionty_developmental_stage"


class Ethnicity(HierarchicalTerm):
    """An ancestry of people; of HANCESTRO."""

    __tablename__ = "bionty_ethnicity"


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
for _registry in REGISTRIES:
    tie(_registry)

__all__ = [registry.__name__ for registry in REGISTRIES] + ["Source"]
