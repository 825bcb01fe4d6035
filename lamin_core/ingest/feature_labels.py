"""Labels that events name as values of categorical features; those that people gave stay beside."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import delete_rows, insert_rows, select_in
from lamin_core.ingest.schemas import TypedFeature
from lamin_core.models import Artifact, Feature, Run
from lamin_core.models.dtypes import Option, parse, registry_called
from lamin_core.models.relations import ToMany, annotation_of
from lamin_core.models.tables import table_of

_CATEGORICAL = select(Feature.id, Feature.dtype).where(Feature.dtype.contains("cat["))

Pair = tuple[int, int, int]
"""Primary keys of an artifact or a run, a label and a feature."""


@dataclass(slots=True)
class _LabelsOfLink:
    """The rows that a table of links between labels and artifacts or runs has to contain."""

    relation: ToMany[Any]
    pairs: set[Pair] = field(default_factory=set)


def tie_feature_labels(
    session: Session,
    kind: type[Artifact | Run],
    values: Mapping[int, Mapping[str, object]],
    features: Mapping[str, TypedFeature],
) -> None:
    """Give each of these artifacts or runs just these labels as values of features, beside those that people gave.

    A name that no label has is left out. One statement where no feature is categorical.

    Args:
        session: Writes.
        kind: Of what the labels are.
        values: By the primary key of the artifact or run, the values of features by their names.
        features: The features that the values name.
    """
    options = {row.id: parse(row.dtype).options for row in session.execute(_CATEGORICAL) if values}
    links = _links(kind, options.values())
    names = _names(values, features, options)
    for feature_id, owners_by_name in names.items():
        for option in options[feature_id]:
            link = links.get(option.registry)
            if link is not None:
                ids = labels_called(session, option, owners_by_name)
                for name in ids:
                    owners = owners_by_name.pop(name)
                    link.pairs |= {(owner, ids[name], feature_id) for owner in owners}
    for link in links.values():
        _tie(session, link, values)


def _links(
    kind: type[Artifact | Run], options: Collection[Sequence[Option]]
) -> dict[str, _LabelsOfLink]:
    """The ties to labels of each registry that features take their values from, by its name."""
    links = {}
    for name in sorted({option.registry for several in options for option in several}):
        relation = annotation_of(kind, registry_called(name))
        if relation is not None:
            links[name] = _LabelsOfLink(relation)
    return links


def _names(
    values: Mapping[int, Mapping[str, object]],
    features: Mapping[str, TypedFeature],
    options: Mapping[int, Sequence[Option]],
) -> dict[int, dict[str, set[int]]]:
    """The artifacts or runs that name a label, by the feature and the name."""
    names: dict[int, dict[str, set[int]]] = {}
    for owner, named_values in values.items():
        for feature, value in named_values.items():
            if feature in features and features[feature].id in options:
                by_name = names.setdefault(features[feature].id, {})
                for name in _texts(value):
                    by_name.setdefault(name, set()).add(owner)
    return names


def _texts(value: object) -> Iterator[str]:
    items = value if isinstance(value, list) else [value]
    return (item for item in items if isinstance(item, str))


def labels_called(session: Session, option: Option, names: Collection[str]) -> dict[str, int]:
    """The primary keys of the labels with these names; of several the one that was there first."""
    registry = registry_called(option.registry)
    column = getattr(registry, option.field or registry._name_field)
    query = registry._listed().with_only_columns(registry.id, column.label("called"))
    if option.type is not None:
        query = query.where(registry.type_id.in_(types_called(session, registry, option.type)))
    rows = select_in(session, query, column, names)
    return {row.called: row.id for row in sorted(rows, key=lambda row: -row.id)}


def types_called(session: Session, registry: type[Any], name: str) -> list[int]:
    """The primary keys of the labels with this name (or uid) that group others, and of the groups within them."""
    ids = list(
        session.scalars(select(registry.id).where((registry.name == name) | (registry.uid == name)))
    )
    reached = ids
    while reached:
        inner = select(registry.id).where(registry.type_id.in_(reached), registry.is_type)
        reached = [identity for identity in session.scalars(inner) if identity not in ids]
        ids = ids + reached
    return ids


def _tie(session: Session, link: _LabelsOfLink, owners: Collection[int]) -> None:
    model: Any = link.relation.link
    own, other = link.relation.own, link.relation.other
    table = table_of(model)
    columns = (table.c[own], table.c[other], table.c.feature_id)
    query = select(table.c.id, *columns).where(
        table.c.origin == "event", table.c.feature_id.is_not(None)
    )
    existing = {tuple(row[1:]): row[0] for row in select_in(session, query, table.c[own], owners)}
    delete_rows(session, model, [row for pair, row in existing.items() if pair not in link.pairs])
    missing = sorted(link.pairs - set(existing))
    rows = [
        {own: owner, other: label, "feature_id": feature, "origin": "event"}
        for owner, label, feature in missing
    ]
    insert_rows(session, model, rows)
