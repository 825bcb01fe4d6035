"""Read the annotations of records: values of features, and labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.models import ArtifactSchema, Feature, Schema, SchemaFeature
from lamin_core.models.base import Registry
from lamin_core.models.dtypes import Dtype, parse, registry_called, restored
from lamin_core.models.relations import ToMany, annotations_of, model
from lamin_core.query.feature_lookups import own_key
from lamin_core.query.operators import OPERATORS
from lamin_core.runtime.registry_modules import load_module_with, load_modules


@dataclass(frozen=True)
class Said:
    """One value that a record has for a feature."""

    record_id: int
    feature_id: int
    value: Any


def values_of(
    session: Session, registry: type[Registry], ids: list[int]
) -> dict[str, dict[int, Any]]:
    """The values of these records, by the name of the feature and by record.

    Several values of one feature are a list, as is the value of a feature whose type is one.
    """
    values_by_feature: dict[int, list[Said]] = defaultdict(list)
    for entry in [*_plain(session, registry, ids), *_labels(session, registry, ids)]:
        values_by_feature[entry.feature_id].append(entry)
    features = session.scalars(
        select(Feature).where(Feature.id.in_(values_by_feature)).order_by(Feature.name)
    )
    return {
        feature.name: _by_record(session, parse(feature.dtype), values_by_feature[feature.id])
        for feature in features
    }


def _by_record(session: Session, dtype: Dtype, entries: list[Said]) -> dict[int, Any]:
    named = _named(
        session, dtype, {entry.value for entry in entries if isinstance(entry.value, str)}
    )
    values_by_record: dict[int, list[Any]] = defaultdict(list)
    for entry in entries:
        value = named.get(entry.value, entry.value) if isinstance(entry.value, str) else entry.value
        value = restored(dtype, value)
        if dtype.is_list or value not in values_by_record[entry.record_id]:
            values_by_record[entry.record_id].append(value)
    return {
        record: some if dtype.is_list or len(some) > 1 else some[0]
        for record, some in values_by_record.items()
    }


def _plain(session: Session, registry: type[Any], ids: list[int]) -> list[Said]:
    if registry._feature_values is None:
        return []
    table = model(registry._feature_values)
    own = own_key(registry, table)
    query = select(own, table.feature_id, table.value).where(OPERATORS["in"](own, ids))
    return [Said(*row) for row in session.execute(query.order_by(table.position, table.id))]


def _labels(session: Session, registry: type[Any], ids: list[int]) -> list[Said]:
    entries = []
    for relation in feature_relations(session, registry):
        link: Any = relation.link
        target, own = relation.target, getattr(link, relation.own)
        name = getattr(target, target._name_field)
        query = select(own, link.feature_id, name).join(
            target, getattr(link, relation.other) == target.id
        )
        query = query.where(OPERATORS["in"](own, ids), link.feature_id.is_not(None)).order_by(
            link.id
        )
        entries += [Said(*row) for row in session.execute(query)]
    return entries


def feature_relations(session: Session, registry: type[Any]) -> list[ToMany[Any]]:
    """Return the relations to labels that may be values of features: those that the type of a feature names."""
    names = {
        option.registry
        for dtype in session.scalars(select(Feature.dtype).distinct())
        for option in parse(dtype).options
    }
    for name in names:
        load_module_with(name.rpartition(".")[2])
    relations = annotations_of(registry).values()
    return [relation for relation in relations if relation.target._registry_name() in names]


def _named(session: Session, dtype: Dtype, uids: set[str]) -> dict[str, str]:
    """The names of records that are not labels, by their uids."""
    named: dict[str, str] = {}
    for option in dtype.options:
        target = registry_called(option.registry)
        name = getattr(target, option.field or target._name_field)
        rows = session.execute(
            select(target.uid, name).where(target.uid.in_(uids), name.is_not(None))
        )
        named.update((row[0], row[1]) for row in rows)
    return named


def labels_of(session: Session, record: Registry) -> dict[str, list[str]]:
    """The names of the labels of a record, by the relation they hang on."""
    load_modules()  # each may add labels
    labels = {}
    for name, relation in annotations_of(type(record)).items():
        link: Any = relation.link
        target = relation.target
        shown = getattr(target, target._name_field)
        query = select(shown).join(link, getattr(link, relation.other) == target.id)
        rows = session.scalars(
            query.where(getattr(link, relation.own) == record.id).distinct().order_by(shown)
        )
        if names := list(rows):
            labels[name] = names
    return labels


def features_of_slots(session: Session, artifact_id: int) -> dict[str, list[str]]:
    """The features that each slot of a validated artifact has, with their types; of other sets, how many there are."""
    features: dict[str, list[str]] = {}
    query = (
        select(ArtifactSchema.slot, Schema.itype, Schema.n_members, Feature.name, Feature.dtype)
        .join(Schema, Schema.id == ArtifactSchema.schema_id)
        .outerjoin(SchemaFeature, SchemaFeature.schema_id == Schema.id)
        .outerjoin(Feature, Feature.id == SchemaFeature.feature_id)
        .where(ArtifactSchema.artifact_id == artifact_id)
        .order_by(ArtifactSchema.slot, Schema.id, SchemaFeature.position)
    )
    for slot, itype, number, name, dtype in session.execute(query):
        text = f"{number:,} of {itype}" if name is None else f"{name} ({dtype})"
        features.setdefault(slot, []).append(text)
    return features


def described(session: Session, record: Registry) -> list[tuple[str, str]]:
    """The lines of `describe()` about features and labels: a name and a text for each."""
    called = {"ulabels": "labels"}
    lines = [
        (called.get(name, name), _listed(names))
        for name, names in labels_of(session, record).items()
    ]
    values = values_of(session, type(record), [record.id])
    lines += [("features", "")] if values else []
    return lines + [
        (f"  {name}", _shown(by_record[record.id])) for name, by_record in values.items()
    ]


def _shown(value: object) -> str:
    return _listed([*map(str, value)]) if isinstance(value, list) else str(value)


_MOST_LISTED = 20


def _listed(texts: Sequence[str]) -> str:
    """The texts; of many the first ones, and the number of the others."""
    more = len(texts) - _MOST_LISTED
    rest = [f"... and {more:,} more"] if more > 0 else []
    return ", ".join([*texts[:_MOST_LISTED], *rest])
