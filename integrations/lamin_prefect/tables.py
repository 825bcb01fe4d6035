"""Data frames and AnnData, written to the paths that a decorator declares."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from lamin_core.errors import InvalidArgument
from lamin_core.storage import formats
from lamin_core.storage.locations import is_remote
from openlineage.lamin.adapter.table_checks import is_table, suffix_of


def tables_for(paths: Sequence[str], result: object) -> Mapping[str, object]:
    """Return which part of a result belongs to which path: the result itself, or one item of it for each path.

    Only tables that a file of this suffix can hold; a URL is written to by nobody here.

    >>> tables_for(["a.parquet"], "no table")
    {}
    """
    items = list(result) if isinstance(result, tuple | list) else [result]
    if len(items) != len(paths):
        return {}
    return {path: item for path, item in zip(paths, items, strict=True) if _fits(item, path)}


def _fits(item: object, path: str) -> bool:
    if not is_table(item) or is_remote(path):
        return False
    try:
        return bool(formats.suffix_for(item, path, suffix_of(path)))
    except InvalidArgument:
        return False


def write(path: str, table: object) -> None:
    """Write the table there, whole or not at all. Raises `OSError`, or `InvalidArgument` where it cannot be written."""
    target, suffix = Path(path), suffix_of(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if suffix.endswith(".zarr"):  # a folder, which takes the place of none that is there
        formats.write(table, target, suffix)
        return
    beside = target.with_name(f".{uuid4().hex}{suffix}")
    try:
        formats.write(table, beside, suffix)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
