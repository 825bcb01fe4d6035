"""Events without secrets: all data from events, and all events of adapters, pass through this module.

What identifies something is treated apart: two datasets stay two, and credentials are no part of a
name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lamin_core.errors import LaminError
from lamin_core.runtime.redaction import redact, redact_strings, redact_text
from lamin_core.runtime.settings import settings
from openlineage.lamin.emit.naming import public_name, public_namespace

logger = logging.getLogger("lamin")
_LONG = 20_000
"""Characters of a text that is remembered."""
_ENTITIES = ("run", "job", "dataset")
_SIDES = ("inputs", "outputs")
_GROUPS = ("facets", "inputFacets", "outputFacets")
_BY_COLUMN = {"columnLineage", "dataQualityMetrics", "dataQualityAssertions", "schema"}
"""Facets whose names are those of columns: a column called `password` shows no password."""


def redact_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event with every secret in it masked; the event itself stays as it is.

    >>> event = redact_event({"job": {"namespace": "postgres://ann:hunter2@db", "name": "load --token=abc"}})
    >>> event["job"]
    {'namespace': 'postgres://db', 'name': 'load --token=***'}
    """
    masked = dict(event)
    for field in _ENTITIES:
        if isinstance(event.get(field), dict):
            masked[field] = redact_entity(field, event[field])
    return redact_datasets(masked)


def redact_datasets(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event with every secret in its inputs and outputs masked, and the rest as it is."""
    masked = dict(event)
    for side in _SIDES:
        datasets = event.get(side)
        if isinstance(datasets, list):
            masked[side] = [redact_entity("dataset", dataset) for dataset in datasets]
    return masked


def is_log_redacted() -> bool:
    """Whether secrets are masked in the raw log as well: the setting `redact_events`; a wrong value counts as yes."""
    try:
        return bool(settings.redact_events)
    except LaminError as error:
        logger.warning("%s; secrets in events are masked", error.message)
        return True


def redact_entity(field: str, entity: Any) -> Any:
    """Return the run, job or dataset (`field`) with every secret in it masked."""
    if not isinstance(entity, dict):
        return entity
    masked = entity | _identity(field, entity)
    for group in _GROUPS:
        facets = entity.get(group)
        if isinstance(facets, dict):
            masked[group] = redact_facets(facets)
    return masked


def redact_facets(facets: Mapping[str, Any]) -> dict[str, Any]:
    """Return these facets with every secret in them masked."""
    return {name: _facet(name, facet) for name, facet in facets.items()}


def redact_entry(name: str, value: Any) -> Any:
    """Return the value of this name in a facet with every secret in it masked."""
    return redact(value, name, _identity)


def _facet(name: str, facet: Any) -> Any:
    if name in _BY_COLUMN:
        return redact_strings(facet) if name != "columnLineage" else _column_lineage(facet)
    if isinstance(facet, dict) and all(map(_is_plain, facet.values())):
        return dict(_plain_facet(tuple(facet.items())))
    return redact(facet, "", _identity)


def _is_plain(value: object) -> bool:
    """Whether it is a short text or a whole number; `True` is neither, although it is equal to 1."""
    return len(value) <= _LONG if type(value) is str else type(value) is int


@lru_cache(maxsize=200)
def _plain_facet(items: tuple[tuple[str, object], ...]) -> Mapping[str, Any]:
    """A facet of plain values, masked: the events of a workflow repeat what is said of its jobs."""
    masked: dict[str, Any] = redact(dict(items), "", _identity)
    return masked


def _column_lineage(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _column_lineage(item) for name, item in value.items()} | _identity(
            "dataset", value
        )
    if isinstance(value, list):
        return [_column_lineage(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def _identity(field: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The namespace and name in this mapping, if it has both."""
    namespace, name = value.get("namespace"), value.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str):
        return {}
    shown = redact_text(name) if field == "job" else public_name(namespace, name)
    return {"namespace": public_namespace(namespace), "name": shown}
