"""The data of the lineage view in a file or a notebook: groups, their members, and the links between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

from lamin_core.lineage.aggregate import Aggregate, Group, Level, aggregate
from lamin_core.lineage.graph import Graph
from lamin_core.render.groups import group_box
from lamin_core.render.layout import layout
from lamin_core.render.svg import Box, standalone_style, written
from lamin_core.runtime.printable import printable, printable_lines

_SINGLES = 50
"""Members of a group that can be shown by themselves; the others remain one box."""
_ALL = 1_000_000


class Shape(TypedDict):
    """The box of a group or of a member, its width in pixels, and the shares of its states."""

    token: str
    name: str
    detail: str
    title: str
    classes: str
    width: float
    bar: list[tuple[str, float]]


class Member(Shape):
    """A member, or the rest of a group, with what JSON and CSV have of it."""

    kind: str
    label: str
    count: int
    states: dict[str, int]
    engine: str | None
    seconds: float | None
    size: int | None


class GroupShape(TypedDict):
    """The box of a group, and the indices of its members."""

    shape: Shape
    members: list[int]


class ViewData(TypedDict):
    """What the script of the view reads (`frontend/src/file.ts`)."""

    name: str
    style: str
    note: str
    groups: list[GroupShape]
    members: list[Member]
    links: list[tuple[int, int]]


@dataclass(frozen=True)
class Groups:
    """A lineage as groups, as the web pages draw it, and with all of them expanded.

    Args:
        graph: The artifacts and runs.
        starts: The nodes that it is about: artifacts by primary key, runs by its negative.
        folded: The groups.
        opened: The members of the groups, at most 50 of each by themselves.
        remarks: Words behind artifacts, by primary key.
    """

    graph: Graph
    starts: frozenset[int]
    folded: Aggregate
    opened: Aggregate
    remarks: Mapping[int, str]

    @classmethod
    def of(cls, graph: Graph, starts: Collection[int], level: Level, remarks: Mapping[int, str]) -> Groups:  # fmt: skip
        """The groups of this graph, at most 150, the nearest to the starts."""
        folded = aggregate(graph, starts, level=level)
        several = [group.token for group in folded.groups.values() if len(group.members) > 1]
        opened = aggregate(
            graph, starts, level=level, expanded=several, most=_ALL, singles=_SINGLES
        )
        return cls(graph, frozenset(starts), folded, opened, remarks)

    @property
    def note(self) -> str:
        """The line below the drawing, where groups are left out."""
        drawn, total = len(self.folded.groups), self.folded.total
        return f"{drawn:,} of {total:,} boxes, the nearest" if drawn < total else ""

    def svg(self) -> str:
        """The groups as SVG text."""
        boxes = {first: self._box(group) for first, group in self.folded.groups.items()}
        links = list(self.folded.links)
        places = layout({first: box.width for first, box in boxes.items()}, links)
        return written(boxes, links, places, self.note)

    def data(self, name: str) -> ViewData:
        """The groups and their members for the script; `name` is the beginning of the names of files that it saves."""
        group_of = self.folded.group_of
        units = {first: unit for first, unit in self.opened.groups.items() if first in group_of}
        index = {first: number for number, first in enumerate(units)}
        parts: dict[int, list[int]] = {first: [] for first in self.folded.groups}
        for first, number in index.items():
            parts[group_of[first]].append(number)
        return {
            "name": name,
            "style": standalone_style(),
            "note": self.note,
            "groups": [
                {"shape": _shape(self._box(group)), "members": parts[first]}
                for first, group in self.folded.groups.items()
            ],
            "members": [self._member(unit) for unit in units.values()],
            "links": [
                (index[above], index[below])
                for above, below in self.opened.links
                if above in index and below in index
            ],
        }

    def _member(self, unit: Group) -> Member:
        facts = unit.view()
        return {
            **_shape(self._box(unit)),
            "kind": facts["kind"],
            "label": printable(facts["name"]),
            "count": facts["count"],
            "states": facts["states"],
            "engine": facts["engine"],
            "seconds": facts["seconds"],
            "size": facts["size"],
        }

    def _box(self, group: Group) -> Box:
        box = group_box(self.graph, group, is_start=group.members[0] in self.starts)
        words = [self.remarks[node] for node in group.members if node in self.remarks]
        if not words:
            return box
        is_outdated = any(word.startswith("outdated") for word in words)
        word = "outdated" if is_outdated else words[0] if len(group.members) == 1 else ""
        return replace(
            box,
            detail=" · ".join(filter(None, (word, box.detail))),
            title="\n".join([box.title, *dict.fromkeys(words)]),
            classes=f"{box.classes}{' outdated' * is_outdated}",
        )


def _shape(box: Box) -> Shape:
    return {
        "token": box.token,
        "name": box.name,
        "detail": box.detail,
        "title": printable_lines(box.title),
        "classes": box.classes,
        "width": round(box.width, 2),
        "bar": list(box.bar),
    }
