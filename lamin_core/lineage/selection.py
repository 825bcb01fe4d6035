"""A language that selects nodes of a graph: `2+align+ and not status:failed`.

`NAME` is a key, the end of one after `/` or `:`, or the name of a run; `*` stands for any text. `key:`, `tag:` (a
label), `engine:`, `status:` and `kind:` look at one thing. `+X` is X with everything above it, `2+X` two steps of it,
`X+` and `X+2` below. `and` may be left out; `or`, `not` and parentheses are as usual, and "..." holds blanks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from lamin_core.errors import InvalidArgument
from lamin_core.lineage.graph import ArtifactNode, Graph, RunNode

MAX_LENGTH = 500
"""Characters of an expression."""
_MAX_DEPTH = 30
_ATTRIBUTES = ("key", "tag", "engine", "status", "kind")
_TOKEN = re.compile(r'\s*(?:(?P<bracket>[()])|(?P<word>(?:"[^"]*"|[^\s()"])+))')
_TERM = re.compile(r"(?:(?P<up>[0-9]{0,4})\+)?(?P<body>.*?)(?:\+(?P<down>[0-9]{0,4}))?", re.DOTALL)
_EXAMPLE = "for example: +results.csv and not status:failed"


@dataclass(frozen=True, slots=True)
class Term:
    """Nodes by a pattern, and how many steps above and below them; -1 is all the way.

    Args:
        attribute: what the pattern is compared with; empty for keys and names.
        pattern: in lower case, `*` and `?` as in a shell.
        up: steps.
        down: steps.
    """

    attribute: str
    pattern: str
    up: int = 0
    down: int = 0


@dataclass(frozen=True, slots=True)
class Combined:
    """Two expressions."""

    operator: Literal["and", "or"]
    first: Expression
    second: Expression


@dataclass(frozen=True, slots=True)
class Without:
    """The negation of an expression: all nodes that it does not select."""

    inner: Expression


Expression = Term | Combined | Without


def parse(text: str) -> Expression:
    """The expression. Raises `InvalidArgument`.

    >>> parse("2+align and not engine:prefect")
    Combined(operator='and', first=Term(attribute='', pattern='align', up=2, down=0), \
second=Without(inner=Term(attribute='engine', pattern='prefect', up=0, down=0)))
    """
    if len(text) > MAX_LENGTH:
        raise InvalidArgument(
            f"the selection has {len(text)} characters, at most {MAX_LENGTH} are read",
            hint=_EXAMPLE,
        )
    parser = _Parser(list(_tokens(text)))
    expression = parser.any_of(0)
    if parser.rest:
        raise InvalidArgument(f"not a selection: {parser.rest[0]!r} is too much", hint=_EXAMPLE)
    return expression


def _tokens(text: str) -> Iterator[str]:
    text, position = text.rstrip(), 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidArgument("not a selection: a quote is not closed", hint=_EXAMPLE)
        yield match["bracket"] or match["word"]
        position = match.end()


@dataclass
class _Parser:
    """Reads tokens from the left: `or` binds least, then `and`, then `not`."""

    rest: list[str]

    def any_of(self, depth: int) -> Expression:
        expression = self.all_of(depth)
        while self.rest and self.rest[0].lower() == "or":
            self.rest.pop(0)
            expression = Combined("or", expression, self.all_of(depth))
        return expression

    def all_of(self, depth: int) -> Expression:
        expression = self.single(depth)
        while self.rest and self.rest[0] != ")" and self.rest[0].lower() != "or":
            if self.rest[0].lower() == "and":
                self.rest.pop(0)
            expression = Combined("and", expression, self.single(depth))
        return expression

    def single(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise InvalidArgument("the selection is nested too deeply", hint=_EXAMPLE)
        if not self.rest or self.rest[0] == ")" or self.rest[0].lower() in ("and", "or"):
            raise InvalidArgument("not a selection: something is missing in it", hint=_EXAMPLE)
        word = self.rest.pop(0)
        if word.lower() == "not":
            return Without(self.single(depth + 1))
        if word != "(":
            return _term(word)
        inner = self.any_of(depth + 1)
        if not self.rest:
            raise InvalidArgument("not a selection: ) is missing", hint=_EXAMPLE)
        self.rest.pop(0)
        return inner


def _term(token: str) -> Term:
    match = _TERM.fullmatch(token)
    assert match is not None
    body = match["body"].replace('"', "")
    attribute, colon, pattern = body.partition(":")
    if not colon or attribute.lower() not in _ATTRIBUTES:
        attribute, pattern = "", body
    if not pattern:
        raise InvalidArgument(f"not a selection: {token!r} names nothing", hint=_EXAMPLE)
    return Term(attribute.lower(), pattern.lower(), _steps(match["up"]), _steps(match["down"]))


def _steps(text: str | None) -> int:
    return 0 if text is None else int(text or -1)


def selected(
    graph: Graph, expression: Expression, labelled: Callable[[str], Collection[int]]
) -> set[int]:
    """The nodes that are selected: artifacts by primary key, runs by its negative.

    `labelled` gives those with a label that fits a pattern.
    """
    links = list(graph.links())
    nodes = {*graph.artifacts, *(-run for run in graph.runs)}

    def evaluated(part: Expression) -> set[int]:
        if isinstance(part, Without):
            return nodes - evaluated(part.inner)
        if isinstance(part, Combined):
            first, second = evaluated(part.first), evaluated(part.second)
            return first & second if part.operator == "and" else first | second
        if part.attribute == "tag":
            begin = nodes & {*labelled(part.pattern)}
        else:
            begin = {node for node in nodes if _fits(_node(graph, node), part)}
        above = _reached(begin, links, part.up)
        below = _reached(begin, [(upper, lower) for lower, upper in links], part.down)
        return above | below

    return evaluated(expression)


def _node(graph: Graph, node: int) -> ArtifactNode | RunNode:
    return graph.artifacts[node] if node > 0 else graph.runs[-node]


def _fits(node: ArtifactNode | RunNode, term: Term) -> bool:
    if isinstance(node, ArtifactNode):
        facts = {"kind": "artifact"}
        names = [node.key or node.real_key or "", node.uid]
    else:
        facts = {"kind": "run", "engine": node.engine, "status": node.status}
        names = [node.transform_key, node.name or "", node.uid]
    if term.attribute in facts:
        return fnmatchcase(facts[term.attribute].lower(), term.pattern)
    if term.attribute not in ("", "key"):
        return False
    return any(_is_called(name.lower(), term.pattern) for name in names if name)


def _is_called(name: str, pattern: str) -> bool:
    """Whether the whole name fits, or what follows its last slash or colon."""
    ends = (name, name.rpartition("/")[2], name.rpartition(":")[2])
    return any(fnmatchcase(end, pattern) for end in ends)


def _reached(begin: set[int], links: list[tuple[int, int]], steps: int) -> set[int]:
    """These, and what is so many steps along the links."""
    if steps == 0:
        return begin
    onwards: defaultdict[int, list[int]] = defaultdict(list)
    for source, target in links:
        onwards[source].append(target)
    seen, frontier = set(begin), set(begin)
    while frontier and steps != 0:
        frontier = {target for node in frontier for target in onwards[node]} - seen
        seen |= frontier
        steps -= 1
    return seen


def restricted(graph: Graph, nodes: Collection[int]) -> Graph:
    """The graph of these nodes and the links between them."""
    chosen = set(nodes)
    return replace(
        graph,
        artifacts={key: node for key, node in graph.artifacts.items() if key in chosen},
        runs={key: node for key, node in graph.runs.items() if -key in chosen},
        edges=[edge for edge in graph.edges if {-edge[0], edge[1]} <= chosen],
        dependencies=[wait for wait in graph.dependencies if {-wait[0], -wait[1]} <= chosen],
        contains=[pair for pair in graph.contains if {*pair} <= chosen],
    )
