"""Facets as anybody may have written them: what is not as the standard has it is as if it were not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Facets = Mapping[str, Any]
_NOTHING: Facets = {}


def object_in(facets: Facets, name: str) -> Facets:
    """The facet, or an empty one where it is missing or no object."""
    value = facets.get(name)
    return value if isinstance(value, dict) else _NOTHING


def text_in(facet: Facets, name: str) -> str | None:
    """A text that is not empty.

    >>> text_in({"name": "a", "empty": "", "number": 1}, "name"), text_in({"number": 1}, "number")
    ('a', None)
    """
    value = facet.get(name)
    return value if isinstance(value, str) and value else None


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects in a list."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
