"""Search in public ontologies: terms that contain all words, ranked by position; otherwise similar spellings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from lamin_core.models.checks import text_argument
from lamin_core.ontology.shelf import Shelf, TermRow

_CANDIDATES = 5_000
"""How many terms are ranked at most."""


def ranked(shelf: Shelf, string: str, fields: Sequence[str], limit: int) -> list[TermRow]:
    """Return the terms that fit best; the first field is the name."""
    text_argument(string, "a string to search", 'search("T cell")')
    words = string.lower().split()
    if not words:
        return []
    text = " || ' ' || ".join(f"lower(coalesce({field}, ''))" for field in fields)
    holds = " AND ".join(f"instr({text}, ?)" for _ in words)
    rows = shelf.read(f"{holds} AND coalesce(is_obsolete, 0) = 0", words, _CANDIDATES)
    if not rows:
        return _nearly(shelf, string, fields[0], limit)
    needle = " ".join(words)
    rows.sort(key=lambda row: _rank(row, needle, words, fields))
    return rows[:limit]


def _rank(row: TermRow, needle: str, words: list[str], fields: Sequence[str]) -> tuple[object, ...]:
    name = (row[fields[0]] or "").lower()
    synonyms = (row.get("synonyms") or "").lower().split("|")
    if name == needle or needle in synonyms:
        rank = 0 if name == needle else 1
    elif name.startswith(needle):
        rank = 2
    elif needle in name:
        rank = 3 if re.search(rf"\b{re.escape(needle)}", name) else 4
    else:
        rank = 5 if all(word in name for word in words) else 6
    return (rank, len(name), name)


def _nearly(shelf: Shelf, string: str, field: str, limit: int) -> list[TermRow]:
    names = [
        row[0]
        for row in shelf.columns(
            field, where=f"{field} IS NOT NULL AND coalesce(is_obsolete, 0) = 0"
        )
    ]
    letter, length = string[:1].lower(), len(string)
    likely = [
        name
        for name in names
        if name[:1].lower() == letter and abs(len(name) - length) <= length // 2
    ]
    near = difflib.get_close_matches(string, likely, n=limit, cutoff=0.7)
    rows = {row[field]: row for row in shelf.among(field, near)}
    return [rows[name] for name in near]
