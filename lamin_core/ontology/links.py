"""The tables between: wider terms, labels of artifacts, members of schemas; the same for each registry."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy.schema import SchemaItem

from lamin_core.models.artifact import Artifact
from lamin_core.models.base import Base, Hierarchical, Identity, Registry, table_of
from lamin_core.models.label import link_constraints
from lamin_core.models.relations import ToMany, attach
from lamin_core.models.schema import Schema

_PLURALS = {"disease": "diseases", "ethnicity": "ethnicities"}
TABLES: list[type[Base]] = []
"""The tables between: SQLAlchemy itself holds on to no class."""
IN_SCHEMAS = ("Gene", "Protein", "CellMarker", "Pathway")
"""Registries whose records may be the columns of a dataset."""


def noun(registry: type[Any]) -> str:
    """Return what a column that names a record of this registry begins with.

    >>> from lamin_core.ontology import registry
    >>> noun(registry("CellType"))
    'cell_type'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", registry.__name__).lower()


def plural(registry: type[Any]) -> str:
    """Return the name of the relation to several of its records: `cell_types`."""
    name = noun(registry)
    return _PLURALS.get(name, f"{name}s")


def tie(registry: type[Registry]) -> None:
    """Declare the tables between this registry and others, and the relations over them."""
    if issubclass(registry, Hierarchical):
        _tie_parents(registry)
    _tie_things(registry, Artifact, _annotation(registry))
    if registry.__name__ in IN_SCHEMAS:
        _tie_things(registry, Schema, _membership(registry))


def _define(name: str, doc: str, table: str, *items: SchemaItem) -> None:
    """Map a class to this table; given whole, it costs SQLAlchemy half of what annotations do."""
    metaclass: Any = type(Base)
    columns = Table(table, Base.metadata, *items)
    fields = {"__doc__": doc, "__module__": __name__, "__table__": columns}
    TABLES.append(metaclass(name, (Base,), fields))


def _tie_parents(registry: type[Registry]) -> None:
    name, own = registry.__name__, f"{noun(registry)}_id"
    link, table = f"{name}Parent", f"{noun(registry)}_parent"
    _define(
        link,
        f"A {name} is narrower than another.",
        table,
        _key(table, own, registry, primary_key=True),
        _key(table, "parent_id", registry, primary_key=True, index=True),
    )
    attach(registry, "parents", ToMany(name, link=link, own=own, other="parent_id"))
    attach(registry, "children", ToMany(name, link=link, own="parent_id", other=own))


def _tie_things(registry: type[Registry], thing: type[Registry], link: str) -> None:
    own, noun_of = f"{noun(registry)}_id", thing.__tablename__
    other = f"{noun_of}_id"
    attach(registry, f"{noun_of}s", ToMany(thing.__name__, link=link, own=own, other=other))
    attach(thing, plural(registry), ToMany(registry.__name__, link=link, own=other, other=own))


def _annotation(registry: type[Registry]) -> str:
    """Define what `Annotation` says of a link to a label."""
    link, name = f"Artifact{registry.__name__}", noun(registry)
    table = f"artifact_{name}"
    feature = ForeignKey("feature.id", ondelete="CASCADE")
    constraints: Any = link_constraints("artifact", name)
    _define(
        link,
        f"An artifact carries a {registry.__name__}.",
        table,
        Column("id", Identity, primary_key=True),
        Column("feature_id", Identity, feature, index=True),
        Column("origin", String(8), default="api", server_default="api", nullable=False),
        _key(table, "artifact_id", Artifact),
        _key(table, f"{name}_id", registry),
        *constraints,
    )
    return link


def _membership(registry: type[Registry]) -> str:
    link, name = f"Schema{registry.__name__}", noun(registry)
    table = f"schema_{name}"
    _define(
        link,
        f"A {registry.__name__} is a column of what fits a schema.",
        table,
        _key(table, "schema_id", Schema, primary_key=True),
        _key(table, f"{name}_id", registry, primary_key=True, index=True),
    )
    return link


def _key(
    table: str,
    column: str,
    target: type[Registry],
    *,
    primary_key: bool = False,
    index: bool | None = None,
) -> Column[int]:
    # By the convention for names, some would be longer than the 63 bytes of PostgreSQL.
    reference = ForeignKey(table_of(target).c.id, ondelete="CASCADE", name=f"fk_{table}_{column}")
    return Column(column, Identity, reference, primary_key=primary_key, index=index, nullable=False)
