"""The common base of all biological registries: terms of a source, their organism, and how they are created."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Registry
from lamin_core.models.interfaces import RecordList
from lamin_core.models.queryset import FieldName, QuerySet
from lamin_core.models.record_kinds import Named, Trashable
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.tables import Key
from lamin_core.models.terms import Hierarchical, Synonymous
from lamin_core.runtime import current

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact
    from lamin_core.models.user import User
    from lamin_core.ontology.public import PublicOntology
    from lamin_core.ontology.source import Source
    from lamin_core.ontology.species import Organism

UID_LENGTH = 14


class Term(Synonymous, Named, Trashable):
    """A term of a biological registry: of a public ontology, or of one's own."""

    __abstract__ = True
    _known_by: ClassVar[tuple[str, ...]] = ("uid",)
    _name_field = "name"
    _search_fields: ClassVar[tuple[str, ...]] = ("name", "ontology_id", "synonyms", "description")
    _editable: ClassVar[tuple[str, ...]] = ("description", "abbr")
    _editable_alone: ClassVar[tuple[str, ...]] = ("name", "synonyms", "ontology_id")
    _initial: ClassVar[tuple[str, ...]] = ("uid", "source_id")
    _identifier: ClassVar[str] = "ontology_id"
    """The field that a source knows a term by."""

    abbr: Mapped[str | None]
    ontology_id: Mapped[str | None] = mapped_column(Key, index=True)
    """Its identifier in the ontology, such as `CL:0000540`."""
    description: Mapped[str | None]
    source_id: Mapped[int | None] = mapped_column(ForeignKey("bionty_source.id"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    source: ClassVar[ToOne[Source | None]] = ToOne("Source", "source_id")
    """The ontology and the version that it was read from; None for a term of one's own."""
    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    if TYPE_CHECKING:  # the table between is another for each registry: `links` declares them
        artifacts: ClassVar[ToMany[Artifact]]
        parents: ClassVar[ToMany[Any]]
        children: ClassVar[ToMany[Any]]

    @classmethod
    def _registry_name(cls) -> str:
        return f"bionty.{cls.__name__}"

    @classmethod
    def public(
        cls, organism: str | Organism | None = None, source: str | Source | None = None
    ) -> PublicOntology:
        """Return the public ontology of this registry, which is read from this machine.

        Args:
            organism: for registries of genes and the like; by default human.
            source: the name of an ontology (`"cl"`), with a version (`"cl@v2025-07-30"`), or a
                `Source`; by default the newest of the first.

        Raises `MissingExtra` where the package with the data is not installed, and
        `InvalidArgument` for an unknown organism or source.
        """
        from lamin_core.ontology.public import open_public

        return open_public(cls, organism, source)

    @classmethod
    def from_source(
        cls,
        *,
        organism: str | Organism | None = None,
        source: str | Source | None = None,
        **identifier: str,
    ) -> Self:
        """Return the record of one public term; saving it also saves the terms above it.

        The term is named by one field: `name="neuron"`, `ontology_id="CL:0000540"`,
        `symbol="CD8A"`. A record that is saved already is returned as it is. Raises `NotFound`, and
        `MultipleFound` where several terms have that name.
        """
        from lamin_core.ontology.records import from_source

        return from_source(cls, identifier, organism, source)

    @classmethod
    def from_values(
        cls,
        values: Iterable[object],
        field: FieldName = None,
        *,
        create: bool = False,
        organism: str | Organism | None = None,
        source: str | Source | None = None,
    ) -> RecordList[Self]:
        """Return the records with these names, from the registry, else from the public ontology, unsaved.

        With `create` also those that neither has are made.
        """
        from lamin_core.ontology.records import Finder

        records: RecordList[Self] = current.current_instance().from_values(
            cls, values, field, create=create, finder=Finder(cls, organism, source)
        )
        return records

    @classmethod
    def import_source(
        cls, *, organism: str | Organism | None = None, source: str | Source | None = None
    ) -> int:
        """Save all terms of the public ontology with what is above them; returns how many are new."""
        from lamin_core.ontology.records import import_source

        return import_source(cls, organism, source)

    @classmethod
    def add_source(
        cls, path: str, *, name: str, version: str, organism: str = "all", description: str = ""
    ) -> Source:
        """Register a file or URL (OBO, OWL, CSV, TSV, parquet) as a source of terms, and save it.

        The file is read now, once: what cannot be read raises `ValidationError`, and nothing is
        registered.
        """
        from lamin_core.ontology.source import add_source

        return add_source(cls, path, name, version, organism, description)

    @classmethod
    def _prepared(cls, session: Session, records: Iterable[Any], user: int) -> list[Any]:
        from lamin_core.ontology.saving import prepared

        return prepared(session, cls, list(records))

    @classmethod
    def _written(cls, session: Session, records: Iterable[Any], rows: Mapping[Any, Any]) -> None:
        from lamin_core.ontology.saving import written

        written(session, cls, list(records), rows)

    def _check_new(self) -> None:
        if not getattr(self, self._name_field) and not getattr(self, self._identifier):
            raise InvalidArgument(
                f"a {type(self).__name__} needs a {self._name_field}",
                hint=f"bt.{type(self).__name__}({self._name_field}=...)",
            )

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return (cls._identifier,)


class NamedTerm(Term):
    """A term that is known by a name."""

    __abstract__ = True

    name: Mapped[str] = mapped_column(Key, index=True)

    def __init__(
        self,
        *,
        name: str,
        ontology_id: str | None = None,
        abbr: str | None = None,
        synonyms: str | None = None,
        description: str | None = None,
    ) -> None:
        """A term of one's own, to be saved; `synonyms` are joined by `|`.

        Take a public one from `from_source`. One without an `ontology_id` is known by its name.
        """
        Registry.__init__(
            self,
            name=name,
            ontology_id=ontology_id,
            abbr=abbr,
            synonyms=synonyms,
            description=description,
        )

    def set_abbr(self, value: str) -> None:
        """Set the abbreviation of a saved term, and add it to the synonyms."""
        self.abbr = value
        self.add_synonym(value)


class HierarchicalTerm(Hierarchical, NamedTerm):
    """A term that has wider and narrower terms."""

    __abstract__ = True


class OfOrganism(Term):
    """A term that belongs to one organism."""

    __abstract__ = True

    organism_id: Mapped[int | None] = mapped_column(ForeignKey("bionty_organism.id"), index=True)
    organism: ClassVar[ToOne[Organism | None]] = ToOne("Organism", "organism_id")

    @classmethod
    def _narrowed(cls, options: Mapping[str, object]) -> QuerySet[Self]:
        rest = dict(options)
        organism = rest.pop("organism", None)
        query = super()._narrowed(rest)
        name = getattr(organism, "name", organism)
        return query if name is None else query.filter(organism__name=name)

    def _construct(self, organism: str | Organism | None, values: dict[str, object]) -> None:
        """Set the columns; the organism is found, or made when this is saved."""
        Registry.__init__(self, **values)
        self.__dict__["_organism_of"] = organism
