"""What has a lineage: artifacts, runs, transforms, collections."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, overload

from lamin_core.models.interfaces import LineageGraph
from lamin_core.runtime import current


class HasLineage:
    """Adds the question where a record comes from, and what hangs on it."""

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
        """What made it and what hangs on it: in a notebook a picture, elsewhere a printed tree; or the graph.

        Of a run, what it read and wrote; of a transform, what all its runs did; of a collection,
        what made its artifacts. `up` and `down` limit the steps each way; `as_of` is a moment to
        look back from.
        """
        lineage = current.current_instance().lineage
        graph: LineageGraph | None = lineage.view(
            self, return_graph=return_graph, up=up, down=down, as_of=as_of
        )
        return graph
