"""Base classes of the registries of terms: synonyms, and wider and narrower records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self, overload

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.checks import steps_argument, text_argument
from lamin_core.models.interfaces import HierarchyGraph
from lamin_core.models.queryset import FieldName, QuerySet
from lamin_core.runtime import current


class Synonymous:
    """Base class of the registries whose records have synonyms."""

    synonyms: Mapped[str | None] = mapped_column(Text)
    """Other names, joined by `|`."""

    def add_synonym(self, *names: str) -> None:
        """Add synonyms and save the record. Raises `InvalidArgument` for a name that is blank or contains `|`."""
        _check_synonyms(names)
        if wrong := [name for name in names if "|" in name or not name.strip()]:
            raise InvalidArgument(
                f"not a name: {wrong[0]!r}", hint="name them one by one: add_synonym('a', 'b')"
            )
        self._set_synonyms([*(self.synonyms or "").split("|"), *names])

    def remove_synonym(self, *names: str) -> None:
        """Remove synonyms and save the record."""
        _check_synonyms(names)
        self._set_synonyms([name for name in (self.synonyms or "").split("|") if name not in names])

    def _set_synonyms(self, names: list[str]) -> None:
        self.synonyms = "|".join(dict.fromkeys(filter(None, names))) or None
        current.current_instance().save(self)


def _check_synonyms(names: Iterable[object]) -> None:
    for name in names:
        text_argument(name, "a synonym", "add_synonym('a', 'b')")


class Hierarchical:
    """Base class of the registries whose records have `parents` and `children`."""

    def query_parents(self) -> QuerySet[Self]:
        """Return all parents, their parents and so on."""
        terms: QuerySet[Self] = current.current_instance().reached(self, "parents")
        return terms

    def query_children(self) -> QuerySet[Self]:
        """Return all children, their children and so on."""
        terms: QuerySet[Self] = current.current_instance().reached(self, "children")
        return terms

    @overload
    def view_parents(
        self,
        field: FieldName = None,
        *,
        distance: int | None = 5,
        with_children: bool = False,
        return_graph: Literal[False] = False,
    ) -> None: ...
    @overload
    def view_parents(
        self,
        field: FieldName = None,
        *,
        distance: int | None = 5,
        with_children: bool = False,
        return_graph: Literal[True],
    ) -> HierarchyGraph: ...

    def view_parents(
        self,
        field: FieldName = None,
        *,
        distance: int | None = 5,
        with_children: bool = False,
        return_graph: bool = False,
    ) -> HierarchyGraph | None:
        """Show the parents, their parents and so on: in a notebook as a picture, elsewhere as text.

        Args:
            field: The field to show; by default the name.
            distance: Maximum number of steps; None for all.
            with_children: Also show the children.
            return_graph: Return the graph, with `svg()` and `tree()`, and show nothing.
        """
        return self._viewed(
            field, distance, distance if with_children else 0, return_graph=return_graph
        )

    @overload
    def view_children(
        self,
        field: FieldName = None,
        *,
        distance: int | None = 5,
        return_graph: Literal[False] = False,
    ) -> None: ...
    @overload
    def view_children(
        self, field: FieldName = None, *, distance: int | None = 5, return_graph: Literal[True]
    ) -> HierarchyGraph: ...

    def view_children(
        self, field: FieldName = None, *, distance: int | None = 5, return_graph: bool = False
    ) -> HierarchyGraph | None:
        """Show the children, their children and so on. Arguments as for `view_parents`."""
        return self._viewed(field, 0, distance, return_graph=return_graph)

    def _viewed(
        self, field: FieldName, up: int | None, down: int | None, *, return_graph: bool
    ) -> HierarchyGraph | None:
        up, down = steps_argument(up, "distance"), steps_argument(down, "distance")
        lineage = current.current_instance().lineage
        graph: HierarchyGraph | None = lineage.view_hierarchy(
            self, up=up, down=down, field=field, return_graph=return_graph
        )
        return graph
