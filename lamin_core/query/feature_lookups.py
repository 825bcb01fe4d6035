"""Lookups by the values that records have for features: `temperature__gt=20`, `experiment__contains="marker"`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, false, func, or_, select

from lamin_core.db.database import Database
from lamin_core.errors import InvalidArgument, ValidationError
from lamin_core.models import Feature, Registry
from lamin_core.models.checks import is_storable
from lamin_core.models.dtypes import Dtype, Option, parse, registry_called, validated
from lamin_core.models.relations import annotation_of, model
from lamin_core.query import coercion, date_json_lookups
from lamin_core.query.operators import OPERATORS, Condition

if TYPE_CHECKING:
    from lamin_core.query.lookups import Lookups

_NUMBERS = ("int", "float", "num", "bool")
_TIMES = ("date", "datetime")
_COMPARES = ("exact", "gt", "gte", "lt", "lte", "in", "range")
_PARTS = {
    "date": (1, 10),
    "year": (1, 4),
    "month": (6, 2),
    "day": (9, 2),
    "hour": (12, 2),
    "minute": (15, 2),
}
"""The position and length of the parts of a time in its text, which is in UTC."""


def feature_named(database: Database, path: list[str]) -> tuple[Feature, list[str]] | None:
    """The feature that a lookup begins with, and what follows; the longest name wins."""
    names = {"__".join(path[:length]): length for length in range(1, len(path) + 1)}
    storable = [name for name in names if is_storable(name)]
    with database.reading() as session:
        features = session.scalars(select(Feature).where(Feature.name.in_(storable))).all()
    if not features:
        return None
    feature = max(features, key=lambda candidate: names[candidate.name])
    return feature, path[names[feature.name] :]


def feature_names(database: Database) -> list[str]:
    """The names that are known, to offer the nearest."""
    with database.reading() as session:
        return list(session.scalars(select(Feature.name).limit(2000)))


def own_key(registry: type[Any], table: object) -> Any:
    """The column of a table of annotations that names the record."""
    return getattr(table, f"{registry.__tablename__}_id")


def condition(
    lookups: Lookups, registry: type[Any], feature: Feature, rest: list[str], value: Any
) -> Condition:
    """The condition that a record has such a value of the feature. Raises `InvalidArgument`."""
    dtype = parse(feature.dtype)
    if value is None and rest in ([], ["exact"], ["iexact"]):
        rest, value = ["isnull"], True
    if rest == ["isnull"]:
        has = or_(false(), *(registry.id.in_(ids) for ids in _annotated(registry, feature, dtype)))
        return ~has if coercion.boolean(value) else has
    if dtype.is_categorical:
        if not rest or rest[0] in OPERATORS:
            _check_registry(feature, dtype, value)
        options = [
            _labelled(lookups, registry, feature, option, rest, value) for option in dtype.options
        ]
        return or_(false(), *options)
    table = model(registry._feature_values or "")
    comparison = _compared(table, feature, dtype, rest, value)
    if comparison is None:
        raise InvalidArgument(
            f"not a lookup for feature {feature.name!r}: {'__'.join(rest)!a}",
            hint=f"known are: {', '.join(OPERATORS)}",
        )
    tied = select(own_key(registry, table)).where(table.feature_id == feature.id, comparison)
    return registry.id.in_(tied)  # type: ignore[no-any-return]


def _check_registry(feature: Feature, dtype: Dtype, value: object) -> None:
    """Raise `InvalidArgument` for a record of a registry that no value of the feature comes from."""
    allowed = [option.registry for option in dtype.options]
    for item in value if isinstance(value, list | tuple | set) else [value]:
        if isinstance(item, Registry) and type(item)._registry_name() not in allowed:
            raise InvalidArgument(
                f"not a value of feature {feature.name!r}, which is {feature.dtype}: {item!r}",
                hint=f"compare it with a {allowed[0]}, or its name",
            )


def _annotated(registry: type[Any], feature: Feature, dtype: Dtype) -> list[Any]:
    """Selects of the ids of records with a value of the feature, one for each table of values."""
    tables = [model(registry._feature_values or "")]
    for option in dtype.options:
        relation = annotation_of(registry, registry_called(option.registry))
        tables += [relation.link] if relation and relation.link else []
    return [
        select(own_key(registry, table)).where(table.feature_id == feature.id) for table in tables
    ]


def _compared(
    table: Any, feature: Feature, dtype: Dtype, rest: list[str], value: Any
) -> Condition | None:
    if dtype.plain in ("dict", "object"):
        return date_json_lookups.compared(table.value, rest, value)
    if dtype.plain == "bool" and rest in ([], ["exact"]):
        value = coercion.boolean(value)
    if dtype.plain in _NUMBERS:
        return date_json_lookups.compared(table.number, rest, value)
    if dtype.plain in _TIMES:
        return _at_time(table.string, feature, dtype, rest, value)
    return date_json_lookups.compared(table.string, rest, value)


def _at_time(
    column: Any, feature: Feature, dtype: Dtype, rest: list[str], value: Any
) -> Condition | None:
    """Times are texts of one form, and their parts are pieces of it: both stand in the order of time."""
    part, words = (rest[0], rest[1:]) if rest and rest[0] in _PARTS else (None, rest)
    if (words or ["exact"])[0] not in _COMPARES:
        return None
    if part is not None:
        column = func.substr(column, *_PARTS[part], type_=Text())

    def fitted(item: object) -> str:
        if part is None:
            return str(_stored(feature, dtype, item))
        return (
            coercion.day(item).isoformat()
            if part == "date"
            else f"{coercion.integer(item):0{_PARTS[part][1]}}"
        )

    several = words[:1] in (["in"], ["range"])
    return date_json_lookups.compared(
        column, words, [fitted(item) for item in value] if several else fitted(value)
    )


def _stored(feature: Feature, dtype: Dtype, value: object) -> object:
    try:
        return validated(feature.name, dtype, value)
    except ValidationError as error:
        raise InvalidArgument(error.message, hint=f"compare it with a {dtype.plain}") from None


def _labelled(
    lookups: Lookups,
    registry: type[Any],
    feature: Feature,
    option: Option,
    rest: list[str],
    value: object,
) -> Condition:
    target = registry_called(option.registry)
    ids = select(target.id).where(_label(lookups, target, option, rest, value))
    relation = annotation_of(registry, target)
    if relation is None:
        table: Any = model(registry._feature_values or "")
        named = table.string.in_(select(target.uid).where(target.id.in_(ids)))
    else:
        table = relation.link
        named = getattr(table, relation.other).in_(ids)
    tied = select(own_key(registry, table)).where(table.feature_id == feature.id, named)
    return registry.id.in_(tied)  # type: ignore[no-any-return]


def _label(
    lookups: Lookups, target: type[Any], option: Option, rest: list[str], value: Any
) -> Condition:
    field = option.field or target._name_field
    if rest and rest[0] not in OPERATORS:
        return lookups.condition_of(target, rest, value)
    several = rest == ["in"] and not isinstance(value, str)
    items = list(value) if several else [value]
    if items and all(isinstance(item, Registry) for item in items):
        meant = [item.id for item in items if isinstance(item, target)]
        return target.id.in_(meant)  # type: ignore[no-any-return]
    return lookups.condition_of(target, [field, *rest], items if several else value)
