"""The tables between a registry of a module and others: wider terms, labels of artifacts, members of schemas."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy.schema import SchemaItem

from lamin_core.models.artifact import Artifact
from lamin_core.models.base import Registry
from lamin_core.models.label import link_constraints
from lamin_core.models.relations import ToMany, attach
from lamin_core.models.tables import Base, Identity, package_of, table_of
from lamin_core.models.terms import Hierarchical

TABLES: list[type[Base]] = []
"""The tables between: SQLAlchemy itself holds on to no class."""


def noun(registry: type[Any]) -> str:
    """Return what a column that names a record of this registry begins with.

    >>> from lamin_core.ontology import registry
    >>> noun(registry("CellType"))
    'cell_type'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", registry.__name__).lower()


def label_artifacts(registry: type[Registry], name: str | None = None) -> None:
    """Let the records of a registry be labels of artifacts, and values of features of artifacts.

    `artifact.biosamples.add(sample)`, `sample.artifacts`, `ln.Artifact.filter(biosamples__name=...)`.
    For a registry with parents (`Hierarchical`) the table of those is declared, too.

    Args:
        registry: The registry, mapped to its table.
        name: What the relation of artifacts is called; by default the name of the registry in small
            letters with an s.
    """
    if issubclass(registry, Hierarchical):
        tie_parents(registry)
    tie(registry, Artifact, annotation(registry), name or f"{noun(registry)}s")


def tie(registry: type[Registry], thing: type[Registry], link: str, name: str) -> None:
    """Declare the relations between a registry and another one over a table between."""
    own, other = f"{noun(registry)}_id", f"{thing.__tablename__}_id"
    things = ToMany[Registry](thing.__name__, link=link, own=own, other=other)
    attach(registry, f"{thing.__tablename__}s", things)
    attach(thing, name, ToMany[Registry](registry.__name__, link=link, own=other, other=own))


def tie_parents(registry: type[Registry]) -> None:
    """Declare the wider and narrower terms of a registry."""
    name, own = registry.__name__, f"{noun(registry)}_id"
    link, table = f"{name}Parent", f"{_prefix(registry)}{noun(registry)}_parent"
    define(
        registry,
        link,
        f"A {name} is narrower than another.",
        table,
        key(table, own, registry, primary_key=True),
        key(table, "parent_id", registry, primary_key=True, index=True),
    )
    attach(registry, "parents", ToMany(name, link=link, own=own, other="parent_id"))
    attach(registry, "children", ToMany(name, link=link, own="parent_id", other=own))


def annotation(registry: type[Registry]) -> str:
    """Define what `Annotation` says of a link to a label; returns the name of its class."""
    link, name = f"Artifact{registry.__name__}", noun(registry)
    table = f"{_prefix(registry)}artifact_{name}"
    feature = ForeignKey("feature.id", ondelete="CASCADE")
    constraints: Any = link_constraints("artifact", name, table)
    define(
        registry,
        link,
        f"An artifact carries a {registry.__name__}.",
        table,
        Column("id", Identity, primary_key=True),
        Column("feature_id", Identity, feature, index=True),
        Column("origin", String(8), default="api", server_default="api", nullable=False),
        key(table, "artifact_id", Artifact),
        key(table, f"{name}_id", registry),
        *constraints,
    )
    return link


def define(registry: type[Registry], name: str, doc: str, table: str, *items: SchemaItem) -> None:
    """Map a class to this table; given whole, it costs SQLAlchemy half of what annotations do."""
    metaclass: Any = type(Base)
    columns = Table(table, Base.metadata, *items)
    fields = {"__doc__": doc, "__module__": registry.__module__, "__table__": columns}
    TABLES.append(metaclass(name, (Base,), fields))


def key(
    table: str,
    column: str,
    target: type[Registry],
    *,
    primary_key: bool = False,
    index: bool | None = None,
) -> Column[int]:
    """Return a column that names a record of the target, and whose row goes with it."""
    # By the convention for names, some would be longer than the 63 bytes of PostgreSQL.
    reference = ForeignKey(table_of(target).c.id, ondelete="CASCADE", name=f"fk_{table}_{column}")
    return Column(column, Identity, reference, primary_key=primary_key, index=index, nullable=False)


def _prefix(registry: type[Registry]) -> str:
    """The prefix of the tables of a module; empty for the core."""
    package = package_of(registry)
    return "" if package == "lamin_core" else f"{package}_"
