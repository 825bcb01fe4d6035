"""Text that people wrote as HTML: notes in Markdown, and source code with its parts marked. All of it is escaped."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Token, _TokenType
from pygments.util import ClassNotFound

from lamin_core.runtime.printable import printable_lines

_MAX_SOURCE = 200_000
"""Characters of a source that are marked; a longer one is shown plain."""
_LANGUAGES = {"nextflow": "groovy", "snakemake": "python", "r": "r", "notebook": "python"}
_SUFFIXES = {".nf": "groovy", ".smk": "python", "Snakefile": "python", ".ipynb": "python"}
_CLASSES = (
    (Token.Comment, "c"),
    (Token.Keyword, "k"),
    (Token.Literal.String, "s"),
    (Token.Literal.Number, "m"),
    (Token.Name.Decorator, "k"),
    (Token.Name.Exception, "e"),
)


@cache
def _reader() -> MarkdownIt:
    """CommonMark with tables, without HTML and images; links of javascript:, data: and file: stay text."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def markdown(text: str) -> Markup:
    """Markdown as HTML; HTML in it is shown as text.

    >>> str(markdown("*a* <b> [x](javascript:alert(1))"))
    '<p><em>a</em> &lt;b&gt; [x](javascript:alert(1))</p>\\n'
    """
    return Markup(_reader().render(printable_lines(text)))  # noqa: S704  # the reader escapes


def highlighted(text: str, language: str) -> Markup:
    """Source code with its parts in spans, by the name of a language or of a file.

    >>> str(highlighted("x = 1  # <b>", "python"))
    'x = <span class="m">1</span>  <span class="c"># &lt;b&gt;</span>'
    """
    shown = printable_lines(text)
    lexer = _lexer(language) if len(text) <= _MAX_SOURCE else None
    if lexer is None:
        return escape(shown)
    parts = [_part(kind, value) for kind, value in lexer.get_tokens(shown)]
    return Markup("").join(parts)


def _lexer(language: str) -> Lexer | None:
    by_suffix = (name for suffix, name in _SUFFIXES.items() if language.endswith(suffix))
    name = next(by_suffix, language.lower())
    options = {"stripnl": False, "ensurenl": False}
    try:
        lexer: Lexer = get_lexer_by_name(_LANGUAGES.get(name, name), **options)
        return lexer
    except ClassNotFound:
        pass
    try:
        lexer = get_lexer_for_filename(language.rpartition("/")[2], **options)
    except ClassNotFound:
        return None
    return lexer


def _part(kind: _TokenType, value: str) -> Markup:
    name = next((name for token, name in _CLASSES if kind in token), None)
    return (
        escape(value) if name is None else Markup('<span class="{}">{}</span>').format(name, value)
    )
