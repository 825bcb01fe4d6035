"""Params, config and details of a workflow as JSON, however large."""

from __future__ import annotations

import enum
from typing import Any

from lamin_core.runtime.json_values import JsonConverter
from lamin_snakemake.source import without_addresses


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
