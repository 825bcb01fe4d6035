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


def labels(facets: Facets) -> tuple[tuple[str, str], ...] | None:
    """Key and value of each tag; tags of single columns are no labels of the whole. None where nobody spoke of tags.

    >>> labels({"tags": {"tags": [{"key": "team", "value": "core"}, {"key": "pii", "field": "name"}]}})
    (('team', 'core'),)
    """
    if "tags" not in facets:
        return None
    return tuple(
        sorted(
            {
                (str(row["key"]), row["value"] if isinstance(row.get("value"), str) else "")
                for row in objects(object_in(facets, "tags").get("tags"))
                if text_in(row, "key") and not row.get("field")
            }
        )
    )


def owner(facets: Facets) -> str | None:
    """The first owner that is named."""
    named = (text_in(row, "name") for row in objects(object_in(facets, "ownership").get("owners")))
    return next((name for name in named if name), None)
