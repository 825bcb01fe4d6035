"""Read terms out of a file or URL that a user names: OBO and OWL by pronto, tables by the standard library."""

from __future__ import annotations

import csv
import tempfile
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from lamin_core.errors import InvalidArgument, MissingExtra, NotFound, Unavailable, ValidationError
from lamin_core.ontology.shelf import TermRow

if TYPE_CHECKING:
    from pronto.term import Term

_GRAPHS = (".obo", ".owl", ".json")
_TABLES = {".tsv": "\t", ".txt": "\t", ".csv": ","}
_TIMEOUT = 60
"""Seconds to wait for an answer."""


def terms_in(location: str, fields: Sequence[str]) -> list[TermRow]:
    """Return the terms in this file, which have a name each and no circles of parents.

    `fields` are those that a table may have as columns. Raises `NotFound`, `Unavailable`,
    `InvalidArgument` for a format that is not read, and `ValidationError` for a broken file.
    """
    suffix = Path(location.partition("?")[0]).suffix.lower()
    if suffix not in (*_GRAPHS, *_TABLES):
        formats = ", ".join([*_GRAPHS, *_TABLES])
        raise InvalidArgument(f"not a format of terms: {location!r}", hint=f"one of {formats}")
    with _local(location, suffix) as path:
        rows = (
            _table(path, location, _TABLES[suffix], fields)
            if suffix in _TABLES
            else _graph(path, location)
        )
    check_acyclic(rows, location)
    return rows


@contextmanager
def _local(location: str, suffix: str) -> Iterator[Path]:
    if "://" not in location:
        path = Path(location).expanduser()
        if not path.is_file():
            raise NotFound(f"no file {location!r}", hint="name an OBO, OWL, TSV or CSV file")
        yield path
        return
    if not location.startswith(("http://", "https://")):
        raise InvalidArgument(f"not a URL of a file: {location!r}", hint="http:// or https://")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"terms{suffix}")
        try:
            with urllib.request.urlopen(location, timeout=_TIMEOUT) as answer:  # noqa: S310 - http alone
                path.write_bytes(answer.read())
        except (urllib.error.URLError, OSError) as error:
            raise Unavailable(
                f"cannot read {location!r}: {error}", hint="download it, and name the file"
            ) from error
        yield path


def _graph(path: Path, location: str) -> list[TermRow]:
    try:
        from pronto.ontology import Ontology
    except ImportError as error:
        raise MissingExtra("pronto", "ontology") from error
    try:
        with warnings.catch_warnings(), path.open("rb") as handle:
            warnings.simplefilter("ignore")  # of relations that we do not read
            graph = Ontology(handle, import_depth=0, threads=1)
            rows = [_term(term) for term in graph.terms() if term.name]
    except Exception as error:  # the parser raises what its grammar does, of several types
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValidationError(
            f"cannot read {location!r}: {reason}", hint="is it complete, and OBO or OWL?"
        ) from error
    if not rows:
        raise ValidationError(f"no terms in {location!r}", hint="is it OBO or OWL?")
    return rows


def _term(term: Term) -> TermRow:
    parents = [other.id for other in term.superclasses(distance=1, with_self=False)]
    synonyms = sorted(synonym.description for synonym in term.synonyms)
    replacing = sorted(other.id for other in term.replaced_by)
    return {
        "ontology_id": term.id,
        "name": term.name,
        "synonyms": "|".join(dict.fromkeys(synonyms)) or None,
        "description": None if term.definition is None else str(term.definition),
        "parents": "|".join(parents) or None,
        "is_obsolete": int(bool(term.obsolete)),
        "replaced_by": replacing[0] if replacing else None,
    }


def _table(path: Path, location: str, delimiter: str, fields: Sequence[str]) -> list[TermRow]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
            columns = [name for name in reader.fieldnames or () if name in fields]
            rows: list[TermRow] = [{name: row[name] or None for name in columns} for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValidationError(
            f"cannot read {location!r}: {error}", hint="is it a table in UTF-8?"
        ) from error
    if not {"name", "symbol"} & set(columns) or not rows:
        raise ValidationError(
            f"no terms in {location!r}",
            hint=f"columns may be {', '.join(fields)}; a name is required",
        )
    for row in rows:
        row.setdefault("name", row.get("symbol"))
        row["is_obsolete"] = int(row.get("is_obsolete") not in (None, "0", "False", "false"))
    return [row for row in rows if row["name"]]


def check_acyclic(rows: Iterable[TermRow], location: str) -> None:
    """Raise `ValidationError` where a term is above itself, with the circle."""
    graph = {row["ontology_id"]: row["parents"].split("|") for row in rows if row.get("parents")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " < ".join(error.args[1])
        raise ValidationError(
            f"terms of {location!r} are above themselves: {circle}",
            hint="remove one of these parents",
        ) from error
