"""Search: the database finds candidates by trigrams, Python ranks them; the same on both databases.

A word with a typo is still right in one of its halves, or in both of its outer parts: so candidates
for it are the rows that hold those, which an index of trigrams finds without reading the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CompoundSelect,
    Select,
    Text,
    and_,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    union_all,
)
from sqlalchemy.orm import Session

from lamin_core.models import Note
from lamin_core.models import search as index
from lamin_core.models.note import note_of
from lamin_core.models.record_kinds import Versioned
from lamin_core.query import coercion, sql_functions
from lamin_core.query.operators import OPERATORS, Condition
from lamin_core.query.validation import field_name

CANDIDATES = 500
"""How many rows are ranked at most, the newest of those that fit; rows that begin with the string come beside."""
NEAR = 100
"""How many rows of each registry are looked at more closely for a typo, where several are searched at once."""
SMALL = 2_000
"""A registry with no more rows than this is ranked whole."""


@dataclass(frozen=True)
class _Row:
    id: int
    name: str
    rest: str


def ranked(
    session: Session,
    registry: type[Any],
    query: Select[Any],
    string: str,
    field: object,
    limit: int | None,
) -> list[int]:
    """The primary keys of what fits best, best first."""
    string = coercion.text(string).strip()
    needle = string.lower()
    words = needle.split()
    if not words:
        return []
    if issubclass(registry, Versioned):
        query = query.where(registry.is_latest)  # type: ignore[attr-defined]
    places = [field_name(registry, field)] if field is not None else list(registry._search_fields)
    source = _Source(session, registry, query, places)
    most = CANDIDATES if limit is None else max(limit, CANDIDATES)
    scored = {
        row.id: score
        for row in source.exact(string, words, most)
        if (score := _score(row, needle, words))
    }
    if not scored:
        parts = list(_tokens(needle))  # a path is as many words as it has parts
        scored = {
            row.id: score
            for row in source.near(parts, most)
            if (score := _score(row, needle, parts))
        }
    best = sorted(scored, key=lambda identity: scored[identity])
    return best if limit is None else best[:limit]


class _Source:
    """The rows of a registry, and how to find those that hold a piece of text."""

    def __init__(
        self, session: Session, registry: type[Any], query: Select[Any], places: list[str]
    ) -> None:
        self._session = session
        self._registry = registry
        self._columns = [getattr(registry, name) for name in places]
        self._query = query.with_only_columns(registry.id, *self._columns).order_by(
            registry.id.desc()
        )
        covered = index.SEARCHED.get(registry.__tablename__, ())
        self._is_indexed = set(places) <= set(covered)
        self._dialect = session.get_bind().dialect.name

    def exact(self, string: str, words: list[str], most: int) -> Iterator[_Row]:
        """Rows with all of the words in them; those that are called so, or begin so, before others."""
        name = self._columns[0]
        yield from self._rows(OPERATORS["exact"](name, string), most)
        yield from self._rows(OPERATORS["startswith"](name, string), most)
        yield from self._rows(and_(*(self._holds(word) for word in words)), most)

    def near(self, words: list[str], most: int) -> Iterator[_Row]:
        """Rows that may have the words with a typo in them; all rows of a small registry."""
        if not words:
            return
        count = self._session.scalar(
            select(func.count()).select_from(self._query.limit(SMALL + 1).subquery())
        )
        if (count or 0) <= SMALL:
            yield from self._rows(None, SMALL)
            return
        yield from self._rows(self.nearly(words), most)

    def exact_parts(self, kind: str, string: str, words: list[str], most: int) -> list[Select[Any]]:
        """Statements for what `exact` gives: to be asked together with those of other registries."""
        name = self._columns[0]
        return [
            self.part(kind, OPERATORS["startswith"](name, string), most),
            self.part(kind, and_(*(self._holds(word) for word in words)), most),
        ]

    def part(self, kind: str, condition: Condition, most: int) -> Select[Any]:
        """Kind, uid, primary key, name and other texts of the newest rows for which this holds."""
        return self._selected(self._query, self._columns, kind, condition, most)

    def noted_part(self, kind: str, words: list[str], most: int) -> Select[Any]:
        """The same of rows with all of the words in the note that somebody has written on them."""
        query = self._query.join(Note, note_of(self._registry))
        # Ordered by its own key, every row of a large registry would be looked up among the few notes.
        query = query.order_by(None).order_by(Note.updated_at.desc())
        condition = and_(*(OPERATORS["icontains"](Note.text, word) for word in words))
        return self._selected(query, [*self._columns, Note.text], kind, condition, most)

    def _selected(
        self, query: Select[Any], columns: list[Any], kind: str, condition: Condition, most: int
    ) -> Select[Any]:
        name, *others = columns
        rest: Any = literal("")
        for text in others:
            rest = rest + " " + func.coalesce(text, "")
        query = query.with_only_columns(
            literal(kind, Text()).label("kind"),
            self._registry.uid,
            self._registry.id,
            cast(name, Text()).label("name"),
            cast(rest, Text()).label("rest"),
        )
        rows = query.where(condition).limit(most).subquery()
        return select(rows)

    def nearly(self, words: list[str]) -> Condition:
        """The condition that all words occur, each completely or in the pieces that a typo leaves."""
        # A text with the whole word has its pieces, too.
        choices = [_pieces(word) or [[word]] for word in words]
        if not self._has_fts():
            return and_(*(or_(*map(self._may_hold, choice)) for choice in choices))
        # One question to the index: it stops at the rarest piece, and lists no rows of the others.
        indexed = [choice for choice in choices if all(len(piece) >= 3 for piece in choice[0])]
        short = [choice for choice in choices if choice not in indexed]
        conditions = [or_(*map(self._may_hold, choice)) for choice in short]
        return and_(*conditions, *([self._matches(indexed)] if indexed else []))

    def _rows(self, condition: Condition | None, most: int) -> Iterator[_Row]:
        query = self._query if condition is None else self._query.where(condition)
        for identity, name, *rest in self._session.execute(query.limit(most)):
            yield _Row(identity, (name or "").lower(), " ".join(filter(None, rest)).lower())

    def _holds(self, piece: str) -> Condition:
        """The condition that one of the texts contains this."""
        if not self._is_indexed or len(piece) < 3:
            return or_(*(self._occurs(piece, text) for text in self._columns))
        if self._dialect == "postgresql":
            return and_(self._has_trigrams(piece), self._contains(piece))
        return self._matches([[[piece]]]) if self._has_fts() else self._contains(piece)

    def _occurs(self, piece: str, text: Any) -> Condition:
        """The condition that this text contains the piece; in SQLite twice as fast by LIKE, which folds ASCII alone."""
        if self._dialect == "sqlite" and piece.isascii():
            pattern = re.sub(r"([\\%_])", r"\\\1", piece)
            return text.like(f"%{pattern}%", escape="\\")  # type: ignore[no-any-return]
        return OPERATORS["icontains"](text, piece)

    def _may_hold(self, pieces: list[str]) -> Condition:
        """The condition that a text contains all words, or at least their trigrams: by the index, before ranking."""
        if (
            self._dialect == "postgresql"
            and self._is_indexed
            and all(len(piece) >= 3 for piece in pieces)
        ):
            return self._has_trigrams(*pieces)
        return and_(*map(self._holds, pieces))

    def _has_fts(self) -> bool:
        return self._is_indexed and self._dialect == "sqlite" and index.has_trigrams()

    def _matches(self, choices: list[list[list[str]]]) -> Condition:
        """The condition, by SQLite's index, that of each choice all pieces of at least one alternative occur."""
        index_table = table(index.name(self._registry.__tablename__), column("rowid"))
        either = [" OR ".join(map(_all_of, alternatives)) for alternatives in choices]
        phrase = " AND ".join(f"({text})" for text in either)
        names = " ".join(text.key for text in self._columns)
        matches = literal_column(index_table.name).op("MATCH")(
            literal(f"{{{names}}} : ({phrase})", Text())
        )
        return self._registry.id.in_(select(index_table.c.rowid).where(matches))  # type: ignore[no-any-return]

    def _contains(self, piece: str) -> Condition:
        lower = func.lower if piece.isascii() else sql_functions.lower
        return or_(
            *(
                sql_functions.strpos(lower(text), literal(piece, Text())) > 0
                for text in self._columns
            )
        )

    def _has_trigrams(self, *pieces: str) -> Condition:
        covered = index.SEARCHED[self._registry.__tablename__]
        trigrams: Any = literal_column(f"lamin_trigrams({index.together(covered)})")
        return trigrams.op("@>")(cast(index.trigrams(*pieces), ARRAY(Text())))  # type: ignore[no-any-return]


def _all_of(pieces: list[str]) -> str:
    """The expression of FTS5 for all of these.

    >>> _all_of(["sma", 'a"b'])
    '("sma" AND "a""b")'
    """
    phrases = " AND ".join('"{}"'.format(piece.replace('"', '""')) for piece in pieces)
    return f"({phrases})"


def _pieces(word: str) -> list[list[str]]:
    """Parts of a word of which one choice is right though there is a typo in it.

    >>> _pieces("smaple123")
    [['smap'], ['le123'], ['sma', 'e123']]
    >>> _pieces("ifnj"), _pieces("ab")
    ([['ifn'], ['fnj']], [])
    """
    middle = len(word) // 2
    if middle < 3:
        return [[word[:3]], [word[-3:]]] if len(word) > 3 else []
    outer = [word[: middle - 1], word[middle + 1 :]]
    return [
        [word[:middle]],
        [word[middle:]],
        *([outer] if all(len(part) > 2 for part in outer) else []),
    ]


def _score(row: _Row, needle: str, words: list[str]) -> tuple[object, ...] | None:
    """The score of the row, smaller is better; None if it does not match."""
    typos = [_typos(word, row) for word in words]
    if any(count is None for count in typos):
        return None
    return (
        sum(filter(None, typos)),
        _match_rank(row, needle, words),
        len(row.name),
        row.name,
        -row.id,
    )


def _match_rank(row: _Row, needle: str, words: list[str]) -> int:
    """The rank of the match: whole name, its beginning, beginning of a word, within the name, in other texts."""
    if row.name == needle:
        return 0
    if row.name.startswith(needle):
        return 1
    if needle in row.name:
        return 2 if re.search(rf"\b{re.escape(needle)}", row.name) else 3
    return 4 if all(word in row.name for word in words) else 5


def _typos(word: str, row: _Row) -> int | None:
    """The number of wrong letters of the word at its best match; None without a match."""
    if word in row.name or word in row.rest:
        return 0
    allowed = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
    if not allowed:
        return None
    near = (
        _levenshtein(word, token[: len(word) + 1], allowed)
        for token in _tokens(f"{row.name} {row.rest}")
    )
    return min((count for count in near if count is not None), default=None)


@lru_cache(maxsize=10_000)
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"[^\W_]+", text)))


@lru_cache(maxsize=100_000)
def _levenshtein(word: str, token: str, allowed: int) -> int | None:
    """Letters changed, left out, added or swapped between the two; None if more than allowed.

    >>> _levenshtein("smaple", "sample", 1), _levenshtein("ifnj", "ifng", 1), _levenshtein("gene", "cell", 1)
    (1, 1, None)
    """
    if abs(len(word) - len(token)) > allowed:
        return None
    before, above = [0] * (len(token) + 1), list(range(len(token) + 1))
    for row, letter in enumerate(word, start=1):
        current = [row]
        for position, other in enumerate(token, start=1):
            cost = min(
                above[position] + 1, current[-1] + 1, above[position - 1] + (letter != other)
            )
            if (
                row > 1
                and position > 1
                and letter == token[position - 2]
                and word[row - 2] == other
            ):
                cost = min(cost, before[position - 2] + 1)
            current.append(cost)
        before, above = above, current
    return above[-1] if above[-1] <= allowed else None


@dataclass(frozen=True, slots=True)
class Match:
    """A record that fits a text: its kind, uid, name, and of its other texts the part around the first match."""

    kind: str
    uid: str
    name: str
    text: str


def ranked_across(
    session: Session, registries: Mapping[str, type[Any]], string: str, limit: int
) -> list[Match]:
    """The best matches in several registries, by the name of their kind: two statements, or three with a typo.

    Each registry offers so many of its newest that have all words in them or in the note on them, and of those that
    begin with the string; with no such record, those that may have the words with a typo.
    """
    string = coercion.text(string).strip()
    needle = string.lower()
    words = needle.split()
    if not words:
        return []
    sources = {}
    filled, noted = _filled(session, registries)
    for kind, registry in filled.items():
        query = select(registry)
        if issubclass(registry, Versioned):
            query = query.where(registry.is_latest)  # type: ignore[attr-defined]
        if registry._has_trash:
            query = query.where(registry.deleted_at.is_(None))
        sources[kind] = _Source(session, registry, query, list(registry._search_fields))
    exact: list[Select[Any]] = []
    for kind, source in sources.items():
        exact += source.exact_parts(kind, string, words, limit)
        exact += [source.noted_part(kind, words, limit)] if kind in noted else []
    best = _best(session, exact, needle, words) if exact else []
    tokens = list(_tokens(needle))
    if not best and tokens and sources:
        near = [source.part(kind, source.nearly(tokens), NEAR) for kind, source in sources.items()]
        best = _best(session, near, needle, tokens)
    return best[:limit]


def _filled(
    session: Session, registries: Mapping[str, type[Any]]
) -> tuple[dict[str, type[Any]], set[str]]:
    """The registries that have records, and the kinds of those with notes: an arm of a search costs more than this."""
    rows = session.execute(_presence(tuple(registries.items()))).all()
    filled = {kind for kind, is_noted in rows if not is_noted}
    tables = {registry.__tablename__: kind for kind, registry in registries.items()}
    noted = {tables[name] for name, is_noted in rows if is_noted and name in tables}
    return {kind: item for kind, item in registries.items() if kind in filled}, noted & filled


@lru_cache(maxsize=16)
def _presence(registries: tuple[tuple[str, type[Any]], ...]) -> CompoundSelect[Any]:
    """Rows of a kind and 0 for each registry with records, and of a table and 1 for each with notes."""
    kinds = [
        select(literal(kind, Text()), literal(0)).where(select(registry.id).exists())
        for kind, registry in registries
    ]
    return union_all(*kinds, select(Note.table_name, literal(1)).distinct())


def _best(session: Session, parts: list[Select[Any]], needle: str, words: list[str]) -> list[Match]:
    scored: dict[tuple[str, str], tuple[tuple[object, ...], Match]] = {}
    for kind, uid, identity, name, rest in session.execute(union_all(*parts)):
        row = _Row(identity, (name or "").lower(), (rest or "").lower())
        score = _score(row, needle, words)
        if score is not None:
            match = Match(kind, uid, name or uid, _excerpt(rest or "", words))
            scored[kind, uid] = min(
                scored.get((kind, uid), (score, match)), (score, match), key=lambda pair: pair[0]
            )
    return [match for _, match in sorted(scored.values(), key=lambda pair: pair[0])]


_EXCERPT = 160


def _excerpt(text: str, words: list[str]) -> str:
    """An excerpt of at most so many characters, around the first word that the text contains.

    >>> _excerpt("a" * 500 + " neuron", ["neuron"]).endswith("aa neuron")
    True
    """
    text = " ".join(text.split())
    positions = [text.lower().find(word) for word in words]
    first = min((position for position in positions if position >= 0), default=0)
    begin = max(0, min(first - _EXCERPT // 3, len(text) - _EXCERPT))
    return text[begin : begin + _EXCERPT]
