"""Params, config, details and benchmark tables of a workflow as JSON."""

from __future__ import annotations

import csv
import enum
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from lamin_core.runtime.json_values import JsonConverter
from lamin_snakemake.source import without_addresses

_LARGEST = 1 << 20
_ROWS = 100


class _Converter(JsonConverter):
    def enumeration(self, value: enum.Enum, depth: int) -> Any:
        return value.value if isinstance(value, int | float) else self.other(value, depth)

    def text(self, value: str) -> str:
        return str(value)  # Snakemake's own kinds of string, too

    def is_within(self, value: Any, depth: int) -> bool:
        return True

    def other(self, value: Any, depth: int) -> Any:
        return without_addresses(str(value))


def plain(value: Any) -> Any:
    """Return the value as JSON; a value that JSON does not have as its text.

    >>> plain({"a": (1, 2.5, None), "b": float("nan"), 3: {"x"}})
    {'a': [1, 2.5, None], 'b': 'nan', '3': ['x']}
    """
    return _Converter().convert(value, 0)


def params_by_name(items: Iterable[tuple[str | None, Any]]) -> dict[str, Any]:
    """Return params as JSON: named ones by name, the others as they are written in a rule.

    >>> params_by_name([(None, "first"), ("word", "hello")])
    {'params[0]': 'first', 'word': 'hello'}
    """
    values: dict[str, Any] = {}
    position = 0
    for name, value in items:
        values[name or f"params[{position}]"] = plain(value)
        position += len(value) if name and type(value).__name__ == "Namedlist" else 1
    return values


def benchmark_rows(path: str) -> list[dict[str, Any]]:
    """Return the rows of a benchmark table (TSV or JSON Lines), at most a hundred, with their numbers as numbers.

    Empty where it cannot be read.

    >>> benchmark_rows("/no/such/table.tsv")
    []
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read(_LARGEST).splitlines()[: _ROWS + 1]
        if path.endswith(".jsonl"):
            return [json.loads(line) for line in lines[:_ROWS]]
        rows = csv.DictReader(lines, delimiter="\t")
        return [{name: _number(value) for name, value in row.items() if name} for row in rows]
    except (OSError, ValueError):
        return []


def benchmark_features(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return each column of numbers of a benchmark table as a feature, `benchmark_` before Snakemake's name of it.

    Of several repetitions it is the median. Units are those of Snakemake: seconds, and mebibytes.

    >>> benchmark_features([{"s": 0.5, "h:m:s": "0:00:00"}, {"s": 1.5, "max_rss": None}])
    {'benchmark_s': 1.0}
    """
    columns: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            if type(value) in (int, float) and math.isfinite(value) and name != "jobid":
                columns[f"benchmark_{name}"].append(float(value))
    return {name: median(values) for name, values in columns.items()}


def _number(text: str) -> float | str | None:
    """The number in a cell; its text where there is none, None for `NA` and `-`.

    >>> _number("0.5"), _number("0:00:01"), _number("NA")
    (0.5, '0:00:01', None)
    """
    if text in ("NA", "-", "", None):
        return None
    try:
        return float(text)
    except ValueError:
        return text
