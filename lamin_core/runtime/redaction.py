"""Mask secrets before anything is stored: by the name of a field, and by the shape of a text.

The rules are data, in `redaction_rules.txt`, which the Nextflow plugin (`Redaction.java`) reads as well. Every search
takes time in proportion to the text, whatever the text is: `benchmarks/redaction.py` measures it on adversarial texts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TextIO

MASK = "***"
RULES = Path(__file__).with_name("redaction_rules.txt")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LONGEST_NAME = 120
"""Characters at the end of a name that are looked at; a longer run of letters is no name."""
_SHORT = 200
"""Characters of a text whose masked form is remembered."""
_DEEPEST = 60
"""Levels of nested values; what lies deeper is kept as text."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A pattern of secrets: tried where a lower-case text has the hint, group 1 stays, the rest is masked."""

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
    hints: tuple[str, ...]
    values: frozenset[str]
    shapes: tuple[Shape, ...]
    named: Mapping[str, re.Pattern[str]]


@dataclass(frozen=True, slots=True)
class SecretName:
    """What a field's name says: which words of it make it a secret's name."""

    words: str
    is_strong: bool
    is_weak: bool


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
    return secret_name(name) is not None


def secret_name(name: str) -> SecretName | None:
    """What makes this the name of a secret, or None where nothing does."""
    return _secret_name(name[-_LONGEST_NAME:])


@lru_cache(maxsize=10_000)
def _secret_name(name: str) -> SecretName | None:
    words = [word.lower() for word in _WORD.findall(name)]
    secret_word = _secret_words(words, rules())
    if secret_word is None:
        return None
    return SecretName(secret_word, secret_word in rules().strong, secret_word in rules().weak)


def _secret_words(words: Sequence[str], name_rules: Rules) -> str | None:
    for start in range(len(words)):
        for end in (start + 2, start + 1):
            phrase = " ".join(words[start:end])
            follower = words[end] if end < len(words) else ""
            if phrase in name_rules.secret and follower not in name_rules.not_after:
                return phrase
    for size in (2, 1):
        phrase = " ".join(words[-size:])
        before = words[-size - 1] if len(words) > size else ""
        if phrase in name_rules.last and before not in name_rules.not_before_last:
            return phrase
    return None


def redact_text(text: str) -> str:
    """Return the text with every secret that it shows masked.

    >>> redact_text("postgresql://me:hunter2@db/x --token=abc")
    'postgresql://me:***@db/x --token=***'
    >>> redact_text("database.password: hunter2")
    'database.password: ***'
    """
    return _redacted_short(text) if len(text) <= _SHORT else _redacted(text)


def _redacted(text: str) -> str:
    name_rules = rules()
    lowered = text.lower()
    text = _mask_shapes(text, lowered)
    if any(hint in lowered for hint in name_rules.hints):
        for kind, pattern in name_rules.named.items():
            text = _mask_named(text, kind, pattern)
    return text


def _mask_shapes(text: str, lowered: str) -> str:
    for shape in rules().shapes:
        if shape.hint in lowered:
            text = shape.pattern.sub(_keep_first_group, text)
    return text


_redacted_short = lru_cache(maxsize=5_000)(_redacted)
"""Events repeat the same short texts: the URL of a schema, the name of an engine."""


def _keep_first_group(match: re.Match[str]) -> str:
    prefix = match[1] if match.re.groups else ""
    # Only a password in a URL ends with its `@`, which belongs to the URL.
    return f"{prefix or ''}{MASK}{'@' if match[0].endswith('@') else ''}"


def _mask_named(text: str, kind: str, pattern: re.Pattern[str]) -> str:
    """Mask the values of the names that this pattern finds: each name is looked at once, each value skipped."""
    pieces: list[str] = []
    copied = position = 0
    while (match := pattern.search(text, position)) is not None:
        position = match.end(1)  # the next name may stand where this one's type would: `params: token="x"`
        name = secret_name(match[1])
        if name is None:
            continue
        span = _value_span(text, match, kind, name)
        if span is None:
            continue
        start, end = span
        pieces += [text[copied:start], MASK]
        copied = position = end
    pieces.append(text[copied:])
    return "".join(pieces) if copied else text


_OPENING = re.compile(r"([bBrRuUfF]{0,2})(\\{0,3}[\"'])")
_VALUE = re.compile(r"[^\s\"'`;&<>|,()\[\]{}\\]++")
_AFTER_COMMA = re.compile(r"(?=[^\s\"'])(?![A-Za-z0-9_.-]{1,64}[=:])")
_ELEMENT = re.compile(r"[^<\n]++")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*+")
_NAME_ONLY = re.compile(r"[A-Za-z_]++")
_PLAIN_WORD = re.compile(r"[A-Za-z]?[a-z'-]*+[.,;:!?]?")
_NEXT_WORD = re.compile(r"[.,;]?[ \t]+[A-Za-z(`\"']")
_RANDOM = re.compile(r"(?=[^0-9]*+[0-9])(?=[^A-Za-z]*+[A-Za-z])[\s\S]{6,}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLACEHOLDER = re.compile(
    r"\*{3}[\s\S]*+|\*+|\.{2,}|[xX]{3,}|<[^<>]*+>?|\[[A-Za-z_]++\]|\$\{?[A-Za-z_][A-Za-z0-9_.:-]*+\}?|\$[({][\s\S]*+"
    r"|%\([A-Za-z_]++\)s|%[a-zA-Z]%?|\{[\s\S]*+|[0-9]{1,3}|[:=!?/#@+-]++"
)


def _value_span(text: str, match: re.Match[str], kind: str, name: SecretName) -> tuple[int, int] | None:
    """Where the value after this name begins and ends; None where it is no secret."""
    start = match.end()
    if kind in ("element", "property"):
        element = _ELEMENT.match(text, start)
        return None if element is None or _is_placeholder(element[0], match[1]) else element.span()
    quoted = _quoted_span(text, start)
    if quoted is not None:
        begin, end, prefix = quoted
        if kind == "quoted" and name.is_weak:  # a sentence: "pass 'index' instead"
            return None
        value = text[begin:end]
        is_computed = "f" in prefix.lower() and "{" in value
        return None if is_computed or _is_placeholder(value, match[1]) else (begin, end)
    if kind == "quoted":
        return None
    opening = _OPENING.match(text, start)  # never closed: the text was cut off
    start = start if opening is None else opening.end()
    end = _unquoted_end(text, start)
    value = text[start:end]
    if not value or _is_placeholder(value, match[1]) or _is_computed(text, end, value, name):
        return None
    if kind == "assigned" and _is_prose(text, match, end, value, name):
        return None
    return start, end


def _quoted_span(text: str, start: int) -> tuple[int, int, str] | None:
    """The inside of the quotes that open here and close on the same line."""
    opening = _OPENING.match(text, start)
    if opening is None:
        return None
    quote = opening[2]
    end = text.find(quote, opening.end())
    while end > opening.end() and len(quote) == 1 and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    # Looked for only as far as the quote: of many quotes on one long line, each would search the whole line.
    if end < 0 or text.find("\n", opening.end(), end) >= 0:
        return None
    return opening.end(), end, opening[1]


def _unquoted_end(text: str, start: int) -> int:
    """The end of a value without quotes; a comma belongs to it where nothing else begins after it."""
    end = start
    while (value_match := _VALUE.match(text, end)) is not None:
        end = value_match.end()
        if text[end : end + 1] != "," or _AFTER_COMMA.match(text, end + 1) is None:
            break
        if _VALUE.match(text, end + 1) is None:
            break
        end += 1
    return end


def _is_placeholder(value: str, name: str) -> bool:
    """Whether this stands for a value, or says what kind of value it is: `<token>`, `$TOKEN`, None, TOKEN."""
    if len(value) <= _SHORT:
        bare = value.strip().rstrip(".,;:!?").lower()
        if not bare or bare in rules().values or bare == name.strip("-_.").lower():
            return True
        if _NAME_ONLY.fullmatch(value) is not None and _ends_alike(name, value):
            return True
    return _PLACEHOLDER.fullmatch(value.strip()) is not None


def _ends_alike(name: str, value: str) -> bool:
    """Whether code only hands the value on under its own name: `password=password`, `self.token = token`."""
    words, others = _words(name), _words(value)
    return words == others or ("." in name and words[-len(others) :] == others)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name[-_LONGEST_NAME:])]


def _is_computed(text: str, end: int, value: str, name: SecretName) -> bool:
    """Whether code computes the value: a call, an index, or an attribute of the same name."""
    if _IDENTIFIER.fullmatch(value) is None:
        return False
    if text[end : end + 1] in ("(", "["):
        return True
    return "." in value and " ".join(_words(value)).endswith(name.words)


def _is_prose(text: str, match: re.Match[str], end: int, value: str, name: SecretName) -> bool:
    """Whether a sentence goes on after `name:`, or a weak name is followed by what does not look like a secret."""
    separator = match[0][len(match[1]) :]
    if "=" in separator:
        return False
    is_key = separator[0] in "\\\"'"
    if name.is_weak and not is_key and _RANDOM.fullmatch(value) is None:
        return True
    return _PLAIN_WORD.fullmatch(value) is not None and _NEXT_WORD.match(text, end) is not None


Identify = Callable[[str, Mapping[Any, Any]], Mapping[str, Any]]
"""Given a field's name and the mapping in it: the entries that identify something, masked in a manner of their own."""


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
        if isinstance(value, Mapping | list | tuple) and depth >= _DEEPEST:
            return redact_text(json.dumps(value, default=str, skipkeys=True))
        if isinstance(value, Mapping):
            return self._mapping(value, field, name, depth)
        if isinstance(value, list | tuple):
            return list(self._items(value, field, name, depth))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return MASK if is_number and name is not None and name.is_strong else value

    def _mapping(self, value: Mapping[Any, Any], field: str, name: SecretName | None, depth: int) -> dict[str, Any]:
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

    def _items(self, values: Sequence[Any], field: str, name: SecretName | None, depth: int) -> Iterator[Any]:
        """The items; of the words of a command, the one that follows a secret's option is masked."""
        option: SecretName | None = None
        for value in values:
            is_text = isinstance(value, str)
            follows = is_text and option is not None and not value.startswith("-")
            assigned = _ASSIGNMENT.match(value) if is_text and name is None and not follows else None
            if assigned is not None and is_secret(assigned[2]):
                yield _masked_assignment(value, assigned)
            else:
                yield self.value(value, field, option if follows else name, depth + 1)
            is_option = is_text and value.startswith("-") and "=" not in value and " " not in value
            option = secret_name(value) if is_option else None


_ASSIGNMENT = re.compile(r"(-{0,2}([A-Za-z0-9_.-]{1,120}+)=)[^=]")


def _masked_assignment(word: str, match: re.Match[str]) -> str:
    """`--token=a b` masked to its end, where it has blanks and so is a word of a command."""
    value = word[len(match[1]) :]
    return redact_text(word) if _is_placeholder(value, match[2]) else f"{match[1]}{MASK}"


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
"""What holds secrets under names of any kind: `{"secrets": {"github": "x"}}`."""


_PIECE = 1 << 20
"""Characters of a file that are masked at once, to the end of a line."""


def redact_file(path: Path) -> None:
    """Mask every secret in a file of text, a megabyte at a time; bytes that are not UTF-8 stay as they are."""
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


def redact_strings(value: Any) -> Any:
    """Mask secrets by the shape of texts alone: where names are those of columns, say."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(key): redact_strings(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_strings(item) for item in value]
    return value


def _redacted_string(value: str, name: SecretName | None) -> str:
    if name is None or not value:
        return redact_text(value)
    is_identifier = name.words in ("session id", "sessionid") and _UUID.fullmatch(value) is not None
    return value if is_identifier else MASK


def _described_name(row: Mapping[Any, Any]) -> SecretName | None:
    """The secret's name in a row such as `{"name": "DB_PASSWORD", "value": "x"}`."""
    if "value" not in row:
        return None
    for column in ("name", "key"):
        name = row.get(column)
        if isinstance(name, str):
            return secret_name(name)
    return None


def shows_secret(url: str) -> bool:
    """Whether a URL shows a password, a token or a signature; a folder may be called what it likes.

    >>> shows_secret("https://h/a.csv?access_token=x"), shows_secret("s3://bucket/token=abc/part.parquet")
    (True, False)
    """
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#;]", rest, maxsplit=1)[0]
    path, separator, query = rest[len(authority) :].partition("?")
    path, semicolon, parameters = path.partition(";")
    server, tail = f"{scheme}://{authority}", f"{semicolon}{parameters}{separator}{query}"
    in_path = _mask_shapes(path, path.lower()) != path
    return in_path or redact_text(server) != server or redact_text(tail) != tail


_USERS = {"user", "username", "uid", "usr", "user id", "userid"}
_CONTAINER_SCHEMES = {"abfs", "abfss", "wasb", "wasbs", "adl"}
"""In their URLs a container stands before the `@`."""
_LOGIN_SCHEMES = {"ssh", "sftp", "scp", "hdfs", "git+ssh"}
"""Where a user alone may decide which files are meant: a path may begin in the user's home."""
_SIGNED = re.compile(r"(?i)[?&](?:[a-z-]{0,20}signature|sig)=")
_OF_SIGNATURE = re.compile(
    r"(?i)x-(?:amz|goog)-[a-z-]+|expires|awsaccesskeyid|googleaccessid|key-pair-id|policy|signature"
    r"|sv|se|st|sp|sr|sig|spr|sip|ss|srt|ske|skoid|sks|skt|sktid|skv"
)


@lru_cache(maxsize=10_000)
def without_credentials(name: str) -> str:
    """Return a URL, or the name of a dataset, without who asks for it: no user, password, token or signature.

    >>> without_credentials("postgres://ann:hunter2@db:5432"), without_credentials("abfss://raw@lake.net/a")
    ('postgres://db:5432', 'abfss://raw@lake.net/a')
    >>> without_credentials("sqlserver://s:1433;database=x;user=u;password=p;encrypt=true")
    'sqlserver://s:1433;database=x;encrypt=true'
    >>> without_credentials("https://h/k.csv?part=1&X-Amz-Date=d&X-Amz-Signature=s")
    'https://h/k.csv?part=1'
    """
    if "://" in name:
        name = _without_user(name)
    if "?" in name:
        name = _without_parameters(name)
    head, *parameters = name.split(";")
    return ";".join([head, *(parameter for parameter in parameters if not _is_credential(parameter))])


def _without_user(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#;]", rest, maxsplit=1)[0]
    user, separator, host = authority.rpartition("@")
    if not separator or host.startswith(("sha256:", "sha512:")):  # the digest of an image
        return url
    kind = scheme.rpartition(":")[2].lower()
    login = user.partition(":")[0]
    stays = kind in _CONTAINER_SCHEMES or (kind in _LOGIN_SCHEMES and login == user)
    return f"{scheme}://{login + '@' if stays else ''}{host}{rest[len(authority) :]}"


def _without_parameters(url: str) -> str:
    head, _, query = url.partition("?")
    is_signed = _SIGNED.search(url) is not None
    parts = []
    for parameter in query.split("&"):
        of_signature = is_signed and _OF_SIGNATURE.fullmatch(parameter.partition("=")[0]) is not None
        if not of_signature and not _is_credential(parameter):
            parts.append(parameter)
    return f"{head}?{'&'.join(parts)}" if parts else head


def _is_credential(parameter: str) -> bool:
    name, separator, _ = parameter.partition("=")
    return bool(separator) and (name.strip().lower() in _USERS or is_secret(name))
