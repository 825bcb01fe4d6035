"""Records as JSON: the fields of each registry and their names. Fields may be added; existing ones stay."""

from __future__ import annotations

from typing import Any

from lamin_core.errors import Conflict

_VERSIONED = {"uid": "uid", "key": "key", "version": "version", "is_latest": "is_latest"}
_SAID = {
    "description": "description",
    "created_by": "created_by.handle",
    "created_at": "created_at",
}
_CALLED = {"uid": "uid", "name": "name"}
_AT = {"created_at": "created_at"}

FIELDS: dict[str, dict[str, str]] = {
    "Artifact": {
        **_VERSIONED,
        "kind": "kind",
        "suffix": "suffix",
        "otype": "otype",
        "hash": "hash",
        "hash_type": "hash_type",
        "size": "size",
        "n_files": "n_files",
        "path": "path",
        "run": "run.uid",
        "transform": "transform.uid",
        **_SAID,
    },
    "Collection": {
        **_VERSIONED,
        "hash": "hash",
        "run": "run.uid",
        "description": "description",
        **_AT,
    },
    "Environment": {
        "uid": "uid",
        "hash": "hash",
        "python": "python",
        "platform": "platform",
        **_AT,
    },
    "Feature": {**_CALLED, "dtype": "dtype", "unit": "unit", "description": "description", **_AT},
    "Project": {**_CALLED, "abbr": "abbr", "url": "url", "description": "description", **_AT},
    "Record": {
        **_CALLED,
        "type": "type.name",
        "is_type": "is_type",
        "description": "description",
        **_AT,
    },
    "Reference": {
        **_CALLED,
        "abbr": "abbr",
        "url": "url",
        "doi": "doi",
        "description": "description",
        **_AT,
    },
    "Run": {
        "uid": "uid",
        "external_id": "external_id",
        "name": "name",
        "transform": "transform.uid",
        "transform_key": "transform.key",
        "engine": "engine",
        "parent": "parent.uid",
        "status": "status",
        "cached": "cached",
        "attempt": "attempt",
        "started_at": "started_at",
        "finished_at": "finished_at",
        "params": "params",
        "error": "error",
        "created_by": "created_by.handle",
    },
    "Schema": {**_CALLED, "otype": "otype", "hash": "hash", **_AT},
    "Storage": {"uid": "uid", "root": "root", "type": "type", "is_managed": "is_managed", **_AT},
    "Transform": {
        **_VERSIONED,
        "kind": "kind",
        "namespace": "namespace",
        "language": "language",
        "hash": "hash",
        "reference": "reference",
        "reference_type": "reference_type",
        **_SAID,
    },
    "ULabel": {
        **_CALLED,
        "type": "type.name",
        "is_type": "is_type",
        "description": "description",
        **_AT,
    },
    "User": {"uid": "uid", "handle": "handle", "name": "name", **_AT},
}


def shape(record: Any) -> dict[str, Any]:
    """The record's fields, as `lamin list --json` and `lamin get --json` print them."""
    return {name: _walk(record, path) for name, path in FIELDS[type(record).__name__].items()}


def _walk(record: Any, path: str) -> Any:
    """
    >>> from types import SimpleNamespace as Thing
    >>> _walk(Thing(run=Thing(uid="r1")), "run.uid"), _walk(Thing(run=None), "run.uid")
    ('r1', None)
    """
    for name in path.split("."):
        if record is None:
            return None
        try:
            record = getattr(record, name)
        except (
            Conflict
        ):  # the path of what is said to lie outside of its storage, as `lamin fsck` tells
            return None
    return record


_ANNOTATED: dict[str, tuple[str, ...]] = {
    "Artifact": ("features", "ulabels", "projects"),
    "Run": ("features", "ulabels", "projects"),
    "Record": ("features",),
    "Transform": ("ulabels", "projects"),
    "Collection": ("ulabels",),
}


def annotated(record: Any) -> dict[str, Any]:
    """The same with the labels and values of features, if its registry has them."""
    values = {name: _annotation(record, name) for name in _ANNOTATED.get(type(record).__name__, ())}
    return {**shape(record), **values}


def _annotation(record: Any, name: str) -> Any:
    return (
        record.features.get_values()
        if name == "features"
        else [item.name for item in getattr(record, name)]
    )
