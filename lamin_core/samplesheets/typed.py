"""The cells of a samplesheet as values of features: their types, and what does not fit them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lamin_core.errors import ValidationError
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
