"""Query sets: lazy and chainable; iterating one yields plain records."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast, overload

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.errors import Hint, InvalidArgument, MultipleFound, NotFound
from lamin_core.models.checks import shown, text_argument, text_arguments
from lamin_core.models.deleted import deleted_at
from lamin_core.models.expressions import Q
from lamin_core.models.names import Inspection, Lookup
from lamin_core.models.queryset import FieldName, Items, QuerySet
from lamin_core.models.record_kinds import Versioned
from lamin_core.query import bulk_write, frames, search, validation
from lamin_core.query.lookups import Lookups, column_at, negated
from lamin_core.query.operators import OPERATORS, bytewise
from lamin_core.uids import VERSION_LENGTH

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

R = TypeVar("R")
V = TypeVar("V")


_ROWS = 20
"""Records that a notebook shows."""


class SQLQuerySet(QuerySet[R]):
    """Records of one registry that match some conditions, as a `SELECT` of SQLAlchemy that grows with each method."""

    def __init__(
        self, database: Database, registry: type[R], query: Select[Any] | None = None
    ) -> None:
        self._database = database
        self.registry: Any = registry
        self._query: Select[Any] = cast(Any, registry)._listed() if query is None else query
        self._order: tuple[tuple[Any, bool], ...] = ()
        """Columns, and whether they count down."""

    def _with(self, **changes: Any) -> Self:
        clone = type(self).__new__(type(self))
        clone.__dict__ = {**self.__dict__, **changes}
        return clone

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        try:
            with self._database.reading() as session:
                yield session
        except (
            DataError
        ) as error:  # what only this database does not take, such as a regular expression
            raise InvalidArgument(f"the database cannot compare this: {error.orig}") from error

    # Which records, in which order

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        fitting = Lookups(self._database).all_of(self.registry, conditions, lookups)
        return self._with(_query=self._query.where(*fitting)) if fitting else self

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        fitting = Lookups(self._database).all_of(self.registry, conditions, lookups)
        return self._with(_query=self._query.where(negated(and_(*fitting)))) if fitting else self

    def having(self, **lookups: Any) -> Self:
        fitting = Lookups(self._database).of_features(self.registry, lookups)
        return self._with(_query=self._query.where(*fitting)) if fitting else self

    def all(self) -> Self:
        return self

    def distinct(self) -> Self:
        return self

    def order_by(self, *names: str) -> Self:
        order = []
        for name in text_arguments(names, "the name of a field", 'order_by("-created_at")'):
            column = column_at(self.registry, name.removeprefix("-"))
            order.append((bytewise(column), name.startswith("-")))
        return self._with(_order=tuple(order))

    def reverse(self) -> Self:
        order = self._order or ((self.registry.id, False),)
        return self._with(_order=tuple((column, not is_down) for column, is_down in order))

    def _ordered(self) -> Select[Any]:
        parts = [column.desc() if is_down else column.asc() for column, is_down in self._order]
        return self._query.order_by(*parts, self.registry.id)

    def ids(self) -> Select[Any]:
        return self._query.with_only_columns(self.registry.id)

    # Looking

    def __iter__(self) -> Iterator[R]:
        return iter(self._fetched(self._ordered()))

    def _fetched(self, query: Select[Any]) -> Items[R]:
        with self._reading() as session:
            return list(session.scalars(query))

    def __len__(self) -> int:
        return self.count()

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Items[R]: ...
    def __getitem__(self, index: int | slice) -> R | Items[R]:
        if isinstance(index, slice):
            _check_bounds(index)
        if (
            isinstance(index, slice)
            and index.step is None
            and _counts_up(index.start)
            and _counts_up(index.stop)
        ):
            begin = index.start or 0
            length = None if index.stop is None else max(index.stop - begin, 0)
            return self._fetched(self._ordered().offset(begin).limit(length))
        if isinstance(index, int) and 0 <= index < 2**63:
            records = self._fetched(self._ordered().offset(index).limit(1))
            if not records:
                raise IndexError(f"there is no record {index} among {self.count()}")
            return records[0]
        if isinstance(index, int) and index >= 2**63:
            raise IndexError(f"there is no record {index}")
        if not isinstance(index, int | slice):
            raise InvalidArgument(f"not a position: {shown(index)}", hint="[0], [:10]")
        return list(self)[index]

    def __repr__(self) -> str:
        shown = self._fetched(self._ordered().limit(11))
        more = ", ..." if len(shown) > 10 else ""
        return f"<QuerySet [{', '.join(map(repr, shown[:10]))}{more}]>"

    def _repr_html_(self) -> str:
        """The first records, a row each, as notebooks show them."""
        query = self._ordered().limit(_ROWS)
        with self._reading() as session:
            return frames.html(session, self.registry, query, self.count())

    @overload
    def to_list(self, field: None = None) -> Items[R]: ...
    @overload
    def to_list(self, field: str) -> Items[Any]: ...
    def to_list(self, field: str | None = None) -> Items[R] | Items[Any]:
        return list(self) if field is None else self.values_list(field, flat=True)

    list = to_list

    @overload
    def values_list(self, *fields: str, flat: Literal[True]) -> Items[Any]: ...
    @overload
    def values_list(self, *fields: str, flat: Literal[False] = False) -> Items[tuple[Any, ...]]: ...
    def values_list(self, *fields: str, flat: bool = False) -> Items[Any]:
        names = fields or tuple(frames.fields(self.registry))
        columns = [column_at(self.registry, name) for name in names]
        with self._reading() as session:
            rows = session.execute(self._ordered().with_only_columns(*columns)).all()
        return [row[0] for row in rows] if flat else [tuple(row) for row in rows]

    def count(self) -> int:
        with self._reading() as session:
            return session.scalar(select(func.count()).select_from(self.ids().subquery())) or 0

    def exists(self) -> bool:
        with self._reading() as session:
            return session.scalar(self.ids().limit(1)) is not None

    def first(self) -> R | None:
        return next(iter(self._fetched(self._ordered().limit(1))), None)

    def last(self) -> R | None:
        record: R | None = self.reverse().first()
        return record

    def one(self) -> R:
        return self._only(self._fetched(self._query.limit(2)))

    def _only(self, records: Items[R]) -> R:
        name = self.registry.__name__
        if not records:
            raise NotFound(f"no {name} fits", hint=_listed(name))
        if len(records) > 1:
            shown = ", ".join(map(repr, records[:2]))
            raise MultipleFound(
                f"{self.count()} {name} records fit",
                hint=Hint(
                    f"ask for more, or .first(); among them: {shown}",
                    command=f"name one by its uid; among them: {shown}",
                ),
            )
        record: R = records[0]
        return record

    def one_or_none(self) -> R | None:
        records = self._fetched(self._query.limit(2))
        return self._only(records) if records else None

    def get(self, uid: str | None = None, **lookups: Any) -> R:
        narrowed = self if uid is None else self._by_uid(uid)
        narrowed = narrowed.filter(**lookups)
        try:
            return narrowed._only(narrowed._answers(uid, lookups))
        except NotFound:
            raise self._not_found(uid, lookups) from None

    def _answers(self, uid: str | None, lookups: dict[str, Any]) -> Items[R]:
        query = self._query.limit(2)
        version_lookups = {"version", "is_latest", "number"} & set(lookups)
        if not issubclass(self.registry, Versioned) or version_lookups or self._is_whole(uid):
            return self._fetched(query)
        records: Items[Any] = self._fetched(query.order_by(self.registry.is_latest.desc()))
        return [record for record in records if record.is_latest] or records

    def _is_whole(self, uid: str | None) -> bool:
        return (
            uid is not None
            and len(uid) == getattr(self.registry, "_stem_length", 0) + VERSION_LENGTH
        )

    def _by_uid(self, uid: str) -> Self:
        name = self.registry.__name__
        if not isinstance(uid, str) or not uid.isascii() or not uid.isalnum():
            raise InvalidArgument(
                f"not a uid: {uid!a}", hint=f"{name}.get({self.registry._name_field}=...)"
            )
        return self._with(_query=self._query.where(self._is_called(uid)))

    def _is_called(self, uid: str) -> Any:
        """The condition that a record has this uid, by index where possible: whole uids, and stems of series."""
        series = self.registry.__table__.c.get("series_id")
        if series is not None and len(uid) == self.registry._stem_length:
            table = next(iter(series.foreign_keys)).column.table
            return self.registry.series_id.in_(select(table.c.id).where(table.c.stem == uid))
        is_whole = issubclass(self.registry, Versioned) and self._is_whole(uid)
        return OPERATORS["exact" if is_whole else "startswith"](self.registry.uid, uid)

    def _not_found(self, uid: str | None, lookups: dict[str, Any]) -> NotFound:
        criteria = [f"uid {uid!r}"] if uid is not None else []
        criteria += [f"{name}={value!r}" for name, value in lookups.items()]
        name = self.registry.__name__
        deletion = self._deletion(uid)
        if deletion is not None:
            message = f"{name} {uid} was deleted for good on {deletion:%Y-%m-%d at %H:%M} UTC"
            return NotFound(message, hint=_listed(name, "no other version gets its uid; "))
        shown = f"no {name} with {', '.join(criteria)}" if criteria else f"no {name} fits"
        return NotFound(shown, hint=self._nearest(lookups) or _listed(name))

    def _deletion(self, uid: str | None) -> datetime | None:
        """The time at which the version with this uid was permanently deleted; None if it was not."""
        if uid is None or not issubclass(self.registry, Versioned):
            return None
        with self._reading() as session:
            return deleted_at(session, self.registry, uid)

    def _nearest(self, lookups: dict[str, Any]) -> str | None:
        field = self.registry._name_field
        name = lookups.get(field)
        if not isinstance(name, str):
            return None
        everything = self._with(_query=self.registry._listed())
        near = [getattr(record, field) for record in everything.search(name, limit=3)]
        if not near:
            named = everything.filter(**{f"{field}__isnull": False})._with(
                _order=((self.registry.id, True),)
            )
            with self._reading() as session:
                names = session.scalars(
                    named._ordered().with_only_columns(column_at(self.registry, field)).limit(2000)
                )
                near = difflib.get_close_matches(name, list(names), n=3)
        return f"nearest: {', '.join(dict.fromkeys(near))}" if near else None

    # By what they are called

    def search(self, string: str, *, field: FieldName = None, limit: int | None = 20) -> Self:
        _check_limit(limit)
        with self._reading() as session:
            best = search.ranked(session, self.registry, self._query, string, field, limit)
        rank = case(
            {identity: position for position, identity in enumerate(best)}, value=self.registry.id
        )
        query = select(self.registry).where(self.registry.id.in_(best))
        return self._with(_query=query, _order=((rank, False),) if best else ())

    @overload
    def lookup(self, field: FieldName = None, return_field: None = None) -> Lookup[R]: ...
    @overload
    def lookup(self, field: FieldName, return_field: FieldName) -> Lookup[Any]: ...
    @overload
    def lookup(self, field: FieldName = None, *, return_field: FieldName) -> Lookup[Any]: ...
    def lookup(self, field: FieldName = None, return_field: FieldName = None) -> Lookup[Any]:
        name = validation.field_name(self.registry, field)
        candidates = self.filter(is_latest=True) if issubclass(self.registry, Versioned) else self
        records = [record for record in candidates if getattr(record, name) is not None]
        answered = (
            None if return_field is None else validation.field_name(self.registry, return_field)
        )
        answers = records if answered is None else [getattr(record, answered) for record in records]
        return Lookup(
            self.registry.__name__, [getattr(record, name) for record in records], answers
        )

    def inspect(self, values: Iterable[object], field: FieldName = None) -> Inspection:
        with self._reading() as session:
            return validation.inspect(session, self.registry, self.ids(), values, field)

    def validate(self, values: Iterable[object], field: FieldName = None) -> npt.NDArray[np.bool_]:
        return self.inspect(values, field).mask

    @overload
    def standardize(
        self, values: Iterable[V], field: FieldName = None, *, return_mapper: Literal[False] = False
    ) -> Items[V | str]: ...
    @overload
    def standardize(
        self, values: Iterable[object], field: FieldName = None, *, return_mapper: Literal[True]
    ) -> dict[str, str]: ...
    @overload
    def standardize(
        self, values: Iterable[V], field: FieldName = None, *, return_mapper: bool
    ) -> Items[V | str] | dict[str, str]: ...
    def standardize(
        self, values: Iterable[V], field: FieldName = None, *, return_mapper: bool = False
    ) -> Items[V | str] | dict[str, str]:
        listed = list(validation.checked(values))
        with self._reading() as session:
            mapper = validation.mapper(session, self.registry, self.ids(), listed, field)
        if return_mapper:
            return mapper
        return [mapper.get(value, value) if isinstance(value, str) else value for value in listed]

    # As a table

    def df(
        self,
        limit: int | None = None,
        *,
        include: str | Iterable[str] = (),
        features: bool | str | Iterable[str] = False,
        order_by: str | None = None,
    ) -> pd.DataFrame:
        _check_limit(limit)
        if order_by is not None:
            order = text_argument(order_by, "order_by", 'order_by="-created_at"')
            return self.order_by(order).df(limit, include=include, features=features)
        query = self._ordered()
        if limit is not None and not self._order:
            query = self._query.order_by(self.registry.id.desc())
        paths = text_arguments(include, "include", 'include="created_by__handle"')
        included, chosen = frames.feature_choice(self.registry, paths, features)
        with self._reading() as session:
            return frames.frame(session, self.registry, query.limit(limit), included, chosen)

    to_dataframe = df

    # Changing

    def update(self, **values: Any) -> int:
        return bulk_write.change(self._database, self.registry, self.ids(), values)

    def delete(self) -> int:
        if not self.registry._has_trash:
            return bulk_write.remove(self._database, self.registry, self.ids())
        records = list(self)
        for record in records:
            record.delete()  # type: ignore[attr-defined]
        return len(records)


def _check_limit(limit: int | None) -> None:
    if limit is not None and (not isinstance(limit, int) or not 0 <= limit < 2**63):
        raise InvalidArgument(
            f"limit is not a number of records: {limit!r}", hint="limit=None for all"
        )


def _check_bounds(bounds: slice) -> None:
    for bound in (bounds.start, bounds.stop, bounds.step):
        if bound is not None and not (isinstance(bound, int) and abs(bound) < 2**63):
            raise InvalidArgument(f"not a position: {shown(bound)}", hint="[0], [:10]")


def _counts_up(bound: int | None) -> bool:
    return bound is None or bound >= 0


def _listed(registry: str, before: str = "") -> Hint:
    return Hint(
        f"{before}{registry}.df() shows what is there",
        command=f"{before}`lamin list {registry.lower()}` shows what is there",
    )
