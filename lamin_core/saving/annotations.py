"""Annotate records with values of features and with labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.db.presence import check_present
from lamin_core.db.statements import insert_missing_rows
from lamin_core.errors import InvalidArgument, ValidationError, ValueNotFound
from lamin_core.ingest.new_rows import feature_value
from lamin_core.models import Feature, QuerySet, Registry, ToMany
from lamin_core.models.checks import listed_argument, shown, text_argument
from lamin_core.models.dtypes import Dtype, parse, registry_called, validated
from lamin_core.models.relations import annotation_of, annotations_of, model
from lamin_core.models.tables import table_of
from lamin_core.query.annotations import described, feature_relations, labels_of, values_of
from lamin_core.query.feature_lookups import own_key
from lamin_core.query.operators import OPERATORS
from lamin_core.query.queryset import SQLQuerySet
from lamin_core.saving.categoricals import Terms, unknown_terms
from lamin_core.saving.records import check_saved

Rows = dict[Any, list[dict[str, Any]]]


class FeatureValues:
    """The values that one record has for features."""

    def __init__(self, database: Database, record: Registry) -> None:
        self._database, self._record = database, record

    def add_values(self, values: Mapping[Any, Any]) -> None:
        """Add values, by the names of features; a value that is there already stays once.

        Labels are given by name or as records, several of them as a list. Raises `ValidationError`
        for features and labels that do not exist, and for values of another type; then nothing is
        added.
        """
        self._write(values, anew=False)

    def set_values(self, values: Mapping[Any, Any]) -> None:
        """Have these values, and no others. Raises as `add_values`."""
        self._write(values, anew=True)

    def _write(self, values: Mapping[Any, Any], *, anew: bool) -> None:
        check_saved([self._record])
        if not isinstance(values, Mapping):
            raise InvalidArgument(
                f"not a dict of values by feature: {values!r}",
                hint='add_values({"temperature": 21.6})',
            )
        with self._database.writing() as session:
            check_present(session, [self._record])
            rows = _rows(session, self._record, values)
            if anew:
                _remove(session, self._record, None)
            for table, some in rows.items():
                insert_missing_rows(session, table, some)

    def get_values(self) -> dict[str, Any]:
        """The values by the names of features; several of one feature are a list."""
        kind = type(self._record)
        with self._database.reading() as session:
            values = values_of(session, kind, [self._record.id])
        return {name: by_record[self._record.id] for name, by_record in values.items()}

    def remove_values(self, features: Any = None, *, value: Any = None) -> None:
        """Remove the values of a feature, of several, or of all; with `value` only this one of one feature.

        Raises `ValidationError` for a feature that does not exist.
        """
        names = features
        if features is not None:
            listed = [features] if isinstance(features, str | Feature) else features
            names = listed_argument(listed, "features", 'remove_values("temperature")')
            for name in names:
                if not isinstance(name, str | Feature):
                    raise InvalidArgument(
                        f"not a feature: {shown(name)}", hint='remove_values("temperature")'
                    )
        if value is not None and (names is None or len(names) != 1):
            raise InvalidArgument(
                "a value belongs to one feature", hint='remove_values("experiment", value="x")'
            )
        with self._database.writing() as session:
            if value is not None:
                _remove_one(session, self._record, {names[0]: value})
            elif names is None:
                _remove(session, self._record, None)
            else:
                _remove(
                    session,
                    self._record,
                    [feature.id for feature in _features(session, names).values()],
                )

    def described(self) -> list[tuple[str, str]]:
        """The lines of `describe()` about labels and values of features: a name and a text for each."""
        with self._database.reading() as session:
            return described(session, self._record)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of this feature, or the default."""
        return self.get_values().get(
            text_argument(name, "the name of a feature", 'get("temperature")'), default
        )

    def __getitem__(self, name: str) -> Any:
        values = self.get_values()
        if not isinstance(name, str) or name not in values:
            raise ValueNotFound(
                f"there is no value of {shown(name)}",
                hint=f"there are: {', '.join(values) or 'none'}",
            )
        return values[name]

    def __repr__(self) -> str:
        return f"<features {self.get_values()}>"


class LabelSet:
    """All labels of one record, whichever registry they come from."""

    def __init__(self, database: Database, record: Registry) -> None:
        self._database, self._record = database, record

    def add(self, records: Any, feature: Feature | str | None = None) -> None:
        """Add a label or several, as values of a feature if one is named. Raises `InvalidArgument`."""
        labels = _several(records)
        check_saved([self._record, *labels])
        with self._database.writing() as session:
            check_present(session, [self._record, *labels])
            feature_record = None if feature is None else _one_feature(session, feature)
            grouped: Rows = defaultdict(list)
            for label in labels:
                relation = _relation(session, self._record, label, feature_record)
                grouped[table_of(_between(relation))].append(
                    _link(self._record, relation, label.id, feature_record)
                )
            for table, rows in grouped.items():
                insert_missing_rows(session, table, rows)

    def remove(self, records: Any, feature: Feature | str | None = None) -> None:
        """Remove a label or several; with `feature` only as values of that. Raises `InvalidArgument`."""
        with self._database.writing() as session:
            feature_record = None if feature is None else _one_feature(session, feature)
            for label in _several(records):
                relation = _relation(session, self._record, label, feature_record)
                link: Any = relation.link
                theirs = [
                    getattr(link, relation.own) == self._record.id,
                    getattr(link, relation.other) == label.id,
                ]
                session.execute(
                    delete(link).where(
                        *theirs,
                        *([] if feature_record is None else [link.feature_id == feature_record.id]),
                    )
                )

    def get(self, feature: Feature | str, registry: type[Any] | None = None) -> QuerySet[Any]:
        """The labels that are values of this feature; `registry` says which, where they may come from several."""
        with self._database.reading() as session:
            feature_record = _one_feature(session, feature)
        options = [
            registry_called(option.registry) for option in parse(feature_record.dtype).options
        ]
        target = registry or (options[0] if options else None)
        relation = None if target is None else annotation_of(type(self._record), target)
        if target is None or relation is None:
            raise InvalidArgument(
                f"the values of {feature_record.name!r} are not labels",
                hint="features.get_values()",
            )
        link: Any = relation.link
        ids = select(getattr(link, relation.other)).where(
            getattr(link, relation.own) == self._record.id, link.feature_id == feature_record.id
        )
        return SQLQuerySet(self._database, target, select(target).where(target.id.in_(ids)))

    def all(self) -> dict[str, list[str]]:
        """The names of the labels, by the relation that they hang on."""
        with self._database.reading() as session:
            return labels_of(session, self._record)

    def __repr__(self) -> str:
        return f"<labels {self.all()}>"


def change_values(
    session: Session, record: Registry, values: Mapping[str, Any], removed: Iterable[str] = ()
) -> None:
    """Have these values instead of those of the same features, and none of the features that are removed.

    Raises `ValidationError` as `FeatureValues.add_values`.
    """
    rows = _rows(session, record, values)
    changed = _features(session, [*values, *removed])
    _remove(session, record, [feature.id for feature in changed.values()])
    for table, some in rows.items():
        insert_missing_rows(session, table, some)


def change_labels(
    session: Session, record: Registry, added: Iterable[Registry], removed: Iterable[Registry]
) -> None:
    """Add labels and remove labels, all of them values of no feature."""
    for label in added:
        relation = _relation(session, record, label, None)
        row = _link(record, relation, label.id, None)
        insert_missing_rows(session, table_of(_between(relation)), [row])
    for label in removed:
        relation = _relation(session, record, label, None)
        table: Any = _between(relation)
        session.execute(
            delete(table).where(
                getattr(table, relation.own) == record.id,
                getattr(table, relation.other) == label.id,
                table.feature_id.is_(None),
            )
        )


# Features


def _features(session: Session, keys: Iterable[Any]) -> dict[Any, Feature]:
    """The features that are named. Raises `ValidationError`, which says how to make those that are not there."""
    names = {key: key.name if isinstance(key, Feature) else str(key) for key in keys}
    query = select(Feature).where(OPERATORS["in"](Feature.name, list(names.values())))
    features = {feature.name: feature for feature in session.scalars(query)}
    if missing := [name for name in names.values() if name not in features]:
        raise ValidationError(
            f"These keys could not be validated: {missing}\n{_how_to_make_features(missing)}"
        )
    return {key: features[name] for key, name in names.items()}


def _how_to_make_features(missing: list[str], values: Mapping[Any, Any] | None = None) -> str:
    calls = [
        f"  ln.Feature(name={name!r}, dtype={_guess((values or {}).get(name))}).save()"
        for name in missing
    ]
    return "\n".join(["Here is how to create a feature:", "", *calls])


def _guess(value: Any) -> str:
    if isinstance(value, Registry):
        return f"ln.{type(value).__name__}"
    return type(value).__name__ if isinstance(value, bool | int | float | dict) else "str"


def _one_feature(session: Session, feature: Feature | str) -> Feature:
    if not isinstance(feature, str | Feature):
        raise InvalidArgument(
            f"not a feature: {shown(feature)}", hint="ln.Feature.get(name=...), or its name"
        )
    return _features(session, [feature])[feature]


# Rows


def write_values(session: Session, record: Registry, values: Mapping[str, object]) -> None:
    """Add values of features to a record in a transaction. Raises `ValidationError`."""
    for table, rows in _rows(session, record, values).items():
        insert_missing_rows(session, table, rows)


def check_values(session: Session, record: Registry, values: Mapping[str, object]) -> None:
    """Raise `ValidationError` unless a record, which need not be saved, can have these values of features."""
    _rows(session, record, values)


def _rows(session: Session, record: Registry, values: Mapping[Any, Any]) -> Rows:
    """The rows that say these values, by their tables. Raises `ValidationError`."""
    features = _features_for(session, values)
    rows: Rows = defaultdict(list)
    unknown: dict[str, list[str]] = {}
    for key, feature in features.items():
        dtype, value = parse(feature.dtype), values[key]
        several = _items(value)
        items = [value] if several is None else several
        if dtype.is_categorical:
            _label_rows(session, record, feature, dtype, items, rows, unknown)
        elif dtype.is_list or dtype.plain in ("dict", "object") or several is None:
            _value_rows(record, feature, dtype, items if dtype.is_list else [value], rows)
        else:
            validated(feature.name, dtype, value)  # a list is not a plain type
    if unknown:
        raise ValidationError(unknown_terms(unknown))
    return rows


def _items(value: Any) -> list[Any] | None:
    """The items of a list, a set, a query set, an array or a column of a table; None for a single value."""
    is_array = hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1
    return (
        list(value)
        if is_array or isinstance(value, list | tuple | set | frozenset | QuerySet)
        else None
    )


def _features_for(session: Session, values: Mapping[Any, Any]) -> dict[Any, Feature]:
    try:
        return _features(session, values)
    except ValidationError:
        names = {
            key.name if isinstance(key, Feature) else str(key): value
            for key, value in values.items()
        }
        existing = set(
            session.scalars(select(Feature.name).where(OPERATORS["in"](Feature.name, list(names))))
        )
        missing = [name for name in names if name not in existing]
        raise ValidationError(
            f"These keys could not be validated: {missing}\n{_how_to_make_features(missing, names)}"
        ) from None


def _value_rows(
    record: Registry, feature: Feature, dtype: Dtype, items: list[Any], rows: Rows
) -> None:
    kind = type(record)
    if kind._feature_values is None:
        raise InvalidArgument(
            f"a {kind.__name__} has no values of features", hint="use labels.add(...)"
        )
    table = model(kind._feature_values)
    for position, item in enumerate(items):
        value = validated(feature.name, dtype, item)
        row = feature_value(feature.id, value, position, "api") | {
            f"{kind.__tablename__}_id": record.id
        }
        rows[table_of(table)].append(row)


# Labels


def _label_rows(
    session: Session,
    record: Registry,
    feature: Feature,
    dtype: Dtype,
    items: list[Any],
    rows: Rows,
    unknown: dict[str, list[str]],
) -> None:
    labels, missing = Terms(session, feature, dtype).of(items)
    if missing:
        unknown.setdefault(str(dtype.options[0]), []).extend(missing)
    for position, label in enumerate(labels):
        relation = annotation_of(type(record), type(label))
        if relation is None:  # a record that is not a label is stored by its uid
            _uid_row(record, feature, label, position, rows)
        else:
            rows[table_of(_between(relation))].append(_link(record, relation, label.id, feature))


def _uid_row(record: Registry, feature: Feature, label: Any, position: int, rows: Rows) -> None:
    table = model(type(record)._feature_values or "")
    row = feature_value(feature.id, label.uid, position, "api") | {
        f"{type(record).__tablename__}_id": record.id
    }
    rows[table_of(table)].append(row)


def _between(relation: ToMany[Any]) -> type[Any]:
    assert relation.link is not None  # it has a column for features
    return relation.link


def _link(
    record: Registry, relation: ToMany[Any], label_id: int, feature: Feature | None
) -> dict[str, Any]:
    feature_id = None if feature is None else feature.id
    return {
        relation.own: record.id,
        relation.other: label_id,
        "feature_id": feature_id,
        "origin": "api",
    }


def _several(records: Any) -> list[Any]:
    labels = [records] if isinstance(records, Registry) else records
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise InvalidArgument(
            f"not a label: {records!r}", hint="labels.add(ln.ULabel.get(name=...))"
        )
    labels = list(labels)
    if wrong := [label for label in labels if not isinstance(label, Registry)]:
        raise InvalidArgument(
            f"not a label: {wrong[0]!r}", hint="labels.add(ln.ULabel.get(name=...))"
        )
    return labels


def _relation(
    session: Session, record: Registry, label: Registry, feature: Feature | None
) -> ToMany[Any]:
    relation = annotation_of(type(record), type(label))
    kind, other = type(record).__name__, type(label).__name__
    if relation is None:
        names = ", ".join(
            candidate.target_name for candidate in annotations_of(type(record)).values()
        )
        raise InvalidArgument(
            f"a {kind} has no labels that are {other} records", hint=f"it may have: {names}"
        )
    if feature is not None:
        dtype = parse(feature.dtype)
        if not dtype.is_categorical:
            raise InvalidArgument(
                f"feature {feature.name!r} is {feature.dtype}: its values are not labels"
            )
        Terms(session, feature, dtype).checked(label)
    return relation


# Removing


def _remove(session: Session, record: Registry, feature_ids: list[int] | None) -> None:
    """Remove the values of these features, or of all; labels without a feature stay."""
    kind = type(record)
    tables = [relation.link for relation in feature_relations(session, kind)]
    tables += [model(kind._feature_values)] if kind._feature_values else []
    for table in tables:
        which: Any = table
        of = (
            which.feature_id.is_not(None)
            if feature_ids is None
            else which.feature_id.in_(feature_ids)
        )
        session.execute(delete(which).where(own_key(kind, which) == record.id, of))


def _remove_one(session: Session, record: Registry, values: Mapping[Any, Any]) -> None:
    for table, rows in _rows(session, record, values).items():
        for row in rows:
            keys = [name for name in row if name in ("hash", "feature_id") or name.endswith("_id")]
            session.execute(delete(table).where(*(table.c[name] == row[name] for name in keys)))
