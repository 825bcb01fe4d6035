"""Large events, read a little at a time: the hash of the canonical text, and where the large facets are.

As Python's objects an event of many small things takes ten times the memory of its text. Here the outer objects are
read member by member and lists item by item, and what was decoded is let go when its canonical text is known.
"""

from __future__ import annotations

import json
import re
from typing import Any

from blake3 import blake3

from openlineage.lamin.receive.large_events import HEAD, canonical, is_left_out, pieces_of, placeholder

_SPACE = re.compile(r"[ \t\n\r]*")
_GROUP = re.compile(r"/(?:run|job|dataset|(?:inputs|outputs)/\*)/(?:facets|inputFacets|outputFacets)")
"""Where facets are."""
_DEPTH = 6
"""Objects further inside are decoded whole."""
_ROWS = 1_000
Members = dict[str, list[str]]
"""The canonical text of each member, in pieces."""


def scan(text: str, limit: int) -> tuple[str, str]:
    """The hash of this JSON, and the text with marks for facets of more than `limit` characters that become no field.

    Raises `ValueError` for what is no JSON.

    >>> digest, left = scan('{"run": {"facets": {"x": {"y": [1, 2, 3]}}}}', 5)
    >>> list(json.loads(left)["run"]["facets"]["x"])
    ['lamin_omitted']
    """
    scanner = _Scanner(text, limit)
    state = blake3()
    for piece in scanner.whole():
        state.update(piece.encode())
    digest = state.hexdigest()
    parts, last = [], 0
    for start, end, head in sorted(scanner.large, key=lambda span: span[0]):
        parts += [text[last:start], json.dumps(placeholder(head, digest, limit))]
        last = end
    return digest, "".join([*parts, text[last:]])


class _Scanner:
    def __init__(self, text: str, limit: int) -> None:
        self._text = text
        self._limit = limit
        self._at = 0
        self._decode = json.JSONDecoder(parse_constant=str).raw_decode
        self.large: list[tuple[int, int, dict[str, Any]]] = []

    def whole(self) -> list[str]:
        """The canonical text of all of it, in pieces."""
        self._skip()
        pieces = self._value("", 0)
        if self._at != len(self._text):
            raise ValueError(f"something follows at character {self._at}")
        return pieces

    def _value(self, path: str, depth: int) -> list[str]:
        if self._text.startswith("{", self._at) and depth < _DEPTH:
            return _joined(self._object(path, depth))
        if self._text.startswith("[", self._at):
            return self._list(path, depth)
        return list(pieces_of(self._decoded()))

    def _object(self, path: str, depth: int) -> Members:
        members: Members = {}
        spans: dict[str, tuple[int, int, dict[str, Any]]] = {}
        self._expect("{")
        while not self._takes("}"):
            if members:
                self._expect(",")
            name = self._decoded()
            if not isinstance(name, str):
                raise ValueError(f"a name is missing before character {self._at}")
            self._expect(":")
            spans.pop(name, None)  # of two members of one name the last counts
            if _GROUP.fullmatch(path) and self._text.startswith("{", self._at):
                members[name] = self._facet(name, f"{path}/{name}", depth + 1, spans)
            else:
                members[name] = self._value(f"{path}/{name}", depth + 1)
        self.large += spans.values()
        return members

    def _facet(self, name: str, path: str, depth: int, spans: dict[str, tuple[int, int, dict[str, Any]]]) -> list[str]:
        start = self._at
        members = self._object(path, depth)
        pieces = _joined(members)
        if is_left_out(name, sum(map(len, pieces)), self._limit):
            head = {member: json.loads("".join(members[member])) for member in HEAD if member in members}
            spans[name] = start, self._at, head
        return pieces

    def _list(self, path: str, depth: int) -> list[str]:
        pieces, rows, count = ["["], [], 0
        self._expect("[")
        while not self._takes("]"):
            if count:
                self._expect(",")
            count += 1
            if path in ("/inputs", "/outputs"):
                pieces += ["," if count > 1 else "", *self._value(f"{path}/*", depth + 1)]
                continue
            rows.append(self._decoded())
            if len(rows) == _ROWS:
                pieces += ["," if count > _ROWS else "", canonical(rows)[1:-1]]
                rows = []
        if rows:
            pieces += ["," if count > _ROWS else "", canonical(rows)[1:-1]]
        return [*pieces, "]"]

    def _decoded(self) -> Any:
        value, self._at = self._decode(self._text, self._at)
        self._skip()
        return value

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _takes(self, delimiter: str) -> bool:
        if not self._text.startswith(delimiter, self._at):
            return False
        self._at += 1
        self._skip()
        return True

    def _expect(self, delimiter: str) -> None:
        if not self._takes(delimiter):
            raise ValueError(f"{delimiter!r} is missing at character {self._at}")


def _joined(members: Members) -> list[str]:
    pieces = ["{"]
    for number, name in enumerate(sorted(members)):
        pieces += ["," if number else "", canonical(name), ":", *members[name]]
    return [*pieces, "}"]
