"""Names of files as a rule writes them: plain text with wildcards, from which the wildcards of a job follow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

_WILDCARD = re.compile(
    r"\{\s*(?P<name>\w+)\s*(?:,\s*(?P<regex>(?:[^{}]|\{\d+(?:,\d+)?\})*?)\s*)?\}"
)
_STREAMS = ("pipe", "service")
_FLAGS = {
    *("temp", "temporary", "protected", "directory", "touch", "ensure", "update"),
    *("repeat", "report", "ancient", *_STREAMS),
}
"""What may stand around a name and does not change it."""


def patterns(directive: str) -> tuple[str, ...]:
    """Return the names that stand in a directive as plain text; what is computed is left out.

    >>> patterns("output:\\n    'a_{who}.txt', temp('b_{who}.txt'), table=f'{x}.csv'  # for all")
    ('a_{who}.txt', 'b_{who}.txt')
    """
    return tuple(_texts(_arguments(directive)))


def streams(directive: str) -> tuple[str, ...]:
    """Return the names of pipes and services among them, which are no files.

    >>> streams("output: pipe('a.txt'), 'b.txt'")
    ('a.txt',)
    """
    calls = [node for node in _arguments(directive) if _flag_of(node) in _STREAMS]
    return tuple(_texts(calls))


def _arguments(directive: str) -> list[ast.expr]:
    try:
        call = ast.parse(f"f({directive.partition(':')[2]}\n)", mode="eval").body
    except (SyntaxError, ValueError):
        return []
    assert isinstance(call, ast.Call)
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _texts(nodes: Iterable[ast.expr]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Constant(str(text)):
                yield text
            case ast.List(elements):
                yield from _texts(elements)
            case ast.Call(_, [inner, *_]) if _flag_of(node) in _FLAGS:
                yield from _texts([inner])


def _flag_of(node: ast.expr) -> str | None:
    match node:
        case ast.Call(ast.Name(name)):
            return name
    return None


def wildcards_of(names: Iterable[str], path: str) -> dict[str, str] | None:
    """Return the wildcards with which one of the names is this path; None where none is, or where several differ.

    >>> wildcards_of(["a_{who}.txt"], "a_me.txt"), wildcards_of(["b.txt"], "b.txt")
    ({'who': 'me'}, {})
    """
    try:
        matches = [match for match in (re.fullmatch(_regex(name), path) for name in names) if match]
    except re.error:  # not a regular expression
        return None
    values = [match.groupdict() for match in matches]
    return values[0] if values and all(other == values[0] for other in values) else None


def has_several_wildcards(name: str) -> bool:
    """Whether it has more than one wildcard: constraints then decide where the one ends.

    >>> has_several_wildcards("{a}_{b}.txt"), has_several_wildcards("{a}/{a}.txt")
    (True, False)
    """
    return len({match["name"] for match in _WILDCARD.finditer(name)}) > 1


def _regex(name: str) -> str:
    seen: set[str] = set()
    parts, end = [], 0
    for match in _WILDCARD.finditer(name):
        parts.append(re.escape(name[end : match.start()]))
        wildcard = match["name"]
        again = f"(?P={wildcard})"
        parts.append(again if wildcard in seen else f"(?P<{wildcard}>{match['regex'] or '.+'})")
        seen.add(wildcard)
        end = match.end()
    return "".join(parts) + re.escape(name[end:])


def filled(name: str, wildcards: Mapping[str, str]) -> str | None:
    """Return the name with these wildcards; None where it has others.

    >>> filled("times/{who}.tsv", {"who": "me"}), filled("times/{other}.tsv", {"who": "me"})
    ('times/me.tsv', None)
    """
    needed = {match["name"] for match in _WILDCARD.finditer(name)}
    if not needed <= wildcards.keys():
        return None
    return _WILDCARD.sub(lambda match: wildcards[match["name"]], name)
