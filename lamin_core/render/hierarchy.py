"""The terms above and below a term of a hierarchy, such as a label, as a drawing and as a text tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.models.relations import ToMany, relations_of
from lamin_core.render.display import LETTERS, MOST, Picture
from lamin_core.render.layout import Link, layout
from lamin_core.render.svg import Box, written
from lamin_core.runtime.printable import printable

LIMIT = 1_000
"""Terms at most, the nearest ones."""


@dataclass(frozen=True)
class Hierarchy(Picture):
    """Terms around one; a notebook shows a picture, `print(found.tree())` the text."""

    start: int
    names: Mapping[int, str]
    """By primary key, the nearest first."""
    links: tuple[Link, ...]
    """The wider and the narrower term."""
    truncated: bool = False
    downwards: bool = False
    """Whether the text begins with what is above it or shows what is below it."""

    def tree(self, *, downwards: bool | None = None) -> str:
        """The text: under each term the terms above it, or below it."""
        is_down = self.downwards if downwards is None else downwards
        below: defaultdict[int, list[int]] = defaultdict(list)
        for wider, narrower in self.links:
            below[wider if is_down else narrower].append(narrower if is_down else wider)
        lines = [
            printable(self.names[self.start]),
            *self._branches(below, self.start, "", {self.start}),
        ]
        return "\n".join([*lines, *(["... and more"] if self.truncated else [])])

    def _branches(
        self, below: Mapping[int, list[int]], term: int, indent: str, shown: set[int]
    ) -> Iterator[str]:
        stack = [(iter(below.get(term, ())), len(below.get(term, ())), indent)]
        while stack:
            terms, remaining, indent = stack.pop()
            child = next(terms, None)
            if child is None:
                continue
            stack.append((terms, remaining - 1, indent))
            again = child in shown and bool(below.get(child))
            name = printable(self.names[child])
            yield f"{indent}{'├─ ' if remaining > 1 else '└─ '}{name}{'  (see above)' if again else ''}"
            if child not in shown:
                shown.add(child)
                inner = below.get(child, ())
                stack.append(
                    (iter(inner), len(inner), indent + ("│  " if remaining > 1 else "   "))
                )

    def svg(self) -> str:
        """The picture: broader terms to the left. At most the 150 nearest terms."""
        drawn = list(self.names)[:MOST]
        boxes = {term: self._box(term) for term in drawn}
        links = [link for link in self.links if link[0] in boxes and link[1] in boxes]
        note = (
            ""
            if len(drawn) == len(self.names) and not self.truncated
            else f"the nearest {len(drawn)}"
        )
        places = layout({term: box.width for term, box in boxes.items()}, links)
        return written(boxes, links, places, note, kind=lambda _: "e")

    def _box(self, term: int) -> Box:
        name = printable(self.names[term])
        short = name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
        return Box(short, "", name, "artifact" + " start" * (term == self.start))

    def __repr__(self) -> str:
        cut = ", truncated" if self.truncated else ""
        return f"Hierarchy({self.names[self.start]!r}: {len(self.names)} terms, {len(self.links)} links{cut})"


def around(
    session: Session, record: Any, *, up: int | None, down: int | None, field: str
) -> Hierarchy:
    """The terms up to so many steps above and below this one; None is all the way. `field` is what names them."""
    registry = type(record)
    relations: dict[str, Any] = dict(relations_of(registry))
    reached = {record.id: None}
    links = [
        (wider, narrower)
        for narrower, wider in _steps(session, relations["parents"], reached, record.id, up)
    ]
    links += _steps(session, relations["children"], reached, record.id, down)
    nearest = list(reached)[:LIMIT]
    column = getattr(registry, field)
    rows = session.execute(
        select(registry.id, registry.uid, column).where(registry.id.in_(nearest))
    )
    names = {row[0]: str(row[1] if row[2] is None else row[2]) for row in rows}
    return Hierarchy(
        record.id,
        {term: names[term] for term in nearest if term in names},
        tuple(link for link in dict.fromkeys(links) if set(link) <= names.keys()),
        truncated=len(reached) > LIMIT,
        downwards=up == 0,
    )


def _steps(
    session: Session, relation: ToMany[Any], reached: dict[int, None], start: int, most: int | None
) -> list[Link]:
    """The links from a term over a relation, step by step; what is reached is noted, each once."""
    links: list[Link] = []
    frontier, seen, step = [start], {start}, 0
    while frontier and (most is None or step < most) and len(reached) <= LIMIT:
        new = _linked(session, relation, frontier)
        links += new
        frontier = [term for term in dict.fromkeys(other for _, other in new) if term not in seen]
        seen.update(frontier)
        reached.update(dict.fromkeys(frontier))
        step += 1
    return links


def _linked(session: Session, relation: ToMany[Any], terms: Collection[int]) -> list[Link]:
    own, other = getattr(relation.link, relation.own), getattr(relation.link, relation.other)
    rows = session.execute(select(own, other).where(own.in_(terms)).order_by(own, other))
    return [(row[0], row[1]) for row in rows]
