"""Query sets as pandas data frames."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, Select, select
from sqlalchemy.orm import Session

from lamin_core.errors import InvalidArgument, MissingExtra
from lamin_core.models import Feature, ToMany, ToOne
from lamin_core.models.base import Registry
from lamin_core.models.checks import text_arguments
from lamin_core.models.html import table
from lamin_core.models.record_kinds import Versioned
from lamin_core.models.relations import relations_of
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.query.annotations import values_of
from lamin_core.query.lookups import column_at, field_named, narrowing
from lamin_core.query.operators import OPERATORS
from lamin_core.uids import VERSION_LENGTH

if TYPE_CHECKING:
    import pandas as pd

FEATURES = "features"
"""The name of all features in `include`; also the prefix of a feature that has the name of a field."""


def fields(registry: type[Registry]) -> list[str]:
    """The fields that a table shows, those that are columns and not long: the uid and what people know a record by
    first, then as they are declared, keys of other records last.
    """
    columns = {
        attribute.key: attribute.columns[0] for attribute in registry.__mapper__.column_attrs
    }
    plain = [
        name for name, column in columns.items() if name != "id" and not column.info.get("long")
    ]
    own = [name for name in plain if not columns[name].foreign_keys]
    shown = [name for name in (registry._name_field, *registry._shown_fields()) if name in columns]
    return list(dict.fromkeys(["uid", *shown, *own, *plain]))


_INTERNAL = {"origin", "number", "real_key", "stamp", "process_birth", "version_tag"}
"""Columns that the registry keeps for itself."""
_FACTS = {"Artifact": {"size": "content__size", "hash": "content__hash"}}
"""Columns of other tables that people look for, by registry."""


def shown_columns(registry: type[Registry]) -> dict[str, str]:
    """The columns of a data frame, each with the path to its value.

    Other records stand by their name, runs by their uid; keys of the database are left out.
    """
    columns = registry.__mapper__.column_attrs
    own = [
        name
        for name in fields(registry)
        if name not in _INTERNAL and not columns[name].columns[0].foreign_keys
    ]
    head = [
        name for name in own if name in ("uid", registry._name_field, *registry._shown_fields())
    ]
    shown = {name: name for name in head}
    if issubclass(registry, Versioned):
        shown["version"] = "uid"
    shown |= _FACTS.get(registry.__name__, {})
    shown |= {name: name for name in own}
    return shown | _related(registry)


def _related(registry: type[Registry]) -> dict[str, str]:
    """Paths to what other records are called."""
    related = {}
    for name, relation in relations_of(registry).items():
        is_internal = name.startswith("_") or name in ("series", "content")
        if isinstance(relation, ToOne) and not is_internal:
            related[name] = f"{name}__{_name_of(relation.target)}"
    if "run" in related and "transform" not in related:
        related["transform"] = "run__transform__key"
    return related


def _name_of(registry: type[Registry]) -> str:
    return "uid" if registry.__name__ in ("Run", "Environment") else registry._name_field


def frame(
    session: Session,
    registry: type[Registry],
    query: Select[Any],
    included: list[str],
    features: Sequence[str] | None = (),
) -> pd.DataFrame:
    """The records of the query, a row each, by their `id`.

    Args:
        session: A session to read in.
        registry: What the records are.
        query: Which records.
        included: Paths to fields of relations, a column each.
        features: The names of features, a column each; None for those that a record has a value for.

    Raises:
        MissingExtra: pandas is not installed.
        InvalidArgument: A path or a feature does not exist.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("pandas", "data") from error
    shown = shown_columns(registry)
    single = [
        path
        for path in included
        if not isinstance(field_named(registry, path.split("__")[0]), ToMany)
    ]
    paths = {**shown, **{path: path for path in single}}
    columns = []
    for name, path in paths.items():
        find = column_at if name in single else _shown_column
        columns.append(find(registry, path).label(name))
    rows = session.execute(query.with_only_columns(registry.id, *columns)).all()
    ids = [row[0] for row in rows]
    data = pandas.DataFrame.from_records([tuple(row[1:]) for row in rows], columns=list(paths))
    data.index = pandas.Index(ids, name="id", dtype="int64")
    _finish(registry, data)
    for path in included:
        if path not in single:
            data[path] = pandas.Series(
                _several(session, registry, path, ids), index=data.index, dtype=object
            )
    for name, values in _feature_values(session, registry, ids, features).items():
        column = f"{FEATURES}__{name}" if name in data else name
        data[column] = pandas.Series(
            [values.get(identity) for identity in ids], index=data.index, dtype=object
        )
    return data


@cache
def _shown_column(registry: type[Registry], path: str) -> Any:
    """Return a column that tables show: those of other records take SQLAlchemy half a millisecond each to write."""
    return column_at(registry, path)


def html(session: Session, registry: type[Registry], query: Select[Any], number: int) -> str:
    """The records of the query as a table, without the columns that all leave empty; `number` is how many there are."""
    paths = shown_columns(registry)
    columns = [_shown_column(registry, path) for path in paths.values()]
    rows = [list(row) for row in session.execute(query.with_only_columns(*columns))]
    if "version" in paths and issubclass(registry, Versioned):
        position = list(paths).index("version")
        for row in rows:
            row[position] = row[position][-VERSION_LENGTH:]
    filled = [
        index for index in range(len(paths)) if any(row[index] not in (None, "") for row in rows)
    ]
    names = [name for index, name in enumerate(paths) if index in filled]
    count = f"{len(rows):,} of {number:,}" if number > len(rows) else f"{number:,}"
    cells = [[row[index] for index in filled] for row in rows]
    return table(names, cells, f"{registry.__name__}: {count}")


def feature_choice(
    registry: type[Registry], included: list[str], features: bool | str | Iterable[str]
) -> tuple[list[str], Sequence[str] | None]:
    """The paths that are fields, and the features that a table shows: names, or None for all that have values.

    `include="features"` is `features=True`, but where the registry has a relation of this name.
    """
    everything = features is True
    if registry._feature_values is not None and FEATURES in included:
        included, everything = [path for path in included if path != FEATURES], True
    if everything:
        return included, None
    if features is False:
        return included, ()
    return included, text_arguments(features, FEATURES, 'features=["temperature"]')


def _feature_values(
    session: Session, registry: type[Registry], ids: list[int], names: Sequence[str] | None
) -> Mapping[str, Mapping[int, Any]]:
    """The values of these features, by name and by record. Raises `InvalidArgument` for an unknown name."""
    if names is not None and not names:
        return {}
    values = values_of(session, registry, ids)
    if names is None:
        return values
    existing = session.scalars(select(Feature.name)).all()
    for name in names:
        if name not in existing:
            nearest = difflib.get_close_matches(name, existing, n=3)
            hint = f"did you mean {' or '.join(nearest)}?" if nearest else "ln.Feature.df()"
            raise InvalidArgument(f"no feature is called {name!r}", hint=hint)
    return {name: values.get(name, {}) for name in names}


def _finish(registry: type[Registry], table: pd.DataFrame) -> None:
    """Show versions and sizes as records do."""
    if "version" in table and issubclass(registry, Versioned):
        table["version"] = table["version"].str[-VERSION_LENGTH:]
    if "size" in table:
        table["size"] = table["size"].astype("Int64").replace(UNKNOWN_SIZE, None)
    for name in _whole_numbers(registry, table):
        table[name] = table[name].astype("Int64")


def _whole_numbers(registry: type[Registry], table: pd.DataFrame) -> list[str]:
    """The columns of whole numbers that some records have none of: pandas would make them fractions."""
    kinds = {
        attribute.key: attribute.columns[0].type for attribute in registry.__mapper__.column_attrs
    }
    whole = [name for name, kind in kinds.items() if name in table and isinstance(kind, Integer)]
    return [name for name in whole if table[name].dtype != "int64"]


def _several(
    session: Session, registry: type[Registry], path: str, ids: list[int]
) -> list[list[Any]]:
    """The values at the end of a path that begins with a relation to many, for each record."""
    first, _, rest = path.partition("__")
    relation = field_named(registry, first)
    target, link = relation.target, relation.link
    shown = column_at(target, rest or target._name_field)
    own = getattr(target if link is None else link, relation.own)
    query = select(own, shown).where(OPERATORS["in"](own, ids)).order_by(target.id)
    if link is not None:
        query = query.join(target, getattr(link, relation.other) == target.id).where(
            *narrowing(relation)
        )
    values_by_record: dict[int, list[Any]] = {}
    for identity, value in session.execute(query):
        values = values_by_record.setdefault(identity, [])
        if value not in values:
            values.append(value)
    return [values_by_record.get(identity, []) for identity in ids]
