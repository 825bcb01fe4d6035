"""The tables between: wider terms, labels of artifacts, members of schemas; the same for each registry."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import mapped_column

from lamin_core.models.artifact import Artifact
from lamin_core.models.base import Base, Hierarchical, Registry
from lamin_core.models.label import Annotation, link_constraints
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


def _define(name: str, bases: tuple[type[Any], ...], fields: dict[str, Any]) -> None:
    metaclass: Any = type(Base)
    TABLES.append(metaclass(name, bases, {"__module__": __name__, **fields}))


def _tie_parents(registry: type[Registry]) -> None:
    name, own = registry.__name__, f"{noun(registry)}_id"
    table = f"{noun(registry)}_parent"
    link = f"{name}Parent"
    columns = {
        own: _key(table, own, registry, primary_key=True),
        "parent_id": _key(table, "parent_id", registry, primary_key=True, index=True),
    }
    _define(
        link,
        (Base,),
        {
            "__doc__": f"A {name} is narrower than another.",
            "__tablename__": table,
            **columns,
        },
    )
    attach(registry, "parents", ToMany(name, link=link, own=own, other="parent_id"))
    attach(registry, "children", ToMany(name, link=link, own="parent_id", other=own))


def _tie_things(registry: type[Registry], thing: type[Registry], link: str) -> None:
    own, other = f"{noun(registry)}_id", f"{thing.__tablename__}_id"
    attach(
        registry, f"{thing.__tablename__}s", ToMany(thing.__name__, link=link, own=own, other=other)
    )
    attach(thing, plural(registry), ToMany(registry.__name__, link=link, own=other, other=own))


def _annotation(registry: type[Registry]) -> str:
    link, name = f"Artifact{registry.__name__}", noun(registry)
    _define(
        link,
        (Annotation, Base),
        {
            "__doc__": f"An artifact carries a {registry.__name__}.",
            "__tablename__": f"artifact_{name}",
            "__table_args__": link_constraints("artifact", name),
            "artifact_id": _key(f"artifact_{name}", "artifact_id", Artifact),
            f"{name}_id": _key(f"artifact_{name}", f"{name}_id", registry),
        },
    )
    return link


def _membership(registry: type[Registry]) -> str:
    link, name = f"Schema{registry.__name__}", noun(registry)
    table = f"schema_{name}"
    _define(
        link,
        (Base,),
        {
            "__doc__": f"A {registry.__name__} is a column of what fits a schema.",
            "__tablename__": table,
            "schema_id": _key(table, "schema_id", Schema, primary_key=True),
            f"{name}_id": _key(table, f"{name}_id", registry, primary_key=True, index=True),
        },
    )
    return link


def _key(
    table: str,
    column: str,
    target: type[Registry],
    *,
    primary_key: bool = False,
    index: bool | None = None,
) -> Any:
    # By the convention for names, some would be longer than the 63 bytes of PostgreSQL.
    reference = ForeignKey(
        f"{target.__tablename__}.id", ondelete="CASCADE", name=f"fk_{table}_{column}"
    )
    return mapped_column(reference, primary_key=primary_key, index=index, nullable=False)
