"""Read terms out of what the packages carry: JSON of the Cell by Gene ontologies, the table of HGNC."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamin_core.errors import MissingExtra, ValidationError
from lamin_core.ontology import catalog
from lamin_core.ontology.catalog import Ontology
from lamin_core.ontology.organisms import COMMON
from lamin_core.ontology.shelf import TermRow

_CHUNK = 1 << 20
"""Bytes of text that are in memory at a time: NCBITaxon has 844 MB."""


def terms_of(ontology: Ontology, version: str) -> Iterator[TermRow]:
    """Yield the terms of an ontology that a package carries. Raises `MissingExtra` and `ValidationError`."""
    if ontology.package == catalog.COMMON:
        return _common()
    file = catalog.data_file(ontology, version)
    return _hgnc(file) if ontology.package == catalog.HGNC else _cellxgene(ontology, file)


def _common() -> Iterator[TermRow]:
    for name, (scientific, identifier) in COMMON.items():
        yield {
            "ontology_id": identifier,
            "name": name,
            "scientific_name": scientific,
            "synonyms": scientific,
        }


def _hgnc(file: Path) -> Iterator[TermRow]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            aliases = [*row["alias_symbol"].split("|"), *row["prev_symbol"].split("|")]
            yield {
                "ontology_id": row["hgnc_id"],
                "symbol": row["symbol"],
                "name": row["symbol"],
                "description": row["name"],
                "synonyms": "|".join(dict.fromkeys(filter(None, aliases))) or None,
                "biotype": row["locus_group"] or None,
                "ensembl_gene_id": row["ensembl_gene_id"] or None,
                "stable_id": None,
                "ncbi_gene_ids": row["entrez_id"] or None,
            }


def _cellxgene(ontology: Ontology, file: Path) -> Iterator[TermRow]:
    for identifier, term in _members(file):
        label = term.get("label")
        if not label or not label.endswith(ontology.ends):
            continue
        identifier = identifier.removeprefix("uniprot:")
        ancestors = term.get("ancestors") or {}
        is_protein = ontology.entity == "Protein"
        yield {
            "ontology_id": None if is_protein else identifier,
            "uniprotkb_id": identifier,
            "scientific_name": label,
            "name": label,
            "synonyms": "|".join(term.get("synonyms") or ()) or None,
            "description": term.get("description"),
            "parents": "|".join(name for name, steps in ancestors.items() if steps == 1) or None,
            "is_obsolete": int(bool(term.get("deprecated"))),
            "replaced_by": term.get("replaced_by"),
        }


def _members(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The members of a JSON object, one after another, from a file that is compressed."""
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtra("zstandard", "ontology") from error
    try:
        with (
            file.open("rb") as compressed,
            zstandard.ZstdDecompressor().stream_reader(compressed) as stream,
        ):
            yield from members(io.TextIOWrapper(stream, "utf-8"))
    except (zstandard.ZstdError, OSError, ValueError) as error:
        raise ValidationError(
            f"cannot read {str(file)!r}: {error}", hint="install its package again"
        ) from error


def members(text: io.TextIOBase) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the members of a JSON object, one after another. Raises `ValueError` for what is none.

    >>> list(members(io.StringIO('{"a": {"n": 1}, "b": {}}')))
    [('a', {'n': 1}), ('b', {})]
    """
    decoder = json.JSONDecoder()
    buffer, position = text.read(_CHUNK).lstrip().removeprefix("{"), 0
    while True:
        try:
            name, after = decoder.raw_decode(buffer, _skipped(buffer, position))
            value, after = decoder.raw_decode(buffer, _skipped(buffer, after))
        except ValueError:
            rest = buffer[position:]
            if rest.strip(" \n\r\t,") == "}":
                return
            chunk = text.read(_CHUNK)
            if not chunk:
                raise ValueError("the file ends within a term") from None
            buffer, position = rest + chunk, 0
            continue
        yield name, value
        position = after


def _skipped(buffer: str, position: int) -> int:
    """The place of the next value: after blanks, a comma and a colon."""
    while position < len(buffer) and buffer[position] in " \n\r\t,:":
        position += 1
    return position
