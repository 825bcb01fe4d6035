"""The names of secrets: the rules of `redaction_rules.txt`, and how they apply to a name.

The Nextflow plugin (`Redaction.java`) reads the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

RULES = Path(__file__).with_name("redaction_rules.txt")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LONGEST_NAME = 120
"""The number of characters at the end of a name that are examined; a longer sequence of letters is not a name."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A pattern of secrets: group 1 stays, the rest is masked.

    It is tried where a lower-case text has the hint.
    """

    hint: str
    source: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when it is needed first: all of them together take some 50 ms."""
        return _compiled(self.source)


@dataclass(frozen=True, slots=True)
class Rules:
    """The sections of `redaction_rules.txt`."""

    secret: frozenset[str]
    last: frozenset[str]
    not_before_last: frozenset[str]
    not_after: frozenset[str]
    strong: frozenset[str]
    weak: frozenset[str]
    random: frozenset[str]
    hints: tuple[str, ...]
    values: frozenset[str]
    shapes: tuple[Shape, ...]
    named: Mapping[str, re.Pattern[str]]


@dataclass(frozen=True, slots=True)
class SecretName:
    """The words of a field's name that make it the name of a secret."""

    words: str
    is_strong: bool
    is_weak: bool
    is_vague: bool
    """Whether only a value that looks like a secret is one."""


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source, re.ASCII)


@cache
def rules() -> Rules:
    """The rules, read once."""
    sections: dict[str, list[str]] = {}
    for line in RULES.read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            current.append(line)
    return Rules(
        secret=frozenset(sections["secret"]),
        last=frozenset(sections["last"]),
        not_before_last=frozenset(sections["not before last"]),
        not_after=frozenset(sections["not after"]),
        strong=frozenset(sections["strong"]),
        weak=frozenset(sections["weak"]),
        random=frozenset(sections["random"]),
        hints=tuple(sections["hints"]),
        values=frozenset(sections["values"]),
        shapes=tuple(_shape(line) for line in sections["shapes"]),
        named=dict(_named_pattern(line) for line in sections["named"]),
    )


_BEGINNING = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"


def _shape(line: str) -> Shape:
    hint, _, pattern = line.partition("\t")
    source = pattern.replace("{B}", _BEGINNING).replace(r"\z", r"\Z")
    return Shape(hint, source)


def _named_pattern(line: str) -> tuple[str, re.Pattern[str]]:
    kind, _, pattern = line.partition("\t")
    return kind, re.compile(pattern, re.ASCII)


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret.

    >>> is_secret("awsSecretAccessKey"), is_secret("database.password"), is_secret("--api_key")
    (True, True, True)
    >>> is_secret("token_count"), is_secret("primary_key"), is_secret("author"), is_secret("bypass")
    (False, False, False, False)
    """
    match = secret_name(name)
    return match is not None and not match.is_vague


def secret_name(name: str) -> SecretName | None:
    """The reason for which this is the name of a secret; None if it is not."""
    return _secret_name(name[-_LONGEST_NAME:])


@lru_cache(maxsize=10_000)
def _secret_name(name: str) -> SecretName | None:
    words = [word.lower() for word in _WORD.findall(name)]
    phrase = _secret_words(words, rules())
    if phrase is None:
        return None
    names = rules()
    return SecretName(phrase, phrase in names.strong, phrase in names.weak, phrase in names.random)


def _secret_words(words: Sequence[str], names: Rules) -> str | None:
    for start in range(len(words)):
        for end in (start + 2, start + 1):
            phrase = " ".join(words[start:end])
            follower = words[end] if end < len(words) else ""
            if phrase in names.secret and follower not in names.not_after:
                return phrase
    for size in (2, 1):
        phrase = " ".join(words[-size:])
        before = words[-size - 1] if len(words) > size else ""
        if phrase in names.last and before not in names.not_before_last:
            return phrase
    return None


def words_of(name: str) -> list[str]:
    """Return the words of a name, in lower case.

    >>> words_of("awsSecretKey")
    ['aws', 'secret', 'key']
    """
    return [word.lower() for word in _WORD.findall(name[-_LONGEST_NAME:])]
