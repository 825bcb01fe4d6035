"""Events with megabytes in them: hashed without a second copy, and of their largest facets only a mark is kept.

The raw log has the event as it came. What is folded, remembered and written with runs leaves out what nothing reads:
a facet above `LARGE` characters that becomes no field of the registry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from blake3 import blake3

LARGE = 1_000_000
"""Characters of JSON above which a facet is in the raw log alone."""
OMITTED = "lamin_omitted"
"""Stands in the place of what was left out: the hash of the event that has it, and how large it is at least."""
_FIELDS = {
    *("parent", "processing_engine", "lamin_run", "executionParameters", "errorMessage", "jobDependencies", "tags"),
    *("environmentVariables", "nominalTime", "sourceCode", "sql", "sourceCodeLocation", "jobType", "documentation"),
    *("ownership", "schema", "lamin_artifact", "version", "symlinks", "lifecycleStateChange", "outputStatistics"),
    *("columnLineage", "lamin_environment", "lamin_process", "lamin_storage"),
}
"""The facets that become something: they are taken however large they are."""
HEAD = ("_producer", "_schemaURL", "_deleted")
"""What a mark keeps of the facet."""
_SLICE, _ROWS, _DEPTH = 1 << 20, 1_000, 6


def canonical_hash(value: Any, size: int) -> str:
    """The hash of the value's canonical JSON; `size` is that of its text.

    >>> value = {"b": ["x" * 3, 1.5, None], "a": {}}
    >>> canonical_hash(value, 10) == canonical_hash(value, 2 * LARGE)
    True
    """
    state = blake3()
    for piece in pieces_of(value) if size > LARGE else (canonical(value),):
        state.update(piece.encode())
    return state.hexdigest()


def canonical(value: Any) -> str:
    """The JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def pieces_of(value: Any, depth: int = 0) -> Iterator[str]:
    """The canonical JSON of the value, a megabyte or so at a time."""
    if isinstance(value, str):
        yield '"'
        yield from (canonical(value[at : at + _SLICE])[1:-1] for at in range(0, len(value), _SLICE))
        yield '"'
    elif isinstance(value, dict) and depth < _DEPTH:
        for number, name in enumerate(sorted(value)):
            yield f"{',' if number else '{'}{canonical(name)}:"
            yield from pieces_of(value[name], depth + 1)
        yield "}" if value else "{}"
    elif isinstance(value, list) and depth < _DEPTH:
        yield "["
        yield from _items(value, depth)
        yield "]"
    else:
        yield canonical(value)


def _items(values: list[Any], depth: int) -> Iterator[str]:
    for start in range(0, len(values), _ROWS):
        yield "," if start else ""
        if len(values) > _ROWS:
            yield canonical(values[start : start + _ROWS])[1:-1]
            continue
        for number, value in enumerate(values):
            yield "," if number else ""
            yield from pieces_of(value, depth + 1)


def without_large(event: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """The event (of this hash) with marks in the place of its large facets."""
    reduced = dict(event)
    for name in ("run", "job", "dataset"):
        if name in reduced:
            reduced[name] = _without(reduced[name], digest)
    for side in ("inputs", "outputs"):
        if isinstance(reduced.get(side), list):
            reduced[side] = [_without(dataset, digest) for dataset in reduced[side]]
    return reduced


def _without(entity: Any, digest: str) -> Any:
    if not isinstance(entity, dict):
        return entity
    groups = {name: entity[name] for name in ("facets", "inputFacets", "outputFacets") if name in entity}
    return entity | {
        group: {name: _marked(name, facet, digest) for name, facet in facets.items()}
        for group, facets in groups.items()
        if isinstance(facets, dict)
    }


def _marked(name: str, facet: Any, digest: str) -> Any:
    if not isinstance(facet, dict) or not is_left_out(name, _weight(facet, LARGE), LARGE):
        return facet
    return placeholder({member: facet[member] for member in HEAD if member in facet}, digest, LARGE)


def is_left_out(name: str, size: int, limit: int) -> bool:
    """Whether a facet of this name and size is in the raw log alone."""
    return size > limit and name not in _FIELDS


def placeholder(head: Mapping[str, Any], digest: str, limit: int) -> dict[str, Any]:
    """What stands for a facet that the event of this hash has."""
    return {**head, OMITTED: {"event": digest, "more_than": limit}}


def _weight(value: Any, enough: int) -> int:
    """About how many characters its JSON has; not counted further than `enough`."""
    weight, pending = 0, [value]
    while pending and weight <= enough:
        item = pending.pop()
        if isinstance(item, dict):
            pending += item.values()
            weight += sum(map(len, item)) + 4 * len(item)
        elif isinstance(item, list):
            pending += item
            weight += len(item)
        else:
            weight += len(item) + 2 if isinstance(item, str) else 4
    return weight
