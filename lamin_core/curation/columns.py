"""The requirements of a schema for each column of a table, and whether the type of a column meets them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from lamin_core.models import Feature
from lamin_core.models.dtypes import Dtype, parse

if TYPE_CHECKING:
    import pandas as pd

    Series = pd.Series
    """A column."""

_PANDAS_TYPES = {
    "int": "int64",
    "float": "float64",
    "num": "float64",
    "str": "string",
    "path": "string",
    "bool": "bool",
    "date": "datetime64[ns]",
    "datetime": "datetime64[ns]",
}
_WITH_MISSING = {"int64": "Int64", "bool": "boolean"}
_INFERRED: dict[str, tuple[str, ...]] = {
    "int": ("integer",),
    "float": ("floating",),
    "num": ("integer", "floating", "mixed-integer-float", "decimal"),
    "str": ("string",),
    "bool": ("boolean",),
    "date": ("date", "datetime64", "datetime"),
    "datetime": ("datetime64", "datetime"),
}
"""The names of the plain types in pandas."""


@dataclass(frozen=True, slots=True)
class Column:
    """The requirements for one column."""

    feature: Feature
    dtype: Dtype
    is_required: bool
    is_coerced: bool

    @classmethod
    def of(cls, feature: Feature, *, is_required: bool, is_coerced: bool) -> Column:
        """The requirements of this feature; each feature can have its own conversion."""
        return cls(feature, parse(feature.dtype), is_required, is_coerced or feature.coerce)

    @property
    def name(self) -> str:
        """The name of the feature and of the column."""
        return self.feature.name


def type_for_coercion(column: Column, series: Series) -> str | None:
    """Return the pandas type that the values are converted to; None where they stay as they are."""
    if not column.is_coerced or column.dtype.is_list or series.dtype == "category":
        return None
    if column.dtype.is_categorical:
        return "string"
    name = _PANDAS_TYPES.get(column.dtype.plain or "")
    has_missing = name in _WITH_MISSING and bool(series.isna().any())
    return _WITH_MISSING[name] if name is not None and has_missing else name


def fits(series: Series, dtype: Dtype) -> bool:
    """Return whether the values of a column are of this type; missing values do not count.

    >>> import pandas as pd
    >>> fits(pd.Series([1, 2]), parse("int")), fits(pd.Series([1.5]), parse("int"))
    (True, False)
    >>> fits(pd.Series(["a", None]), parse("str")), fits(pd.Series(["a", 1]), parse("str"))
    (True, False)
    >>> fits(pd.Series([["a"], ["b", "c"]]), parse("list[cat[ULabel]]"))
    True
    """
    if dtype.is_list:
        inner = Dtype(dtype.plain, dtype.options)
        return _all_are(series, (list, tuple, set, frozenset)) and fits(flat(series), inner)
    if dtype.plain in ("dict", "object", "path"):
        return _fits_object(series, dtype.plain)
    return inferred(series) in (*_INFERRED[dtype.plain or "str"], "empty")


def _fits_object(series: Series, plain: str) -> bool:
    classes: dict[str, tuple[type, ...]] = {"dict": (dict,), "path": (str, PurePath)}
    return plain == "object" or _all_are(series, classes[plain])


def inferred(series: Series) -> str:
    """Return what pandas calls the values that are there: `string`, `integer`, `mixed-integer`, `empty`."""
    import pandas as pd

    values = series.cat.categories if series.dtype == "category" else series
    if bool(series.isna().all()):
        return "empty"
    return pd.api.types.infer_dtype(values, skipna=True)


def flat(series: Series) -> Series:
    """Return the elements of lists as one column."""
    import pandas as pd

    items = [item for several in series.dropna() for item in several]
    return pd.Series(items, dtype=None if items else "object")


def distinct(series: Series, dtype: Dtype) -> list[object]:
    """Return the values that occur, each once, missing ones and unused categories left out."""
    if dtype.is_list:
        series = flat(series)
    return list(series.dropna().unique())


def _all_are(series: Series, classes: tuple[type, ...]) -> bool:
    return all(isinstance(value, classes) for value in series.dropna())
