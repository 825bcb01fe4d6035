"""A schema as it applies to one table: which columns it asks for, and what their names are looked up in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.curation.columns import Column
from lamin_core.models import Feature, Schema, SchemaFeature
from lamin_core.models.dtypes import Option, parse
from lamin_core.query.operators import OPERATORS


@dataclass(frozen=True, slots=True)
class Plan:
    """The requirements of a schema for a table with these columns."""

    schema: Schema
    columns: tuple[Column, ...]
    """In the order of the schema; those beyond its members, of a flexible one, behind."""
    index: Column | None = None
    names_in: Option | None = None
    """The registry that the names of the columns are looked up in, where that is not `Feature`."""
    unknown: tuple[str, ...] = field(default=())
    """Columns that are not features, and that a schema of any features allows."""

    @property
    def title(self) -> str:
        """The name of the schema in errors."""
        return self.schema.name or self.schema.uid

    @property
    def categoricals(self) -> list[Column]:
        """The columns whose values are records."""
        columns = [*self.columns, *([self.index] if self.index else [])]
        return [column for column in columns if column.dtype.is_categorical]


def plan_for(session: Session, schema: Schema, names: Sequence[str]) -> Plan:
    """Return what the schema asks of a table whose columns have these names; three statements."""
    columns = [
        Column.of(
            feature,
            is_required=schema.minimal_set and not is_optional,
            is_coerced=schema.coerce,
        )
        for feature, is_optional in members(session, schema)
    ]
    index = None if schema.index_id is None else session.get(Feature, schema.index_id)
    option = _names_in(schema)
    others: list[Feature] = []
    if option is None and (schema.flexible or not columns):
        others = _features_called(session, set(names) - {column.name for column in columns})
    columns += [
        Column.of(feature, is_required=False, is_coerced=schema.coerce) for feature in others
    ]
    features = {column.name for column in columns}
    return Plan(
        schema,
        tuple(columns),
        None if index is None else Column.of(index, is_required=True, is_coerced=schema.coerce),
        option,
        tuple(name for name in names if name not in features),
    )


def members(session: Session, schema: Schema) -> list[tuple[Feature, bool]]:
    """Return the features of a schema in their order, and whether each may be missing."""
    query: Any = (
        select(Feature, SchemaFeature.optional)
        .join(SchemaFeature, SchemaFeature.feature_id == Feature.id)
        .where(SchemaFeature.schema_id == schema.id)
        .order_by(SchemaFeature.position)
    )
    return [(row[0], bool(row[1])) for row in session.execute(query)]


def _names_in(schema: Schema) -> Option | None:
    if (
        schema.itype is None
        or schema.itype.split(".")[0] == "Feature"
        or schema.itype == "Composite"
    ):
        return None
    return parse(f"cat[{schema.itype}]").options[0]


def _features_called(session: Session, names: set[str]) -> list[Feature]:
    query = select(Feature).where(OPERATORS["in"](Feature.name, sorted(names)))
    return list(session.scalars(query.order_by(Feature.name)))
