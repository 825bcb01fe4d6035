"""The rows of a new series, version, content, edge and stub, equal for saved records and for events.

Pure functions; whoever calls them decides in how many statements the rows are written. The uids are
made here alone: of a series from what it is, of a version from its series and its number.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from blake3 import blake3

from lamin_core.enums import RunStatus
from lamin_core.uids import derived_uid, run_uid, version_suffix

if TYPE_CHECKING:
    from lamin_core.runtime.parent_context import RunReference

Row = dict[str, object]
TRANSFORM_STEM = 12
"""Characters of a uid that all versions of a transform share."""
ARTIFACT_STEM = 16


@lru_cache(maxsize=20_000)
def artifact_stem(storage_uid: str, key: str) -> str:
    """The stem of all versions under this key of the storage with this uid."""
    return derived_uid(ARTIFACT_STEM, storage_uid, key)


@lru_cache(maxsize=10_000)
def transform_stem(namespace: str, key: str) -> str:
    """The stem of all versions of the transform with this key."""
    return derived_uid(TRANSFORM_STEM, "transform", namespace, key)


def numbered(stem: str, number: int) -> Row:
    """The uid of the version with this number.

    >>> numbered("FPGAyIjGV7xr", 1)
    {'uid': 'FPGAyIjGV7xr0001', 'number': 1}
    """
    return {"uid": stem + version_suffix(number), "number": number}


def content(digest: str, hash_type: str, size: int, n_files: int | None) -> Row:
    """Bytes: a file's, or of `n_files` files a folder's."""
    return {"hash": digest, "hash_type": hash_type, "size": size, "n_files": n_files}


def artifact_series(
    stem: str, storage_id: int, key: str | None, last_observed_at: datetime | None
) -> Row:
    """All versions under one key of a storage."""
    return {
        "stem": stem,
        "storage_id": storage_id,
        "key": key,
        "last_observed_at": last_observed_at,
    }


def transform_series(stem: str, namespace: str, key: str) -> Row:
    """All versions of a transform."""
    return {"stem": stem, "namespace": namespace, "key": key}


class ArtifactSeriesRow(Protocol):
    """The columns of a version that come from its series."""

    id: int
    stem: str
    storage_id: int


def artifact_version(
    series: ArtifactSeriesRow,
    number: int,
    *,
    is_latest: bool,
    key: str | None,
    suffix: str,
    content_id: int | None,
    run_id: int | None,
    created_at: datetime,
    origin: str,
) -> Row:
    """A version of an artifact, in the storage of its series."""
    return {
        **numbered(series.stem, number),
        "series_id": series.id,
        "is_latest": is_latest,
        "storage_id": series.storage_id,
        "key": key,
        "suffix": suffix,
        "content_id": content_id,
        "run_id": run_id,
        "created_at": created_at,
        "origin": origin,
    }


def edge(
    run_id: int | None,
    artifact_id: int,
    series_id: int,
    direction: str,
    *,
    content_id: int | None,
    observed_at: datetime,
    role: str | None,
    origin: str,
) -> Row:
    """A new edge: a run read or wrote a version; without a run, an event described the version."""
    return {
        "run_id": run_id,
        "artifact_id": artifact_id,
        "series_id": series_id,
        "direction": direction,
        "content_id": content_id,
        "observed_at": observed_at,
        "role": role,
        "origin": origin,
    }


def stub(run: RunReference, transform_id: int, at: datetime) -> Row:
    """A run of which only another one spoke, first at this time; its own events will fill it."""
    return {
        "uid": run_uid(run.run_id),
        "external_id": run.run_id,
        "origin": "stub",
        "engine": run.namespace[:64],
        "cached": False,
        "attempt": 1,
        "status": str(RunStatus.SCHEDULED),  # nobody has said that it runs
        "created_at": at,
        "transform_id": transform_id,
    }


def feature_value(feature_id: int, value: Any, position: int, origin: str) -> Row:
    """A value of a feature, as `validated` gives it; `position` is its place in a list.

    >>> row = feature_value(3, 21.5, 0, "event")
    >>> row["number"], row["string"]
    (21.5, None)
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return {
        "feature_id": feature_id,
        "position": position,
        "value": value,
        "number": float(value) if isinstance(value, bool | int | float) else None,
        "string": value if isinstance(value, str) else None,
        "hash": blake3(text.encode()).hexdigest()[:22],
        "origin": origin,
    }
