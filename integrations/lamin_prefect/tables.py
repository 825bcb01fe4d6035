"""Data frames and AnnData: written to the paths that a decorator declares, and checked against a schema."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from lamin_core.errors import InvalidArgument
from lamin_core.storage import formats
from lamin_core.storage.locations import is_remote

_KINDS = {("pandas", "DataFrame"), ("anndata", "AnnData")}


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


def is_table(item: object) -> bool:
    """Whether it is a data frame of pandas or an AnnData; neither is imported.

    >>> is_table([1])
    False
    """
    bases = type(item).__mro__
    return any((base.__module__.partition(".")[0], base.__name__) in _KINDS for base in bases)


def suffix_of(path: str) -> str:
    """The suffix that tells the format.

    >>> suffix_of("a.b/t.csv.gz"), suffix_of("t.parquet")
    ('.csv.gz', '.parquet')
    """
    suffixes = Path(path).suffixes
    double = "".join(suffixes[-2:]).lower()
    return double if double in formats.FORMATS else "".join(suffixes[-1:]).lower()


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


@dataclass(frozen=True, slots=True)
class TableCheck:
    """The check of a table against a schema."""

    schema: str
    """The uid of the schema."""
    problems: str
    """What is wrong with the table; empty where it fits."""


def check(path: str, table: object | None, schema: str) -> TableCheck | None:
    """Return the check of the table against the schema; None for what no schema applies to.

    Args:
        path: Where it is, from where it is read if it is not in memory.
        table: The table, if it is in memory.
        schema: Name or uid of the schema.

    Raises:
        NotFound: There is no such schema.
        LaminError: No instance can be asked, or the file cannot be read.
    """
    if table is None:
        suffix = suffix_of(path)
        file_format = formats.FORMATS.get(suffix)
        if file_format is None or file_format.write is None or not Path(path).exists():
            return None
        table = file_format.load(Path(path))
    return _checked(table, schema) if is_table(table) else None


def _checked(table: Any, schema: str) -> TableCheck:
    # Not at the head: only here is a database needed, and most runs declare no schema.
    import lamin_core as ln

    record = ln.Schema.filter(name=schema).one_or_none() or ln.Schema.get(schema)
    kind = formats.otype(table)
    curator = getattr(ln.curators, f"{kind}Curator")(table, record)
    try:
        curator.validate()
    except ln.errors.ValidationError as error:
        return TableCheck(record.uid, str(error.message))
    return TableCheck(record.uid, "")
