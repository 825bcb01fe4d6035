"""The cells of a samplesheet as values of features: their types, and what does not fit them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lamin_core.curation.curators import DataFrameCurator
from lamin_core.errors import MissingExtra, ValidationError
from lamin_core.models import Schema
from lamin_core.models.dtypes import Dtype, parse, validated
from lamin_core.samplesheets.reading import Samplesheet

Values = dict[str, dict[str, list[object]]]
"""By sample and by column."""
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_BOOLEANS = {"true": True, "false": False}


def inferred_dtype(cells: Iterable[object]) -> str:
    """Return the plain type that all cells of a column have; text with leading zeros stays text.

    >>> inferred_dtype(["1", "2"]), inferred_dtype(["1", "2.5"]), inferred_dtype(["true"]), inferred_dtype(["007"])
    ('int', 'float', 'bool', 'str')
    """
    texts = [str(cell) for cell in cells]
    if not texts or any(
        text.lstrip("+-")[:1] == "0" and text.strip("+-0")[:1].isdigit() for text in texts
    ):
        return "str"
    if all(_INTEGER.fullmatch(text) for text in texts):
        return "int"
    if all(_NUMBER.fullmatch(text) for text in texts):
        return "float"
    return "bool" if all(text.lower() in _BOOLEANS for text in texts) else "str"


def cell_value(column: str, dtype: Dtype, cell: object) -> object:
    """Return a cell as a value of this type; names of records stay names. Raises `ValidationError`.

    >>> cell_value("dose", parse("float"), "5"), cell_value("treatment", parse("cat[ULabel]"), "DMSO")
    (5.0, 'DMSO')
    """
    if dtype.is_categorical:
        return validated(column, parse("str"), cell)
    return validated(column, dtype, _parsed(dtype, cell) if isinstance(cell, str) else cell)


def _parsed(dtype: Dtype, text: str) -> object:
    if dtype.plain in ("int", "num") and _INTEGER.fullmatch(text):
        return int(text)
    if dtype.plain in ("float", "num") and _NUMBER.fullmatch(text):
        return float(text)
    return _BOOLEANS.get(text.lower(), text) if dtype.plain == "bool" else text


def typed_values(sheet: Samplesheet, dtypes: Mapping[str, Dtype]) -> tuple[Values, list[str]]:
    """Return the values of each sample, and a line for each cell that does not fit its column's type."""
    values: Values = {}
    problems = []
    for row in sheet.rows:
        by_column = values.setdefault(row.sample, {})
        for column, cell in row.values.items():
            try:
                value = cell_value(column, dtypes[column], cell)
            except ValidationError as error:
                problems.append(f"line {row.line}: {error.message}")
                continue
            several = by_column.setdefault(column, [])
            if value not in several:
                several.append(value)
    return values, problems


def schema_problems(sheet: Samplesheet, dtypes: Mapping[str, Dtype], schema: Schema) -> list[str]:
    """Return what is wrong with the columns of a sheet, those of samples and files among them, a line each.

    Cells that are no values of their types are left to `typed_values`. Raises `MissingExtra`.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("pandas", "curate") from error
    columns = [sheet.sample_column, *sheet.value_columns, *sheet.file_columns]
    rows = []
    for row in sheet.rows:
        cells = {sheet.sample_column: row.sample, **row.files}
        rows.append(cells | _typed(row.values, dtypes))
    table = pandas.DataFrame(rows, columns=columns, index=[row.line for row in sheet.rows])
    table = table.dropna(axis="columns", how="all")
    try:
        DataFrameCurator(table, schema).validate()
    except ValidationError as error:
        lines = [line.strip() for line in error.message.splitlines()[1:]]
        return [line for line in lines if not line.startswith("→")]  # how to mend a data frame
    return []


def _typed(values: Mapping[str, object], dtypes: Mapping[str, Dtype]) -> dict[str, object]:
    typed = {}
    for column, cell in values.items():
        try:
            typed[column] = cell_value(column, dtypes[column], cell)
        except ValidationError:
            continue
    return typed
