"""The code of rules, as their authors wrote it.

A rendered command changes with each job, and can even hold memory addresses; the text in the
Snakefile changes only when somebody changes it.
"""

from __future__ import annotations

import io
import json
import re
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path

from lamin_snakemake.facts import Code, Rule

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_LANGUAGES = {
    ".py": "python",
    ".r": "r",
    ".rmd": "rmarkdown",
    ".jl": "julia",
    ".rs": "rust",
    ".sh": "bash",
    ".xsh": "xonsh",
    ".hy": "hy",
    ".ipynb": "python",
}


def without_addresses(text: str) -> str:
    """The text without memory addresses, which no two processes share.

    >>> without_addresses("<function f at 0x7f3a5c0de310>")
    '<function f at 0x...>'
    """
    return _ADDRESS.sub("at 0x...", text)


def directive(snakefile: str, rule: str, keyword: str) -> str | None:
    """The text of a directive of a rule in the Snakefile; None if it does not occur exactly once.

    >>> directive("rule a:\\n    output: 'a'\\n    shell:\\n        'echo'  # loud\\n    threads: 2\\n", "a", "shell")
    "shell:\\n    'echo'  # loud"
    """
    try:
        matches = list(_directives(snakefile, rule, keyword))
    except (tokenize.TokenError, SyntaxError):
        return None
    return matches[0] if len(matches) == 1 else None


def _directives(snakefile: str, rule: str, keyword: str) -> Iterator[str]:
    lines = snakefile.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(snakefile).readline))
    for index in _statements(tokens):
        words = [token.string for token in tokens[index : index + 3]]
        if words in (["rule", rule, ":"], ["checkpoint", rule, ":"]):
            for first, last in _body(tokens, index):
                if tokens[first].string == keyword:
                    text = "".join(lines[tokens[first].start[0] - 1 : tokens[last].end[0]])
                    yield textwrap.dedent(text).strip()


def _statements(tokens: list[tokenize.TokenInfo]) -> Iterator[int]:
    """The positions at which logical lines begin."""
    at_start = True
    for index, token in enumerate(tokens):
        if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            at_start = True
        elif token.type not in (tokenize.NL, tokenize.COMMENT):
            if at_start:
                yield index
            at_start = False


def _body(tokens: list[tokenize.TokenInfo], header: int) -> Iterator[tuple[int, int]]:
    """First and last token of each directive of the rule whose header begins here."""
    depth, first, last = 0, None, header
    for index in range(header + 3, len(tokens)):
        token = tokens[index]
        if token.type == tokenize.INDENT:
            depth += 1
        elif token.type == tokenize.DEDENT:
            depth -= 1
        if depth <= 0 and token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE):
            break
        is_directive = (
            depth == 1
            and token.type == tokenize.NAME
            and tokens[index + 1].string == ":"
            and tokens[index - 1].type
            in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.NL)
        )
        if is_directive:
            if first is not None:
                yield first, last
            first = index
        if token.type not in (
            tokenize.NL,
            tokenize.COMMENT,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
        ):
            last = index
    if first is not None:
        yield first, last


class Sources:
    """Reads Snakefiles and scripts, each once."""

    def __init__(self) -> None:
        self._texts: dict[str, str | None] = {}
        self._codes: dict[Rule, tuple[str | None, str | None]] = {}

    def text(self, path: str) -> str | None:
        """The text of this file; None if it cannot be read, as of a URL."""
        if path not in self._texts:
            try:
                self._texts[path] = Path(path).read_text(encoding="utf-8", errors="replace")
            except (OSError, ValueError):
                self._texts[path] = None
        return self._texts[path]

    def of_workflow(self, paths: tuple[str, ...]) -> str:
        """The Snakefile, and after it what it includes, each under its name."""
        main, *included = paths
        parts = [self.text(main) or main]
        parts += [f"# {Path(path).name}\n{self.text(path) or path}" for path in included]
        return "\n".join(parts)

    def of_rule(self, rule: Rule) -> tuple[str | None, str | None]:
        """The code of the rule and its language."""
        if rule not in self._codes:
            self._codes[rule] = self._read(rule)
        return self._codes[rule]

    def _read(self, rule: Rule) -> tuple[str | None, str | None]:
        code = rule.code
        if code.path is not None:
            text = self.text(code.path)
            suffix = Path(code.path).suffix.lower()
            if text is None:  # in some repository on the net: where it is says what it is
                return code.path, "text"
            return (_cells(text) if suffix == ".ipynb" else text), _LANGUAGES.get(suffix, "text")
        if code.kind in ("shell", "run"):
            written = directive(self.text(rule.snakefile) or "", rule.name, code.kind)
            return written or _plain(code), "snakemake"
        return code.text, "text"


def _plain(code: Code) -> str | None:
    return (
        None
        if code.text is None
        else f"{code.kind}:\n{textwrap.indent(without_addresses(code.text), '    ')}"
    )


def _cells(notebook: str) -> str:
    """The code of a notebook, without what its last execution left behind."""
    try:
        cells = json.loads(notebook)["cells"]
        return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    except (ValueError, KeyError, TypeError):
        return notebook
