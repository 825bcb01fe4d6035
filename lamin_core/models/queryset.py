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
        """Return the records that also match these lookups and conditions (`ln.Q`).

        Raises:
            InvalidArgument: A name is neither a field nor a feature, or a value has the wrong type.
        """

    @abstractmethod
    def exclude(self, *conditions: Q, **lookups: object) -> Self:
        """Return the records that do not match all of these conditions. Raises as `filter`."""

    @abstractmethod
    def having(self, **lookups: Any) -> Self:
        """Return the records with these values of features; a feature is used before a field of the same name."""

    @abstractmethod
    def all(self) -> Self:
        """Return the same query set."""

    @abstractmethod
    def distinct(self) -> Self:
        """Return each record once; every query set already does this."""

    @abstractmethod
    def order_by(self, *names: str) -> Self:
        """Return the records in the order of these fields, named as in lookups; `-` before a name reverses it."""

    @abstractmethod
    def reverse(self) -> Self:
        """Return the records in the opposite order."""

    @abstractmethod
    def ids(self) -> Select[tuple[int]]:
        """Return the SQL query for the primary keys, for use in another query."""

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
        """Return all records, or this field of all records, as a list."""

    @overload
    def values_list(self, *fields: str, flat: Literal[True]) -> Items[Any]: ...
    @overload
    def values_list(self, *fields: str, flat: Literal[False] = False) -> Items[tuple[Any, ...]]: ...
    @abstractmethod
    def values_list(self, *fields: str, flat: bool = False) -> Items[Any]:
        """Return these fields of all records as tuples, or with `flat` the values of a single field."""

    @abstractmethod
    def count(self) -> int:
        """Return the number of records."""

    @abstractmethod
    def exists(self) -> bool:
        """Return whether there is any record."""

    @abstractmethod
    def first(self) -> R | None:
        """Return the first record, or None."""

    @abstractmethod
    def last(self) -> R | None:
        """Return the last record, or None."""

    @abstractmethod
    def one(self) -> R:
        """Return the only record. Raises `NotFound` or `MultipleFound`."""

    @abstractmethod
    def one_or_none(self) -> R | None:
        """Return the only record, or None. Raises `MultipleFound`."""

    @abstractmethod
    def get(self, uid: str | None = None, **lookups: Any) -> R:
        """Return the one record with this uid or these fields; of several versions, the latest.

        Raises `NotFound`, `MultipleFound`, and `InvalidArgument`.
        """

    @abstractmethod
    def search(self, string: str, *, field: FieldName = None, limit: int | None = 20) -> Self:
        """Return the records whose text contains all words of the string, the best first.

        If there are none, typos are tolerated. Of several versions, only the latest is returned.

        Args:
            string: The words to search for, in any order.
            field: Search in this field only.
            limit: Maximum number of records; None for all.
        """

    @overload
    def lookup(self, field: FieldName = None, return_field: None = None) -> Lookup[R]: ...
    @overload
    def lookup(self, field: FieldName, return_field: FieldName) -> Lookup[Any]: ...
    @overload
    def lookup(self, field: FieldName = None, *, return_field: FieldName) -> Lookup[Any]: ...
    @abstractmethod
    def lookup(self, field: FieldName = None, return_field: FieldName = None) -> Lookup[Any]:
        """Return an object with an attribute for each name: `.lookup().candidate_marker`, or `["Candidate marker"]`."""

    @abstractmethod
    def inspect(self, values: Iterable[object], field: FieldName = None) -> Inspection:
        """Return which values are names of these records (`validated`) and which are not (`non_validated`)."""

    @abstractmethod
    def validate(self, values: Iterable[object], field: FieldName = None) -> npt.NDArray[np.bool_]:
        """Return a boolean `numpy` array: whether each value is the name of one of these records."""

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
        """Return the values, with synonyms and other upper or lower case replaced by the names of records.

        With `return_mapper=True`, return only the replacements, as a dict from value to name.
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
            limit: Maximum number of rows, the newest first; None for all.
            include: Fields of relations to add as columns (`created_by__handle`, `ulabels__name`).
            features: Names of features to add as columns; True, or `include="features"`, for every
                feature of which any record has a value. If a feature has the name of a field, its
                column is `features__NAME`.
            order_by: a field to order them by, `-` before it reverses; None keeps their order.

        Raises:
            MissingExtra: without pandas.
        """

    @abstractmethod
    def update(self, **values: object) -> int:
        """Set these fields of all records in one SQL statement; return the number of records.

        Raises `InvalidArgument` for a field that identifies a record or for a value of the wrong
        type, and `Conflict` if a value contradicts the registry. No record is changed then.
        """

    @abstractmethod
    def delete(self) -> int:
        """Delete the records, or move them to the trash if they have one; return their number.

        Raises `Conflict` if other records need any of them.
        """

    if TYPE_CHECKING:  # the implementation binds these names to its own methods
        list = to_list
        to_dataframe = df


class RelatedSet(QuerySet[R]):
    """The records of a relation, such as `artifact.ulabels`; `add`, `remove`, `set` and `clear` change the relation."""

    @abstractmethod
    def add(self, *records: R) -> None:
        """Add saved records to the relation. Raises `InvalidArgument` for other objects."""

    @abstractmethod
    def set(self, records: Iterable[R]) -> None:
        """Replace the records of the relation with these."""

    @abstractmethod
    def remove(self, *records: R) -> None:
        """Remove these records from the relation; the records themselves stay."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all records from the relation; the records themselves stay."""
