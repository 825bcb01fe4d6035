"""Mask secrets before anything is stored: in values, in the words of a command, in files.

A secret is recognized by the name of its field (`secret_names`) or by the shape of a text
(`redacted_text`).
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from lamin_core.runtime.redacted_text import MASK, is_placeholder, is_version, is_word, redact_text
from lamin_core.runtime.secret_names import SecretName, secret_name

__all__ = ["Identify", "redact", "redact_command", "redact_file", "redact_strings", "redact_text"]

_DEEPEST = 60
"""Levels of nested values; deeper values become text."""
_CONTAINER_TYPES = (dict, list, tuple, Mapping)
"""The types of JSON first: whether something is any other mapping takes long to find out."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


Identify = Callable[[str, Mapping[Any, Any]], Mapping[str, Any]]
"""A function of a field's name and its mapping: returns the entries that identify something, which the caller masks."""


def redact(value: Any, name: str = "", identify: Identify | None = None) -> Any:
    """Return the value with every secret in it masked, at any depth.

    Args:
        value: What JSON can hold; anything else stays as it is.
        name: The name of the field that holds it.
        identify: Asked about each mapping; the entries that it returns are taken as they are.

    >>> redact({"alpha": 1, "db_password": "hunter2", "nested": [{"api_key": "k"}]})
    {'alpha': 1, 'db_password': '***', 'nested': [{'api_key': '***'}]}
    >>> redact([{"name": "DB_PASS", "value": "x"}, ["run", "--token", "abc"]])
    [{'name': 'DB_PASS', 'value': '***'}, ['run', '--token', '***']]
    """
    return _Redactor(identify).value(value, name, secret_name(name) if name else None, 0)


class _Redactor:
    """Walks through one value."""

    def __init__(self, identify: Identify | None) -> None:
        self._identify = identify

    def value(self, value: Any, field: str, name: SecretName | None, depth: int) -> Any:
        """The value of this field; `name` says what makes it a secret."""
        if isinstance(value, str):
            return _redacted_string(value, name)
        if isinstance(value, _CONTAINER_TYPES):
            return self._container(value, field, name, depth)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or name is None or not name.is_strong or is_version(str(value), name):
            return value
        return MASK

    def _container(
        self,
        value: Mapping[object, object] | list[Any] | tuple[Any, ...],
        field: str,
        name: SecretName | None,
        depth: int,
    ) -> object:
        if depth >= _DEEPEST:
            return redact_text(json.dumps(value, default=str, skipkeys=True))
        if isinstance(value, (list, tuple)):
            return list(self._items(value, field, name, depth))
        return self._mapping(value, field, name, depth)

    def _mapping(
        self, value: Mapping[object, object], field: str, name: SecretName | None, depth: int
    ) -> dict[str, object]:
        inherited = name if name is not None and name.words in _CONTAINERS else None
        described = _described_name(value)
        identity = self._identify(field, value) if self._identify is not None else {}
        masked = {}
        for key, item in value.items():
            text = str(key)
            if text in identity:
                masked[text] = identity[text]
                continue
            own = secret_name(text) or inherited
            if described is not None and text == "value":
                own = described
            masked[text] = self.value(item, text, own, depth + 1)
        return masked

    def _items(
        self, values: Sequence[Any], field: str, name: SecretName | None, depth: int
    ) -> Iterator[Any]:
        """The items; in a command, the word that follows a secret's option is masked."""
        option: SecretName | None = None
        for value in values:
            is_text = isinstance(value, str)
            follows = is_text and option is not None and not value.startswith("-")
            assigned = None
            if is_text and name is None and not follows:
                assigned = _ASSIGNMENT.match(value)
            if assigned is not None and _is_assigned_secret(value, assigned):
                yield _masked_assignment(value, assigned)
            else:
                yield self.value(value, field, option if follows else name, depth + 1)
            is_option = is_text and value.startswith("-") and "=" not in value and " " not in value
            option = secret_name(value) if is_option else None


_ASSIGNMENT = re.compile(r"(-{0,2}([A-Za-z0-9_.-]{1,120}+)=)[^=]")


def _is_assigned_secret(word: str, match: re.Match[str]) -> bool:
    name = secret_name(match[2])
    value = word[len(match[1]) :]
    return name is not None and not name.is_vague and not is_version(value, name)


def _masked_assignment(word: str, match: re.Match[str]) -> str:
    """`--token=a b` masked to its end, where it has blanks and so is a word of a command."""
    value = word[len(match[1]) :]
    return redact_text(word) if is_placeholder(value, match[2]) else f"{match[1]}{MASK}"


def redact_command(arguments: Sequence[str]) -> str:
    """Return the words of a command as a shell would take them, secrets masked.

    Word by word, since a value may have blanks in it.

    >>> redact_command(["fetch", "--token", "a b", "password=c d", "--out", "my file"])
    "fetch --token *** password=*** --out 'my file'"
    """
    words = []
    for word in redact(list(arguments)):
        words.append(word if _SHELL_WORD.fullmatch(word.replace(MASK, "")) else shlex.quote(word))
    return redact_text(" ".join(words))


_SHELL_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+|(?=\Z)")

_CONTAINERS = {"secret", "secrets", "credential", "credentials"}
"""Names of mappings whose values are all secrets: `{"secrets": {"github": "x"}}`."""


_PIECE = 1 << 20
"""Characters of a file that are masked at once, to the end of a line."""


def redact_file(path: Path) -> None:
    """Mask every secret in a file of text, a megabyte at a time.

    Bytes that are not UTF-8 stay as they are.
    """
    temporary = path.with_name(f"{path.name}.redacted")
    temporary.unlink(missing_ok=True)  # what a killed process has left
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with (
            open(path, encoding="utf-8", errors="surrogateescape", newline="") as source,
            open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as target,
        ):
            target.writelines(_masked_pieces(source))
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _masked_pieces(source: TextIO) -> Iterator[str]:
    while piece := source.read(_PIECE) + source.readline(_PIECE):
        while piece.count("-----BEGIN ") > piece.count("-----END ") and len(piece) < 3 * _PIECE:
            line = source.readline(_PIECE)  # a private key is masked as a whole
            if not line:
                break
            piece += line
        yield redact_text(piece)


def redact_strings(value: object) -> object:
    """Mask secrets by the shape of texts alone: where names are those of columns, say."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(key): redact_strings(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_strings(item) for item in value]
    return value


def _redacted_string(value: str, name: SecretName | None) -> str:
    if name is None or not value or is_word(value, name):
        return redact_text(value)
    is_identifier = name.words in ("session id", "sessionid") and _UUID.fullmatch(value) is not None
    return value if is_identifier else MASK


def _described_name(row: Mapping[object, object]) -> SecretName | None:
    """The secret's name in a row such as `{"name": "DB_PASSWORD", "value": "x"}`."""
    if "value" not in row:
        return None
    for column in ("name", "key"):
        name = row.get(column)
        if isinstance(name, str):
            return secret_name(name)
    return None
