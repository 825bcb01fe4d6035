"""Validation of data frames and AnnData that a job writes, with a schema of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lamin_core.errors import InvalidArgument, ValidationError
from lamin_core.storage import formats

if TYPE_CHECKING:
    from lamin_core.models import Schema

_KINDS = {("pandas", "DataFrame"), ("anndata", "AnnData")}


@dataclass(frozen=True, slots=True)
class TableCheck:
    """The result of validating a table with a schema."""

    schema: str
    """The uid of the schema."""
    problems: str
    """The problems of the table; empty if it is valid."""

    @property
    def features(self) -> dict[str, str]:
        """The result as values of features, by the names that `ln.curators.check` uses.

        >>> TableCheck("0123456789abcdef", "").features
        {'schema_check': 'passed'}
        """
        if not self.problems:
            return {"schema_check": "passed"}
        return {"schema_check": "failed", "schema_problems": self.problems}

    @property
    def fitting_schema(self) -> str | None:
        """The uid of the schema if the table is valid."""
        return None if self.problems else self.schema


def is_table(item: object) -> bool:
    """Whether it is a data frame of pandas or an AnnData; neither is imported.

    >>> is_table([1])
    False
    """
    bases = type(item).__mro__
    return any((base.__module__.partition(".")[0], base.__name__) in _KINDS for base in bases)


def suffix_of(path: str) -> str:
    """The suffix that determines the format.

    >>> suffix_of("a.b/t.csv.gz"), suffix_of("t.parquet")
    ('.csv.gz', '.parquet')
    """
    suffixes = Path(path).suffixes
    double = "".join(suffixes[-2:]).lower()
    return double if double in formats.FORMATS else "".join(suffixes[-1:]).lower()


def may_be_a_table(path: str) -> bool:
    """Whether files of this suffix hold tables.

    >>> may_be_a_table("a.parquet"), may_be_a_table("a.bam")
    (True, False)
    """
    file_format = formats.FORMATS.get(suffix_of(path))
    return file_format is not None and file_format.write is not None


def check(path: str, table: object | None, schema: str) -> TableCheck | None:
    """Return the result of validating the table with the schema; None if it is not a table.

    A file that cannot be read as what its suffix says does not fit.

    Args:
        path: Where it is, from where it is read if it is not in memory.
        table: The table, if it is in memory.
        schema: Name or uid of the schema.

    Raises:
        NotFound: There is no such schema.
        LaminError: No instance can be asked, or a library is missing.
    """
    if table is None and not (may_be_a_table(path) and Path(path).exists()):
        return None
    if table is not None and not is_table(table):
        return None
    record = _schema_named(schema)
    try:
        loaded = _read(path) if table is None else table
    except InvalidArgument as error:
        return TableCheck(record.uid, str(error.message))
    return TableCheck(record.uid, _problems(loaded, record)) if is_table(loaded) else None


def _schema_named(name: str) -> Schema:
    # Not at the head: only here is a database needed, and most runs declare no schema.
    import lamin_core as ln

    return ln.Schema.filter(name=name).one_or_none() or ln.Schema.get(name)


def _read(path: str) -> object:
    suffix = suffix_of(path)
    with formats.understood(path, suffix):
        return formats.FORMATS[suffix].load(Path(path))


def _problems(table: object, schema: Schema) -> str:
    import lamin_core as ln

    curator = getattr(ln.curators, f"{formats.otype(table)}Curator")(table, schema)
    try:
        curator.validate()
    except ValidationError as error:
        return str(error.message)
    return ""
