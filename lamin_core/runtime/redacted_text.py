"""Mask the secrets in a text: by their shape, and by the name in front of them.

Every search takes time in proportion to the text, whatever the text is: `benchmarks/redaction.py`
measures it on adversarial texts.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lamin_core.runtime.secret_names import SecretName, rules, secret_name, words_of

MASK = "***"
_SHORT, _LONG = 200, 20_000
"""Characters of a text whose masked form is remembered: of thousands of short ones, of a few long ones."""


def redact_text(text: str) -> str:
    """Return the text with every secret that it shows masked.

    >>> redact_text("postgresql://me:hunter2@db/x --token=abc")
    'postgresql://me:***@db/x --token=***'
    >>> redact_text("database.password: hunter2")
    'database.password: ***'
    """
    if len(text) <= _SHORT:
        return _redacted_short(text)
    return _redacted_long(text) if len(text) <= _LONG else _redacted(text)


def _redacted(text: str) -> str:
    sections = rules()
    lowered = text.lower()
    text = mask_shapes(text, lowered)
    if any(hint in lowered for hint in sections.hints):
        for kind, pattern in sections.named.items():
            text = _mask_named(text, kind, pattern)
    return text


def mask_shapes(text: str, lowered: str) -> str:
    """Mask what looks like a secret; `lowered` is the text in lower case."""
    for shape in rules().shapes:
        if shape.hint in lowered:
            text = shape.pattern.sub(_keep_first_group, text)
    return text


_redacted_short = lru_cache(maxsize=5_000)(_redacted)
"""Events repeat the same short texts: the URL of a schema, the name of an engine."""
_redacted_long = lru_cache(maxsize=100)(_redacted)
"""Each event of a run has the source of its job."""


def _keep_first_group(match: re.Match[str]) -> str:
    prefix = match[1] if match.re.groups else ""
    # Only a password in a URL ends with its `@`, which belongs to the URL.
    suffix = "@" if match[0].endswith("@") else ""
    return f"{prefix or ''}{MASK}{suffix}"


def _mask_named(text: str, kind: str, pattern: re.Pattern[str]) -> str:
    """Mask the values of the names that this pattern finds; each name is looked at once."""
    pieces: list[str] = []
    copied = position = 0
    while (match := pattern.search(text, position)) is not None:
        # The next name may stand where this one's type would: `params: token="x"`.
        position = match.end(1)
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
_PLACEHOLDER = re.compile(
    r"\*{3}[\s\S]*+|\*+|\.{2,}|[xX]{3,}|<[^<>]*+>?|\[[A-Za-z_]++\]|\$\{?[A-Za-z_][A-Za-z0-9_.:-]*+\}?|\$[({][\s\S]*+"
    r"|%\([A-Za-z_]++\)s|%[a-zA-Z]%?|\{[\s\S]*+|[0-9]{1,3}|[:=!?/#@+-]++"
)


def _value_span(
    text: str, match: re.Match[str], kind: str, name: SecretName
) -> tuple[int, int] | None:
    """The start and end of the value after this name; None if it is not a secret."""
    start = match.end()
    if kind in _SPANS:
        return _SPANS[kind](text, start, name)
    if kind in ("element", "property"):
        element = _ELEMENT.match(text, start)
        if element is None or is_placeholder(element[0], match[1]):
            return None
        return element.span()
    quoted = _quoted_span(text, start)
    if quoted is not None:
        begin, end, prefix = quoted
        if kind == "quoted" and name.is_weak:  # a sentence: "pass 'index' instead"
            return None
        value = text[begin:end]
        is_computed = "f" in prefix.lower() and "{" in value
        is_harmless = is_computed or is_placeholder(value, match[1]) or is_word(value, name)
        return None if is_harmless else (begin, end)
    if kind == "quoted":
        return None
    opening = _OPENING.match(text, start)  # never closed: the text was cut off
    start = start if opening is None else opening.end()
    end = _unquoted_end(text, start)
    value = text[start:end]
    if not value or is_word(value, name):
        return None
    is_number = name.is_strong and not name.is_weak and _THREE_DIGITS.fullmatch(value) is not None
    if is_placeholder(value, match[1]) and not is_number:
        return None
    if _is_computed(text, end, value, name):
        return None
    if kind == "assigned" and _is_prose(text, match, end, value, name):
        return None
    return start, end


def is_word(value: str, name: SecretName) -> bool:
    """Whether this is one of the words that stand under a vague name, such as `tokens`, or a version that is pinned."""
    return is_version(value, name) or (name.is_vague and _RANDOM.fullmatch(value) is None)


def is_version(value: str, name: SecretName) -> bool:
    """Whether this is the version to which a package is pinned, as in `pin=1.2`; the PIN of a card has no dots."""
    return name.words == "pin" and _VERSION.fullmatch(value) is not None


_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){1,3}\.?")
_THREE_DIGITS = re.compile(r"[0-9]{3}")
_ITEMS = re.compile(r"[^\[\]()]{1,4000}+(?=\])")
_FIRST_ITEM = re.compile(r"""(?:"([^"\n]*+)"|'([^'\n]*+)'|([^\s"',]++))[ \t\n]*+(?:,|\Z)""")
_LISTED = re.compile(r"([^\s:]++)[ \t]{0,9}(?![^\n])(?:\n[ \t]{0,40}-[ \t][^\n]*+)*+")
_INDENT = re.compile(r"[ \t]++")
_WORD = re.compile(r"[^\s]++")


def _list_span(text: str, start: int, name: SecretName) -> tuple[int, int] | None:
    """The items of `api_keys: [a1b2c3, "d"]`, where the first looks like a secret or is a text."""
    items = _ITEMS.match(text, start)
    first = None if items is None else _FIRST_ITEM.match(items[0])
    if items is None or first is None:
        return None
    quoted = first[1] if first[1] is not None else first[2]
    value = first[3] if quoted is None else quoted
    is_text = quoted is not None and not (name.is_weak or name.is_vague)
    is_secret_text = is_text and not is_placeholder(value, name.words)
    return items.span() if is_secret_text or _RANDOM.fullmatch(value) else None


def _block_span(text: str, start: int, _name: SecretName) -> tuple[int, int] | None:
    """The lines of a YAML block, without the first indentation: `password: |`."""
    indent = _INDENT.match(text, start)
    if indent is None:
        return None
    end = start
    while text.startswith(indent[0], end):
        line_end = text.find("\n", end)
        if line_end < 0:
            end = len(text)
            break
        end = line_end + 1
    last = end - 1 if text[end - 1] == "\n" else end
    begin = indent.end()
    return (begin, last) if text[begin:last] not in ("", MASK) else None


def _items_span(text: str, start: int, _name: SecretName) -> tuple[int, int] | None:
    """The items of a YAML list below its name, where the first looks like a secret."""
    items = _LISTED.match(text, start)
    if items is None or _RANDOM.fullmatch(items[1].strip("\"'")) is None:
        return None
    return items.span()


def _below_span(text: str, start: int, _name: SecretName) -> tuple[int, int] | None:
    """The word on the line below its name, where it looks like a secret."""
    word = _WORD.match(text, start)
    return None if word is None or _RANDOM.fullmatch(word[0]) is None else word.span()


_SPANS = {"list": _list_span, "block": _block_span, "items": _items_span, "below": _below_span}
"""How the values of lists and of YAML over several lines are found."""


def _quoted_span(text: str, start: int) -> tuple[int, int, str] | None:
    """The inside of the quotes that open here and close on the same line."""
    opening = _OPENING.match(text, start)
    if opening is None:
        return None
    quote = opening[2]
    end = text.find(quote, opening.end())
    while end > opening.end() and len(quote) == 1 and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    # Looked for only as far as the quote: of many quotes on one long line, each would search the
    # whole line.
    if end < 0 or text.find("\n", opening.end(), end) >= 0:
        return None
    return opening.end(), end, opening[1]


def _unquoted_end(text: str, start: int) -> int:
    """The end of a value without quotes; it includes a comma after which nothing else begins."""
    end = start
    while (match := _VALUE.match(text, end)) is not None:
        end = match.end()
        if text[end : end + 1] != "," or _AFTER_COMMA.match(text, end + 1) is None:
            break
        if _VALUE.match(text, end + 1) is None:
            break
        end += 1
    return end


def is_placeholder(value: str, name: str) -> bool:
    """Whether this is a placeholder of a value, or the name of its kind: `<token>`, `$TOKEN`, None, TOKEN."""
    if len(value) <= _SHORT:
        bare = value.strip().rstrip(".,;:!?").lower()
        if not bare or bare in rules().values or bare == name.strip("-_.").lower():
            return True
        if _NAME_ONLY.fullmatch(value) is not None and _ends_alike(name, value):
            return True
    return _PLACEHOLDER.fullmatch(value.strip()) is not None


def _ends_alike(name: str, value: str) -> bool:
    """Whether code passes the value on under its own name: `password=password`."""
    words, others = words_of(name), words_of(value)
    return words == others or ("." in name and words[-len(others) :] == others)


def _is_computed(text: str, end: int, value: str, name: SecretName) -> bool:
    """Whether code computes the value: a call, an index, or an attribute of the same name."""
    if _IDENTIFIER.fullmatch(value) is None:
        return False
    if text[end : end + 1] in ("(", "["):
        return True
    return "." in value and " ".join(words_of(value)).endswith(name.words)


def _is_prose(text: str, match: re.Match[str], end: int, value: str, name: SecretName) -> bool:
    """Whether a sentence goes on after `name:`, or a weak name is followed by what does not look like a secret."""
    separator = match[0][len(match[1]) :]
    if "=" in separator:
        return False
    is_key = separator[0] in "\\\"'"
    if name.is_weak and not is_key and _RANDOM.fullmatch(value) is None:
        return True
    return _PLAIN_WORD.fullmatch(value) is not None and _NEXT_WORD.match(text, end) is not None
