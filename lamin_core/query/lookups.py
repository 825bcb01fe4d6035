"""Django-style lookups as SQL conditions: `key__startswith="raw/"`, `run__transform__key="a.py"`, `Q(...) | Q(...)`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, false, func, literal, not_, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from lamin_core.db.database import Database
from lamin_core.errors import InvalidArgument
from lamin_core.models import ToMany, ToOne
from lamin_core.models.base import Registry
from lamin_core.models.checks import text_argument
from lamin_core.models.expressions import Comparison, Q
from lamin_core.models.lamindb_names import RENAMED
from lamin_core.models.record_kinds import Versioned
from lamin_core.models.relations import relations_of
from lamin_core.query import date_json_lookups, feature_lookups
from lamin_core.query.coercion import boolean
from lamin_core.query.operators import OPERATORS, Condition, as_read
from lamin_core.uids import VERSION_LENGTH


class Lookups:
    """Makes conditions of lookups; asks the database only for features, by their names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all_of(
        self, registry: type[Registry], conditions: Iterable[object], lookups: dict[str, Any]
    ) -> list[Condition]:
        """A condition for each. Raises `InvalidArgument` for an unknown field, or a value that does not fit."""
        clauses = [self._of(registry, condition) for condition in conditions]
        return clauses + [
            self.condition_of(registry, name.split("__"), value) for name, value in lookups.items()
        ]

    def _of(self, registry: type[Registry], condition: Any) -> Condition:
        if not isinstance(condition, Q):
            if hasattr(condition, "self_group"):
                clause: Condition = condition
                return clause
            raise InvalidArgument(
                f"not a condition: {condition!r}",
                hint="filter(name='x'), or filter(ln.Q(name='x'))",
            )
        if isinstance(condition, Comparison):
            return self._of_compared(registry, condition)
        inner = self.all_of(registry, condition.conditions, condition.lookups)
        joined = or_(false(), *inner) if condition.joined == "or" else and_(true(), *inner)
        return negated(joined) if condition.is_negated else joined

    def _of_compared(self, registry: type[Registry], compared: Comparison) -> Condition:
        feature = compared.feature
        if registry._feature_values is None:
            raise InvalidArgument(
                f"a {registry.__name__} has no values of features", hint="ask artifacts or runs"
            )
        if feature.id is None:
            raise InvalidArgument(f"{feature!r} is not saved", hint="call .save() first")
        return feature_lookups.condition(
            self, registry, feature, [compared.operator], compared.value
        )

    def of_features(self, registry: type[Registry], lookups: dict[str, Any]) -> list[Condition]:
        """A condition for each, where names are those of features before they are those of fields."""
        clauses = []
        for name, value in lookups.items():
            path = name.split("__")
            match = feature_lookups.feature_named(self._database, path)
            if match is None:
                clauses.append(self.condition_of(registry, path, value))
            else:
                clauses.append(feature_lookups.condition(self, registry, *match, value))
        return clauses

    def condition_of(self, registry: type[Any], path: list[str], value: object) -> Condition:
        """The condition of one lookup: fields and relations first, operators last."""
        aliases: dict[str, str] = getattr(registry, "_aliases", {})
        if path[0] in aliases:
            path = [*aliases[path[0]].split("__"), *path[1:]]
        if path == ["version"] and issubclass(registry, Versioned):
            return _is_version(registry, value)
        field = field_named(registry, path[0])
        if field is None:
            return self._of_feature(registry, path, value)
        if isinstance(field, ToOne):
            return self._through_one(registry, field, path[1:], value)
        if isinstance(field, ToMany):
            return self._through_many(registry, field, path[1:], value)
        condition = date_json_lookups.compared(as_read(field), path[1:], value)
        if condition is None:
            raise unknown(registry, "__".join(path), OPERATORS)
        return condition

    def _of_feature(self, registry: type[Registry], path: list[str], value: object) -> Condition:
        if registry._feature_values is None:
            raise unknown(registry, path[0], fields_of(registry))
        match = feature_lookups.feature_named(self._database, path)
        if match is None:
            names = [*fields_of(registry), *feature_lookups.feature_names(self._database)]
            raise unknown(registry, path[0], names)
        feature, rest = match
        return feature_lookups.condition(self, registry, feature, rest, value)

    def _through_one(
        self, registry: type[Registry], relation: ToOne[Any], rest: list[str], value: object
    ) -> Condition:
        column = getattr(registry, relation.column)
        if not rest or (len(rest) == 1 and rest[0] in ("in", "isnull", "exact")):
            return OPERATORS[rest[0] if rest else "exact"](column, value)
        return column.in_(self._ids(relation.target, rest, value))  # type: ignore[no-any-return]

    def _through_many(
        self, registry: type[Any], relation: ToMany[Any], rest: list[str], value: object
    ) -> Condition:
        target, link = relation.target, relation.link
        own = getattr(target if link is None else link, relation.own)
        other = target.id if link is None else getattr(link, relation.other)
        # The key on the other side may be NULL, which NOT IN would not survive; in a table between
        # it never is.
        tied = (
            select(own).where(*narrowing(relation))
            if link is not None
            else select(own).where(own.is_not(None))
        )
        if rest == ["isnull"]:
            return registry.id.not_in(tied) if boolean(value) else registry.id.in_(tied)  # type: ignore[no-any-return]
        return registry.id.in_(tied.where(self._named(other, target, rest, value)))  # type: ignore[no-any-return]

    def _named(self, column: Any, target: type[Any], rest: list[str], value: Any) -> Condition:
        """The condition that the column refers to a record of the target that meets the rest of the lookup."""
        if not rest or (len(rest) == 1 and rest[0] in ("in", "exact")):
            return OPERATORS[rest[0] if rest else "exact"](column, value)
        return column.in_(self._ids(target, rest, value))  # type: ignore[no-any-return]

    def _ids(self, target: type[Registry], rest: list[str], value: object) -> Any:
        return select(target.id).where(self.condition_of(target, rest, value))


def _is_version(registry: Any, value: Any) -> Condition:
    """Whether a version has this name: the last characters of its uid, or its tag."""
    ends = OPERATORS["endswith"](registry.uid, value)
    tag = getattr(registry, "version_tag", None)
    fits = [and_(ends, func.length(literal(str(value))) == VERSION_LENGTH)]
    return or_(*fits, *([] if tag is None else [OPERATORS["exact"](tag, value)]))


def negated(condition: Condition) -> Condition:
    """The opposite condition, which is also true if there is no value."""
    return not_(func.coalesce(condition, false()))


def narrowing(relation: ToMany[Any]) -> list[Condition]:
    """The conditions on the table between that a relation was declared with."""
    return [getattr(relation.link, name) == value for name, value in relation.only.items()]


def field_named(registry: type[Registry], name: str) -> Any:
    """The column or relation with this name, or None."""
    if name == "pk":
        return registry.id
    field = relations_of(registry).get(name)
    if field is None:
        field = getattr(registry, name, None)
    return field if isinstance(field, ToOne | ToMany | InstrumentedAttribute) else None


def column_at(registry: type[Registry], path: str, entity: object = None) -> Any:
    """The column at the end of this path over foreign keys: `created_by__handle`.

    Raises `InvalidArgument` for an unknown field, or one that has several values.
    """
    entity = registry if entity is None else entity
    text_argument(path, "the name of a field", f"{registry.__name__} at the prompt lists them")
    first, _, rest = path.partition("__")
    if first in registry._aliases:
        first, _, rest = "__".join(filter(None, (registry._aliases[first], rest))).partition("__")
    field = field_named(registry, first)
    if field is None:
        raise unknown(registry, first, fields_of(registry))
    if isinstance(field, ToMany) or (rest and not isinstance(field, ToOne)):
        raise InvalidArgument(
            f"{path!a} of {registry.__name__} is not a single value",
            hint="name a field of the record",
        )
    if not isinstance(field, ToOne):
        return getattr(entity, field.key)
    target: Any = aliased(field.target)
    column = column_at(field.target, rest or field.target._name_field, target)
    return select(column).where(target.id == getattr(entity, field.column)).scalar_subquery()


def fields_of(registry: type[Registry]) -> list[str]:
    """The names that can be asked for."""
    columns = [attribute.key for attribute in registry.__mapper__.column_attrs]
    names = {*columns, *relations_of(registry), *registry._aliases} - {"id"}
    return sorted(name for name in names if not name.startswith("_"))


def unknown(registry: type[Registry], name: str, names: Iterable[str]) -> InvalidArgument:
    """The error for an unknown name, with the nearest names."""
    names = sorted(names)
    renamed = RENAMED.get(registry.__name__, {}).get(name)
    near = [renamed] if renamed else difflib.get_close_matches(name, names, n=3)
    offered = f"did you mean {' or '.join(near)}? " if near else ""
    return InvalidArgument(
        f"{registry.__name__} has no field or lookup {name!a}",
        hint=f"{offered}known are: {', '.join(names)}",
    )
