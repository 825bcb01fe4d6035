"""A schema as a schema of pandera, and what pandera says as problems of ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lamin_core.curation.columns import Column, fits, inferred, type_for_coercion
from lamin_core.curation.plan import Plan
from lamin_core.curation.problems import Problem, listed, near_misses
from lamin_core.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd

    from lamin_core.curation.columns import Series

Failures = list[Any]
"""The `SchemaError`s of pandera, which ships no types for them."""
_TYPE = "the type of the feature"
"""Name of the check of types."""


def check(table: pd.DataFrame, plan: Plan) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Return the table with the values converted that the schema converts, and what is wrong with it.

    The table is None where nothing is to be converted; then nothing is copied either.
    """
    compiled = compile_plan(table, plan)
    parts = [*compiled.columns.values(), *([compiled.index] if compiled.index else [])]
    is_converted = any(part.coerce for part in parts)
    from pandera.errors import SchemaErrors

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # pandera concatenates empty frames
        try:
            converted = compiled.validate(table, lazy=True, inplace=not is_converted)
        except SchemaErrors as errors:
            return None, _translated(table, plan, errors.schema_errors)
    return (converted if is_converted else None), []


def compile_plan(table: pd.DataFrame, plan: Plan) -> Any:
    """Return the `pandera.DataFrameSchema` that checks the columns of this table. Raises `MissingExtra`."""
    try:
        import pandera.pandas as pa
    except ImportError as error:
        raise MissingExtra("pandera", "curate") from error

    def part(
        kind: Callable[..., object], column: Column, series: Series | None, **options: object
    ) -> Any:
        dtype = column.dtype
        target = None if series is None else type_for_coercion(column, series)
        is_looked_up = (
            dtype.is_categorical and not dtype.is_list
        )  # the vocabulary says what is no text
        types = [pa.Check(lambda values: fits(values, dtype), name=_TYPE)]
        types = [] if target or is_looked_up else types
        nullable = column.feature.nullable
        return kind(target, checks=types, nullable=nullable, coerce=bool(target), **options)

    columns = {
        column.name: part(
            pa.Column, column, _series(table, column.name), required=column.is_required
        )
        for column in plan.columns
    }
    index = plan.index and part(
        pa.Index, plan.index, table.index.to_series(), unique=True, name=plan.index.name
    )
    return pa.DataFrameSchema(
        columns,
        index=index,
        strict=plan.schema.maximal_set and plan.names_in is None,
        ordered=plan.schema.ordered_set,
        unique_column_names=True,
    )


def _series(table: pd.DataFrame, name: str) -> Series | None:
    return table[name] if name in table.columns else None


def _translated(table: pd.DataFrame, plan: Plan, errors: Failures) -> list[Problem]:
    columns = {column.name: column for column in plan.columns}
    if plan.index is not None:
        columns[plan.index.name] = plan.index
    by_reason: dict[str, Failures] = {}
    for error in errors:
        by_reason.setdefault(error.reason_code.name, []).append(error)
    problems = []
    for reason, some in by_reason.items():
        problems += _TRANSLATORS.get(reason, _otherwise)(table, columns, some)
    return problems


def _missing(table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures) -> list[Problem]:
    problems = []
    others = [str(name) for name in table.columns if name not in columns]
    for error in errors:
        name = str(error.failure_cases)
        problems.append(
            Problem(
                f"column {name!r} is missing{near_misses([name], others)}",
                "add it, or let it be missing: feature.with_config(optional=True), "
                "or ln.Schema([...], minimal_set=False); "
                "curator.standardize() adds columns of features that have a default",
            )
        )
    return problems


def _extra(table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures) -> list[Problem]:
    names = [str(error.failure_cases) for error in errors]
    hint = near_misses(names, [name for name in columns if name not in table.columns])
    return [
        Problem(
            f"columns that are not in the schema: {listed(names)}{hint}",
            f"df.drop(columns=[{listed(names[:3])}]), or a schema with maximal_set=False",
        )
    ]


def _order(table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures) -> list[Problem]:
    expected = [name for name in columns if name in table.columns]
    return [
        Problem(
            f"the columns are not in the order of the schema, which is {listed(expected)}",
            "df = df[[feature.name for feature in schema.features]]",
        )
    ]


def _nulls(table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures) -> list[Problem]:
    problems = []
    for error in errors:
        name, number = error.schema.name, len(error.failure_cases)
        rows = listed(list(error.failure_cases["index"]))
        problems.append(
            Problem(
                f"column {name!r} has {number:,} missing value{'s' if number > 1 else ''}, "
                f"and its feature allows none; rows: {rows}",
                f"df[{name!r}] = df[{name!r}].fillna(...), or let the feature have missing values: "
                f"feature = ln.Feature.get(name={name!r}); feature.nullable = True; feature.save()",
            )
        )
    return problems


def _types(table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures) -> list[Problem]:
    problems = {}
    for error in errors:
        column = columns[error.schema.name]
        series = _series(table, column.name)
        values = table.index.to_series() if series is None else series
        problems[column.name] = wrong_type(column, values)
    return list(problems.values())


def wrong_type(column: Column, series: Series) -> Problem:
    """Return the problem of a column whose values have another type."""
    name, dtype = column.name, str(column.dtype)
    kind = inferred(series)
    if kind.startswith("mixed"):
        kinds = sorted({type(value).__name__ for value in series.dropna()})
        actual = f"values of several types: {listed(kinds)}"
    else:
        actual = str(series.dtype) if kind in ("integer", "floating") else f"{kind} values"
    missing = int(series.isna().sum())
    if dtype == "int" and kind == "floating" and missing and (series.dropna() % 1 == 0).all():
        return Problem(
            f"column {name!r} is {actual} because of {missing:,} missing value(s), not int",
            f"df[{name!r}] = df[{name!r}].astype('Int64')",
        )
    target = {"int": "'int64'", "float": "'float64'", "num": "'float64'", "bool": "bool"}
    call = f"df[{name!r}].astype({target.get(dtype, repr('string'))})"
    if dtype in ("date", "datetime"):
        call = f"pd.to_datetime(df[{name!r}])"
    fix = f"df[{name!r}] = {call}, or let it be converted: ln.Schema(..., coerce=True)"
    if column.is_coerced:
        fix = f"mend the values, then validate again; those that are no {dtype} stay as they are"
    return Problem(f"column {name!r} has {actual}, not {dtype}", fix)


def _conversion(
    table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures
) -> list[Problem]:
    problems = []
    for error in errors:
        column, cases = columns[error.schema.name], error.failure_cases
        values = list(dict.fromkeys(map(str, cases["failure_case"]))) if len(cases) else []
        problems.append(
            Problem(
                f"column {column.name!r} has values that cannot be converted to {column.dtype}: "
                f"{listed(values)}",
                f"df[{column.name!r}] = pd.to_numeric(df[{column.name!r}], errors='coerce') "
                "makes them missing values",
            )
        )
    return problems


def _duplicates(
    table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures
) -> list[Problem]:
    return [duplicate_index(table.index)]


def duplicate_index(index: pd.Index, name: str = "the index", owner: str = "df") -> Problem:
    """Return the problem of row names that occur several times."""
    values = list(dict.fromkeys(index[index.duplicated()]))
    return Problem(
        f"{name} has {len(values):,} value{'s' if len(values) > 1 else ''} more than once: "
        f"{listed(values)}",
        f"{owner} = {owner}[~{owner}.index.duplicated()], or give each row a name of its own",
    )


def _otherwise(
    table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures
) -> list[Problem]:
    return [Problem(str(error).splitlines()[0][:200], "compare df.dtypes") for error in errors]


def _no_problem(
    table: pd.DataFrame, columns: Mapping[str, Column], errors: Failures
) -> list[Problem]:
    return []


_TRANSLATORS: dict[str, Callable[..., list[Problem]]] = {
    "COLUMN_NOT_IN_DATAFRAME": _missing,
    "COLUMN_NOT_IN_SCHEMA": _extra,
    "COLUMN_NOT_ORDERED": _order,
    "SERIES_CONTAINS_NULLS": _nulls,
    "DATAFRAME_CHECK": _types,
    "DATATYPE_COERCION": _conversion,
    "SERIES_CONTAINS_DUPLICATES": _duplicates,
    "WRONG_DATATYPE": _no_problem,  # what could not be converted was told as such
}
