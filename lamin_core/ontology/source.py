"""Sources: which ontology, of which version, the terms of a registry were read from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Registry
from lamin_core.models.record_kinds import Named
from lamin_core.models.relations import ToOne
from lamin_core.models.tables import Key
from lamin_core.uids import derived_uid

if TYPE_CHECKING:
    from lamin_core.models.user import User
    from lamin_core.ontology.public import PublicOntology
    from lamin_core.ontology.term import Term


class Source(Named, Registry):
    """An ontology in one version, for one registry and one organism."""

    __tablename__ = "bionty_source"
    __table_args__ = (UniqueConstraint("entity", "organism", "name", "version"),)
    _known_by = ("entity", "organism", "name", "version")
    _name_field = "name"
    _search_fields = ("name", "entity", "description")
    _editable = ("description",)
    _initial = ("uid", "name", "entity", "organism", "version", "url", "licence")

    entity: Mapped[str] = mapped_column(Key)
    """The registry: `bionty.CellType`."""
    organism: Mapped[str] = mapped_column(Key, default="all")
    """The name of an organism, or `all`."""
    name: Mapped[str] = mapped_column(Key)
    """The short name of the ontology: `cl`."""
    version: Mapped[str] = mapped_column(Key)
    description: Mapped[str | None]
    url: Mapped[str | None]
    """The origin of the data: the page of the ontology, or the registered file."""
    licence: Mapped[str | None]
    """Of the data."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")

    @classmethod
    def _registry_name(cls) -> str:
        return "bionty.Source"

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ("entity", "organism", "version")

    @property
    def is_file(self) -> bool:
        """Whether it is a file or URL that a user registered."""
        return self.licence is None


def registered(
    registry: type[Term], organism: str | None, name: str, version: str
) -> Source | None:
    """Return the file that was registered under this name, the newest where no version is named; None for none."""
    from lamin_core.ontology.catalog import ONTOLOGIES

    for item in ONTOLOGIES:
        is_meant = item.entity == registry.__name__ and name in ("", item.name)
        if is_meant and (name or organism is None or item.organism in (organism, "all")):
            return None
    query = Source.filter(entity=registry._registry_name(), licence__isnull=True)
    if name:
        query = query.filter(name=name)
    if version:
        query = query.filter(version=version)
    if organism is not None:
        query = query.filter(organism__in=[organism, "all"])
    return query.order_by("-created_at").first()


def shelved(registry: type[Term], source: Source) -> PublicOntology:
    """Return the terms of a registered file, which is read again where this machine has no copy."""
    from lamin_core.ontology.files import terms_in
    from lamin_core.ontology.public import PublicOntology, extra_fields
    from lamin_core.ontology.shelf import FIELDS, Shelf, build

    path = _path(registry, source)
    if not path.exists():
        extra = extra_fields(registry)
        build(path, terms_in(source.url or "", [*FIELDS, *extra]), extra)
    return PublicOntology(
        registry,
        name=source.name,
        version=source.version,
        organism=source.organism,
        description=source.description,
        url=source.url,
        licence=None,
        shelf=Shelf(path),
    )


def add_source(
    registry: type[Term], path: object, name: str, version: str, organism: str, description: str
) -> Source:
    """Read a file and register it. Raises `ValidationError`, and registers nothing."""
    from lamin_core.ontology.catalog import ONTOLOGIES
    from lamin_core.ontology.files import terms_in
    from lamin_core.ontology.public import extra_fields
    from lamin_core.ontology.shelf import FIELDS, build

    location = str(path)
    if "://" not in location:
        location = str(Path(location).expanduser().resolve())
    if any(item.name == name and item.entity == registry.__name__ for item in ONTOLOGIES):
        raise InvalidArgument(
            f"{name!r} is an ontology that a package carries", hint="choose another name"
        )
    source = Source()
    for field, value in {
        "entity": registry._registry_name(),
        "organism": organism,
        "name": name,
        "version": version,
        "url": location,
        "description": description or None,
    }.items():
        setattr(source, field, value)
    extra = extra_fields(registry)
    rows = terms_in(location, [*FIELDS, *extra])
    build(_path(registry, source), rows, extra)
    return source.save()


def _path(registry: type[Term], source: Source) -> Path:
    """The path of the copy of a registered file; it depends also on the location, because users choose the names."""
    from lamin_core.ontology.shelf import shelf_path

    version = f"{source.version}-{derived_uid(8, source.url or '')}"
    return shelf_path(registry.__name__, source.organism, source.name, version)
