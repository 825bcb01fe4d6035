"""Regular expressions with a cost linear in the length of the text, for every pattern: RE2.

Python's `re` tries path after path: for `(a+)+$` over 28 letters there are 2**28 of them, and
nothing interrupts it while it has the interpreter. RE2 follows all paths at once, and therefore has
no back-references and no look-around.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lamin_core.errors import InvalidArgument

if TYPE_CHECKING:
    import re2

MAX_INSTRUCTIONS = 10_000
"""Size of a compiled pattern. The time is also linear in it, in the worst case about 0.1 microseconds
per instruction and character; `x{1000}` has 1,000 instructions, `\\p{L}` about 1,200."""
_SHOWN = 60
"""Characters of a pattern that an error shows."""


@lru_cache(maxsize=64)
def compile_regex(pattern: str) -> re2._Regexp:
    """Compile a pattern in the syntax of RE2.

    Raises:
        InvalidArgument: The pattern is invalid, too large, or uses what RE2 does not support.

    >>> compile_regex("^data/.*[.]csv$").search("data/a.csv") is not None
    True
    """
    import re2  # with the first regular expression, not with every command

    options = re2.Options()
    options.log_errors = False  # it would write to stderr
    options.never_capture = True  # only whether it matches is of interest
    try:
        regex = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise _unsupported(pattern, _reason(error)) from error
    if regex.programsize > MAX_INSTRUCTIONS:
        raise _unsupported(pattern, "pattern too large")
    return regex


def _unsupported(pattern: str, reason: str) -> InvalidArgument:
    return InvalidArgument(
        f"RE2 does not support the regular expression {pattern[:_SHOWN]!a}: {reason}",
        hint=r"write it without \1, (?=...), (?<=...), (?>...), a++ and x{2000};"
        r" the end of the text is $ or \z",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return error.reason
    reason = error.args[0]  # bytes from the library, text from its Python module
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return text[: 2 * _SHOWN]


def matches(pattern: Any, text: Any) -> bool | None:
    """Evaluate `text REGEXP pattern` for SQLite.

    >>> matches("^a", "abc"), matches("^a", None)
    (True, None)
    """
    if pattern is None or text is None:
        return None
    # As bytes: for a text, the library would convert the positions of the match.
    data = str(text).encode("utf-8", "replace")
    return compile_regex(str(pattern)).search(data) is not None
