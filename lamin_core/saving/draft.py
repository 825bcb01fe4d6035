"""An artifact that is being saved, with what is known about it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lamin_core.ingest.datasets import Series
from lamin_core.models import Artifact, Run
from lamin_core.models.arguments import Source
from lamin_core.storage.blobs import Copy
from lamin_core.storage.locations import Root

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class ArtifactDraft:
    """An artifact, and what the steps of saving find out about it."""

    artifact: Artifact
    source: Source
    run: Run | None
    revises: Artifact | None = None
    copy: Copy | None = None
    """None where the bytes stay where they are."""
    is_new_copy: bool = False
    content_id: int | None = None
    root: Root | None = None
    """The storage that has the bytes."""
    series: Series = field(init=False)
    head: Artifact | None = None
    """The latest version so far."""
    at: datetime = EPOCH
    """When it is observed, said once the series is known."""
    row: dict[str, Any] = field(default_factory=dict)
    """What is written of a new version."""

    @property
    def is_known(self) -> bool:
        """Whether the newest version has these bytes already."""
        return (
            self.head is not None
            and self.content_id is not None
            and self.head.content_id == self.content_id
        )

    @property
    def is_written(self) -> bool:
        """Whether the run may have made these bytes: a file in place that is older than the run is only named by it."""
        if self.run is None:
            return False
        seen, started = self.source.seen, self.run.started_at
        if self.source.target is not None or seen is None or started is None:
            return True
        return (
            max((modified for _, modified, *_ in seen.state), default=0)
            >= started.timestamp() * 1e9
        )
