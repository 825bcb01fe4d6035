"""The typed interface of queries: what `Artifact.filter(...)` and `artifact.ulabels` return.

`lamin_core.query` implements it. It is declared here so that the methods of records can name their
return types without an import that runs upwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeAlias, TypeVar, overload

from sqlalchemy import Select

from lamin_core.models.names import Inspection, Lookup

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from sqlalchemy.orm import InstrumentedAttribute

    from lamin_core.models.expressions import Q

R = TypeVar("R")
V = TypeVar("V")
Items: TypeAlias = list[R]
"""A list; inside the classes below, `list` is a method."""
FieldName: TypeAlias = "str | InstrumentedAttribute[Any] | None"
"""A field by its name, or as `ln.ULabel.name`; None is the one that records are known by."""


class QuerySet(ABC, Generic[R]):
    """Records of one registry that match some conditions; reads the database when iterated, counted or shown."""

    @abstractmethod
    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Return those that also match these lookups and conditions (`ln.Q`).

        Raises:
            InvalidArgument: for a name that is no field, or a value that cannot be compared with
            it.
        """

    @abstractmethod
    def exclude(self, *conditions: Q, **lookups: object) -> Self:
        """Return those that do not match all of these. Raises as `filter`."""

    @abstractmethod
    def having(self, **lookups: Any) -> Self:
        """Return those that have such values for features; names of features come before those of fields."""

    @abstractmethod
    def all(self) -> Self:
        """Return the same query set."""

    @abstractmethod
    def distinct(self) -> Self:
        """Return each record once, as it is anyway."""

    @abstractmethod
    def order_by(self, *names: str) -> Self:
        """Return them in this order; `-` before a name reverses it, fields of relations are named as in lookups."""

    @abstractmethod
    def reverse(self) -> Self:
        """Return them in the opposite order."""

    @abstractmethod
    def ids(self) -> Select[tuple[int]]:
        """Return the SQL query for the primary keys, to put into another."""

    @abstractmethod
    def __iter__(self) -> Iterator[R]: ...

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    @abstractmethod
    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Items[R]: ...
    @abstractmethod
    def __getitem__(self, index: int | slice) -> R | Items[R]: ...

    @overload
    def to_list(self, field: None = None) -> Items[R]: ...
    @overload
    def to_list(self, field: str) -> Items[Any]: ...
    @abstractmethod
    def to_list(self, field: str | None = None) -> Items[R] | Items[Any]:
        """Return all of them, or this field of all of them, as a list."""

    @overload
    def values_list(self, *fields: str, flat: Literal[True]) -> Items[Any]: ...
    @overload
    def values_list(self, *fields: str, flat: Literal[False] = False) -> Items[tuple[Any, ...]]: ...
    @abstractmethod
    def values_list(self, *fields: str, flat: bool = False) -> Items[Any]:
        """Return fields of all of them as tuples, or with `flat` the values of a single field."""

    @abstractmethod
    def count(self) -> int:
        """Return how many there are."""

    @abstractmethod
    def exists(self) -> bool:
        """Return whether there is any."""

    @abstractmethod
    def first(self) -> R | None:
        """Return the first, or None."""

    @abstractmethod
    def last(self) -> R | None:
        """Return the last, or None."""

    @abstractmethod
    def one(self) -> R:
        """Return the only one. Raises `NotFound` or `MultipleFound`."""

    @abstractmethod
    def one_or_none(self) -> R | None:
        """Return the only one, or None. Raises `MultipleFound`."""

    @abstractmethod
    def get(self, uid: str | None = None, **lookups: Any) -> R:
        """Return the record with this uid, these first characters of it, or these fields; of versions the latest.

        Raises `NotFound`, `MultipleFound`, and `InvalidArgument`.
        """

    @abstractmethod
    def search(self, string: str, *, field: FieldName = None, limit: int | None = 20) -> Self:
        """Return those whose texts contain all words of the string, the best first; if none do, typos are forgiven.

        Args:
            string: the words to look for.
            field: look into this field alone.
            limit: how many at most; None for all.

        Of several versions the latest is returned.
        """

    @overload
    def lookup(self, field: FieldName = None, return_field: None = None) -> Lookup[R]: ...
    @overload
    def lookup(self, field: FieldName, return_field: FieldName) -> Lookup[Any]: ...
    @overload
    def lookup(self, field: FieldName = None, *, return_field: FieldName) -> Lookup[Any]: ...
    @abstractmethod
    def lookup(self, field: FieldName = None, return_field: FieldName = None) -> Lookup[Any]:
        """Return an object to complete names in: `.lookup().candidate_marker`, or `["Candidate marker"]`."""

    @abstractmethod
    def inspect(self, values: Iterable[object], field: FieldName = None) -> Inspection:
        """Return which of the values are names of these records, and which are not."""

    @abstractmethod
    def validate(self, values: Iterable[object], field: FieldName = None) -> npt.NDArray[np.bool_]:
        """Return for each of the values whether it is a name of one of these records."""

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
    @abstractmethod
    def standardize(
        self, values: Iterable[V], field: FieldName = None, *, return_mapper: bool = False
    ) -> Items[V | str] | dict[str, str]:
        """Return the values with synonyms, and other spellings in upper and lower case, replaced by names.

        With `return_mapper` only what was replaced, as a dict.
        """

    @abstractmethod
    def df(
        self,
        limit: int | None = None,
        *,
        include: str | Iterable[str] = (),
        features: bool | str | Iterable[str] = False,
        order_by: str | None = None,
    ) -> pd.DataFrame:
        """Return them as a `pandas.DataFrame`, with `id` as its index and `uid` as a column.

        Args:
            limit: keep this many, the newest; None for all.
            include: fields of relations to add (`created_by__handle`, `ulabels__name`).
            features: add a column for each of these features; True, or `include="features"`, for
                every feature that any of them has a value for. The column of a feature that is
                called like a field is `features__NAME`.
            order_by: a field to order them by, `-` before it reverses; None keeps their order.

        Raises:
            MissingExtra: without pandas.
        """

    @abstractmethod
    def update(self, **values: object) -> int:
        """Give all of them these values, in one statement; return how many they are.

        Raises `InvalidArgument` for a field that records are known by, or a value that does not fit
        it, and `Conflict`; then none is changed.
        """

    @abstractmethod
    def delete(self) -> int:
        """Remove them, artifacts into the trash; return how many they are.

        Raises `Conflict` while other records need any of them.
        """

    if TYPE_CHECKING:  # the implementation binds these names to its own methods
        list = to_list
        to_dataframe = df


class RelatedSet(QuerySet[R]):
    """The records that a relation ties to one record; `add`, `remove`, `set` and `clear` change that."""

    @abstractmethod
    def add(self, *records: R) -> None:
        """Tie these saved records to it; those that are tied already stay so. Raises `InvalidArgument`."""

    @abstractmethod
    def set(self, records: Iterable[R]) -> None:
        """Tie these and no others."""

    @abstractmethod
    def remove(self, *records: R) -> None:
        """Untie these."""

    @abstractmethod
    def clear(self) -> None:
        """Untie all."""
