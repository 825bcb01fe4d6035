"""The method `view_lineage` of artifacts, runs, transforms and collections."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, overload

from lamin_core.models.interfaces import LineageGraph
from lamin_core.runtime import current


class HasLineage:
    """Base class of the records that have a lineage."""

    @overload
    def view_lineage(
        self,
        *,
        up: int | None = None,
        down: int | None = None,
        as_of: datetime | str | None = None,
        return_graph: Literal[False] = False,
    ) -> None: ...
    @overload
    def view_lineage(
        self,
        *,
        up: int | None = None,
        down: int | None = None,
        as_of: datetime | str | None = None,
        return_graph: Literal[True],
    ) -> LineageGraph: ...

    def view_lineage(
        self,
        *,
        up: int | None = None,
        down: int | None = None,
        as_of: datetime | str | None = None,
        return_graph: bool = False,
    ) -> LineageGraph | None:
        """Show the lineage of this record: in a notebook as a drawing, elsewhere as a printed tree.

        The drawing in a notebook can be expanded and searched, without network; SVG is also in the
        output. For a run, the lineage of its inputs and outputs; for a transform, of all its runs; for a
        collection, of its artifacts. A step leads from an artifact to a run, or from a run to an
        artifact. The graph contains at most the nearest 50,000 nodes.

        Args:
            up: Maximum number of steps upstream; by default all.
            down: Maximum number of steps downstream; by default all in a picture and in the graph,
                and none in a printed tree.
            as_of: Show what was known at this time: a `datetime`, `"2026-03-01"`, or an age such as
                `"2h"`.
            return_graph: Return the graph and show nothing.

        Returns:
            The graph with `return_graph=True`: `artifacts`, `runs`, `edges`, `truncated`, `tree()`,
            `svg()`, `dot()` and `mermaid()`. Otherwise None.

        Raises:
            InvalidArgument: `as_of` is not a time, or a number of steps is negative.
        """
        lineage = current.current_instance().lineage
        graph: LineageGraph | None = lineage.view(
            self, return_graph=return_graph, up=up, down=down, as_of=as_of
        )
        return graph
