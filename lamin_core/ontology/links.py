"""The tables between: wider terms, labels of artifacts, members of schemas; the same for each registry."""

from __future__ import annotations

from typing import Any, TypeVar

from lamin_core.models.artifact import Artifact
from lamin_core.models.base import Registry
from lamin_core.models.schema import Schema
from lamin_core.models.terms import Hierarchical
from lamin_core.models.ties import TABLES as TABLES
from lamin_core.models.ties import annotation, define, key, noun, tie_parents
from lamin_core.models.ties import tie as tie_records

R = TypeVar("R", bound=Registry)
_PLURALS = {"disease": "diseases", "ethnicity": "ethnicities"}
IN_SCHEMAS = ("Gene", "Protein", "CellMarker", "Pathway")
"""Registries whose records may be the columns of a dataset."""


def plural(registry: type[Any]) -> str:
    """Return the name of the relation to several of its records: `cell_types`."""
    name = noun(registry)
    return _PLURALS.get(name, f"{name}s")


def tie(registry: type[R]) -> type[R]:
    """Declare the tables between this registry and others, and the relations over them."""
    if issubclass(registry, Hierarchical):
        tie_parents(registry)
    tie_records(registry, Artifact, annotation(registry), plural(registry))
    if registry.__name__ in IN_SCHEMAS:
        tie_records(registry, Schema, _membership(registry), plural(registry))
    return registry


def _membership(registry: type[Registry]) -> str:
    link, name = f"Schema{registry.__name__}", noun(registry)
    table = f"schema_{name}"
    define(
        registry,
        link,
        f"A {registry.__name__} is a column of what fits a schema.",
        table,
        key(table, "schema_id", Schema, primary_key=True),
        key(table, f"{name}_id", registry, primary_key=True, index=True),
    )
    return link
