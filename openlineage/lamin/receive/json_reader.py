"""The one reader of JSON from outside: single events, arrays of them, lines of a file, and large bodies.

Whatever the way in, the same bytes have the same hash and the same value:

- `NaN`, `Infinity` and `-Infinity` are no JSON, yet Python's producers write them: they are read as texts. A number
  beyond the range of a float (`1e400`) becomes such a text as well, for PostgreSQL takes no other.
- Lone surrogates and NULs in texts become visible escapes: no database takes them.
- Of two members of one name the last counts.
- A byte order mark and JSON's white space around a document are left out.
- What is nested more than `MAX_DEPTH` deep is refused. Without such a limit the depth of the caller's own stack would
  decide.

Large documents are read a little at a time: as Python's objects an event of many small things takes
ten times the memory of its text. The outer objects are read member by member and lists item by
item, and what was decoded is let go when its canonical text is known. What is folded, remembered
and written with runs leaves out what nothing reads: a facet above `LARGE` characters that becomes
no field of the registry. The raw log has the event as it came.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from blake3 import blake3

from lamin_core.errors import MalformedEvent

LARGE = 1_000_000
"""Characters of JSON above which a facet is in the raw log alone, and a document is read a little at a time."""
MAX_DEPTH = 200
"""Objects and arrays within each other; OpenLineage needs about ten."""
OMITTED = "lamin_omitted"
"""The member that replaces an omitted facet: the hash of the event that has it, and how large it is at least."""
HEAD = ("_producer", "_schemaURL", "_deleted")
"""Members of an omitted facet that are kept."""
_FIELDS = {
    *(
        "parent",
        "parentRun",
        "processing_engine",
        "lamin_run",
        "executionParameters",
        "errorMessage",
        "jobDependencies",
        "tags",
    ),
    *(
        "environmentVariables",
        "nominalTime",
        "sourceCode",
        "sql",
        "sourceCodeLocation",
        "jobType",
        "documentation",
    ),
    *(
        "ownership",
        "schema",
        "lamin_artifact",
        "version",
        "symlinks",
        "lifecycleStateChange",
        "outputStatistics",
    ),
    *("columnLineage", "lamin_environment", "lamin_process", "lamin_storage"),
    *("lamin_doubts", "lamin_job", "lamin_features"),
}
"""The facets that become something: they are taken however large they are."""
_DECODER = json.JSONDecoder(parse_constant=str)
_WHITE_SPACE = " \t\n\r"
_SPACE = re.compile(f"[{_WHITE_SPACE}]*")
_UNSTORABLE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
"""Escapes of surrogates (a lone surrogate comes, for example, from a file name that is not UTF-8) and of NUL."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_GROUP = re.compile(
    r"/(?:run|job|dataset|(?:inputs|outputs)/\*)/(?:facets|inputFacets|outputFacets)"
)
"""The paths of facets in an event."""
_OUTER_DEPTH = 6
"""Objects further inside are decoded whole."""
_ROWS = 1_000
_SLICE = 1 << 20
_CONTAINERS = (dict, list)
_TOO_DEEP = object()
"""Stands for a value that could not be decoded for its depth."""
_ARRAY_HINT = "send a JSON array of events, or one event to /api/v1/lineage"


class Document(NamedTuple):
    """A JSON document."""

    digest: str
    """The BLAKE3 hash of its canonical JSON."""
    value: Any
    """The value, without the large facets that nothing reads."""
    is_decoded: bool = False
    """Whether the value is just what `decode` makes of the text."""


def text_of(raw: bytes | str) -> str:
    """Decode a document, without the byte order mark and the white space around it.

    Raises:
        ValueError: it is not UTF-8.

    >>> text_of("\\ufeff{}\\r\\n".encode())
    '{}'
    """
    text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
    return text.removeprefix("\ufeff").strip(_WHITE_SPACE)


def decode(text: str) -> Any:
    """Decode the text as it is: without the limit of depth, and with texts that a database may not take.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.

    >>> decode('{"a": NaN, "a": [-Infinity, 1e400]}')
    {'a': ['-Infinity', inf]}
    """
    return _DECODER.decode(text)


def read(text: str) -> Document:
    """Read a document from `text_of`.

    Raises:
        ValueError: it is not JSON, or nested more than `MAX_DEPTH` deep.

    >>> read('{"a": 1e400}').value
    {'a': 'Infinity'}
    """
    if len(text) > LARGE:
        digest, reduced, _ = scan(text, LARGE)
        return Document(digest, _storable_value(reduced))
    try:
        value = decode(text)
    except RecursionError:
        value = _TOO_DEEP
    return document(value, text)


def document(value: Any, text: str) -> Document:
    """Read a document that `items` has decoded from this text already.

    Raises:
        ValueError: it is nested more than `MAX_DEPTH` deep, or not JSON after all.
    """
    if len(text) > LARGE:
        return read(text)
    if value is _TOO_DEEP or text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value, MAX_DEPTH)
    is_unstorable = _UNSTORABLE.search(text) is not None
    if is_unstorable:
        value = _with_escapes(value)
    canonical_text = canonical(value)
    is_infinite = "Infinity" in canonical_text
    if is_infinite:
        value = without_infinity(value)
    digest = blake3(canonical_text.encode()).hexdigest()
    return Document(digest, value, not (is_unstorable or is_infinite))


def read_again(text: str) -> Any:
    """Return the value of a document that was read before, whose hash is known.

    >>> read_again('{"a": 1e400}')
    {'a': 'Infinity'}
    """
    if len(text) > LARGE:
        return _storable_value(scan(text, LARGE, max_depth=None).text)
    return _storable_value(text)


def _storable_value(text: str) -> Any:
    value = _STORABLE_DECODER.decode(text)
    return _with_escapes(value) if _UNSTORABLE.search(text) is not None else value


def _storable_float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else json.dumps(value)


_STORABLE_DECODER = json.JSONDecoder(parse_constant=str, parse_float=_storable_float)
"""A decoder for events whose hash is known: the hash is of the number, which canonical JSON writes as `Infinity`."""


def _with_escapes(value: Any) -> Any:
    """Return the value with lone surrogates and NULs as visible escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
    if isinstance(value, list):
        return [_with_escapes(item) for item in value]
    if isinstance(value, dict):
        return {_with_escapes(name): _with_escapes(item) for name, item in value.items()}
    return value


def without_infinity(value: Any) -> Any:
    """Return the value with the texts of JavaScript in the place of numbers that JSON does not have.

    >>> without_infinity([float("inf"), {"x": -float("inf")}, float("nan"), 1.5])
    ['Infinity', {'x': '-Infinity'}, 'NaN', 1.5]
    """
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return [without_infinity(item) for item in value]
    if isinstance(value, dict):
        return {name: without_infinity(item) for name, item in value.items()}
    return value


def _check_depth(value: Any, limit: int) -> None:
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(limit):
        if not level:
            break
        level = _containers_in(level)
    if level or value is _TOO_DEEP:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")


def _containers_in(containers: list[Any]) -> list[Any]:
    inner: list[Any] = []
    for container in containers:
        values = container.values() if isinstance(container, dict) else container
        inner += [value for value in values if isinstance(value, _CONTAINERS)]
    return inner


def items(text: str) -> Iterator[tuple[Any, str]]:
    """Iterate over a JSON array: each item, for `document`, and its text. Raises `MalformedEvent` for anything else.

    >>> list(items('[1, {"a": 2.0} ]'))
    [(1, '1'), ({'a': 2.0}, '{"a": 2.0}')]
    """
    start = 1 if text.startswith("\ufeff") else 0
    position = _after(text, _skip_space(text, start), "[")
    if text.startswith("]", position):
        _check_end(text, position)
        return
    while True:
        value, end = _item(text, position)
        yield value, text[position:end]
        position = _skip_space(text, end)
        if text.startswith("]", position):
            _check_end(text, position)
            return
        position = _after(text, position, ",")


def _item(text: str, position: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except RecursionError:
        return _TOO_DEEP, _end_of_container(text, position)
    except ValueError as error:
        raise MalformedEvent(f"not JSON: {error}", hint=_ARRAY_HINT) from error


def _end_of_container(text: str, position: int) -> int:
    depth = 0
    for match in _BRACKET.finditer(text, position):
        if match[0] in "[{":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
            if depth == 0:
                return match.end()
    raise MalformedEvent(
        f"not JSON: what begins at character {position} does not end", hint=_ARRAY_HINT
    )


def _after(text: str, position: int, delimiter: str) -> int:
    """Return the position of what follows this delimiter."""
    if not text.startswith(delimiter, position):
        message = f"not a JSON array: {delimiter!r} is missing at character {position}"
        raise MalformedEvent(message, hint=_ARRAY_HINT)
    return _skip_space(text, position + 1)


def _check_end(text: str, position: int) -> None:
    if _skip_space(text, position + 1) != len(text):
        raise MalformedEvent("not a JSON array: something follows it", hint=_ARRAY_HINT)


def _skip_space(text: str, position: int) -> int:
    """Return the position of what follows the white space here."""
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def strict_line(text: str) -> str:
    """Return a document as one line of strict JSON, which `read` gives the same hash.

    >>> strict_line('{"a": NaN, "b": "NaN", "c": 1e400}')
    '{"a": "NaN", "b": "NaN", "c": 1e400}'
    >>> strict_line('{"a":\\n 1}')
    '{"a":1}'
    """
    if "NaN" in text or "Infinity" in text:
        text = _TOKEN.sub(_quoted, text)
    if "\n" not in text:
        return text
    try:
        return json.dumps(decode(text), separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):  # a number beyond a float's range keeps its digits
        return re.sub(r"[\r\n]+", " ", text)


def _quoted(token: re.Match[str]) -> str:
    return token[0] if token[0].startswith('"') else f'"{token[0]}"'


def canonical(value: Any) -> str:
    """Return the JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


# -- large documents
# --------------------------------------------------------------------------------------------


class Scan(NamedTuple):
    """The facts about a document after one pass over its text."""

    digest: str
    text: str
    """The text with placeholders for the facets that are left out."""
    omitted: int
    """The number of these facets."""


class _Span(NamedTuple):
    """A facet that is left out: where it is in the text, and what is kept of it."""

    start: int
    end: int
    head: dict[str, Any]


_Members = dict[str, list[str]]
"""The canonical text of each member, in pieces."""


def scan(text: str, limit: int, max_depth: int | None = MAX_DEPTH) -> Scan:
    """Hash a document, and leave out facets of more than `limit` characters that become no field.

    Raises:
        ValueError: it is not JSON, or nested more than `max_depth` deep.

    >>> list(json.loads(scan('{"run": {"facets": {"x": {"y": [1, 2, 3]}}}}', 5).text)["run"]["facets"]["x"])
    ['lamin_omitted']
    """
    scanner = _Scanner(text, limit, max_depth)
    state = blake3()
    for piece in scanner.whole():
        state.update(piece.encode())
    digest = state.hexdigest()
    parts, position = [], 0
    for span in sorted(scanner.omitted, key=lambda span: span.start):
        parts += [text[position : span.start], json.dumps(placeholder(span.head, digest, limit))]
        position = span.end
    return Scan(digest, "".join([*parts, text[position:]]), len(scanner.omitted))


def is_left_out(name: str, size: int, limit: int) -> bool:
    """Return whether a facet of this name and size is in the raw log alone."""
    return size > limit and name not in _FIELDS


def placeholder(head: Mapping[str, Any], digest: str, limit: int) -> dict[str, Any]:
    """Return the placeholder of a facet that only the event with this hash contains."""
    return {**head, OMITTED: {"event": digest, "more_than": limit}}


class _Scanner:
    def __init__(self, text: str, limit: int, max_depth: int | None) -> None:
        self._text = text
        self._limit = limit
        self._max_depth = max_depth
        self._position = 0
        self._has_unstorable = _UNSTORABLE.search(text) is not None
        self.omitted: list[_Span] = []

    def whole(self) -> list[str]:
        """Return the canonical text of all of it, in pieces."""
        self._skip()
        pieces = self._value("", 0)
        if self._position != len(self._text):
            raise ValueError(f"something follows at character {self._position}")
        return pieces

    def _value(self, path: str, depth: int) -> list[str]:
        """Read a value with `depth` objects and arrays around it."""
        if self._text.startswith("{", self._position) and depth < _OUTER_DEPTH:
            return _joined(self._object(path, depth))
        if self._text.startswith("[", self._position):
            return self._list(path, depth)
        value = self._decoded()
        self._check(value, depth)
        return list(_pieces_of(value))

    def _object(self, path: str, depth: int) -> _Members:
        members: _Members = {}
        spans: dict[str, _Span] = {}
        self._expect("{")
        while not self._takes("}"):
            if members:
                self._expect(",")
            name = self._decoded()
            if not isinstance(name, str):
                raise ValueError(f"a name is missing before character {self._position}")
            self._expect(":")
            spans.pop(name, None)  # of two members of one name the last counts
            if _GROUP.fullmatch(path) and self._text.startswith("{", self._position):
                members[name] = self._facet(name, f"{path}/{name}", depth + 1, spans)
            else:
                members[name] = self._value(f"{path}/{name}", depth + 1)
        self.omitted += spans.values()
        return members

    def _facet(self, name: str, path: str, depth: int, spans: dict[str, _Span]) -> list[str]:
        start = self._position
        members = self._object(path, depth)
        pieces = _joined(members)
        if is_left_out(name, sum(map(len, pieces)), self._limit):
            head = {
                member: json.loads("".join(members[member])) for member in HEAD if member in members
            }
            spans[name] = _Span(start, self._position, head)
        return pieces

    def _list(self, path: str, depth: int) -> list[str]:
        pieces, count = ["["], 0
        rows: list[Any] = []
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
                self._check(rows, depth)
                pieces += ["," if count > _ROWS else "", canonical(rows)[1:-1]]
                rows = []
        if rows:
            self._check(rows, depth)
            pieces += ["," if count > _ROWS else "", canonical(rows)[1:-1]]
        return [*pieces, "]"]

    def _check(self, value: Any, depth: int) -> None:
        if self._max_depth is not None:
            _check_depth(value, self._max_depth - depth)

    def _decoded(self) -> Any:
        try:
            value, self._position = _DECODER.raw_decode(self._text, self._position)
        except RecursionError as error:
            raise ValueError(f"nested more than {MAX_DEPTH} deep") from error
        self._skip()
        return _with_escapes(value) if self._has_unstorable else value

    def _skip(self) -> None:
        match = _SPACE.match(
            self._text, self._position
        )  # not `_skip_space`: a call for each row of a list costs 10 %
        assert match is not None
        self._position = match.end()

    def _takes(self, delimiter: str) -> bool:
        if not self._text.startswith(delimiter, self._position):
            return False
        self._position += 1
        self._skip()
        return True

    def _expect(self, delimiter: str) -> None:
        if not self._takes(delimiter):
            raise ValueError(f"{delimiter!r} is missing at character {self._position}")


def _joined(members: _Members) -> list[str]:
    pieces = ["{"]
    for number, name in enumerate(sorted(members)):
        pieces += ["," if number else "", canonical(name), ":", *members[name]]
    return [*pieces, "}"]


def _pieces_of(value: Any) -> Iterator[str]:
    """Yield the canonical JSON of the value; of a long text a megabyte or so at a time."""
    if not isinstance(value, str):
        yield canonical(value)
        return
    yield '"'
    for start in range(0, len(value), _SLICE):
        yield canonical(value[start : start + _SLICE])[1:-1]
    yield '"'
