"""Executions, and what they read, wrote and waited for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core import context
from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Base, Identity, Registry
from lamin_core.models.relations import Many, One
from lamin_core.types import RunStatus

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact
    from lamin_core.models.environment import Environment
    from lamin_core.models.label import ULabel
    from lamin_core.models.project import Project
    from lamin_core.models.transform import Transform
    from lamin_core.models.user import User


class Run(Registry):
    """One execution of a transform: a workflow, or one attempt at a step of it."""

    __tablename__ = "run"
    # By time, and by time within what people ask for most: a page of a long list reads that page alone.
    __table_args__ = (
        Index("ix_run_created_at", "created_at", "id"),
        Index("ix_run_transform_id", "transform_id", "created_at", "id"),
        Index("ix_run_status", "status", "created_at", "id"),
    )
    _name_field = "name"

    external_id: Mapped[str] = mapped_column(String(128), unique=True)
    """The OpenLineage run id."""
    name: Mapped[str | None]
    engine: Mapped[str] = mapped_column(String(64))
    engine_version: Mapped[str | None]
    transform_id: Mapped[int] = mapped_column(ForeignKey("transform.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    status: Mapped[str] = mapped_column(String(16))
    cached: Mapped[bool] = mapped_column(default=False)
    attempt: Mapped[int] = mapped_column(default=1)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    params: Mapped[dict[str, Any] | None]
    details: Mapped[dict[str, Any] | None]
    """What the engine said beside that: threads, exit code, log path; and facets we have no field for."""
    error: Mapped[str | None]
    entrypoint: Mapped[str | None]
    environment_id: Mapped[int | None] = mapped_column(ForeignKey("environment.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    host: Mapped[str | None]
    pid: Mapped[int | None]
    origin: Mapped[str] = mapped_column(String(8))
    """`api` for runs tracked by Python, `event` for runs that events told of, `stub` where only a child spoke of it."""

    transform: ClassVar[One[Transform]] = One("Transform", "transform_id")
    parent: ClassVar[One[Run]] = One("Run", "parent_id")
    environment: ClassVar[One[Environment]] = One("Environment", "environment_id")
    created_by: ClassVar[One[User]] = One("User", "created_by_id")
    children: ClassVar[Many[Run]] = Many("Run", own="parent_id")
    ulabels: ClassVar[Many[ULabel]] = Many("ULabel", link="RunULabel", own="run_id", other="ulabel_id")
    projects: ClassVar[Many[Project]] = Many("Project", link="RunProject", own="run_id", other="project_id")
    input_artifacts: ClassVar[Many[Artifact]] = Many(
        "Artifact", link="RunArtifact", own="run_id", other="artifact_id", only={"direction": "input"}
    )
    output_artifacts: ClassVar[Many[Artifact]] = Many(
        "Artifact", link="RunArtifact", own="run_id", other="artifact_id", only={"direction": "output"}
    )

    def __init__(
        self, transform: Any, *, name: str | None = None, params: dict[str, Any] | None = None, parent: Any = None
    ) -> None:
        """A run to be saved, of a saved transform; it starts when it is saved."""
        if getattr(transform, "id", None) is None:
            raise InvalidArgument("a run needs a saved transform", hint="Run(transform.save())")
        parent_id = None if parent is None else parent.id
        super().__init__(
            name=name, params=params, status=RunStatus.RUNNING, transform_id=transform.id, parent_id=parent_id
        )

    @property
    def initiated_by_run(self) -> Run | None:
        """The seed's name for `parent`."""
        return self.parent

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it runs."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    def complete(self) -> Run:
        """It has ended well."""
        return self._end(RunStatus.COMPLETED, None)

    def fail(self, error: BaseException | str) -> Run:
        """It has failed, for this reason."""
        return self._end(RunStatus.FAILED, error)

    def abort(self, reason: BaseException | str = "aborted") -> Run:
        """It was cancelled or interrupted."""
        return self._end(RunStatus.ABORTED, reason)

    def _end(self, status: RunStatus, error: BaseException | str | None) -> Run:
        ended: Run = context.connection().lineage.end(self, status, error)
        return ended

    def view_lineage(self, *, return_graph: bool = False) -> Any:
        """What it read and wrote, and what hangs on that: printed as a tree, or returned as a graph."""
        return context.connection().lineage.view(self, return_graph=return_graph)

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ("status", "engine")


class RunArtifact(Base):
    """A run read or wrote an artifact: the one edge table of the lineage graph."""

    __tablename__ = "run_artifact"
    __table_args__ = (
        UniqueConstraint("run_id", "direction", "artifact_id"),
        Index("ix_run_artifact_artifact", "artifact_id", "direction", "run_id"),
        Index("ix_run_artifact_series", "series_id", "observed_at"),
    )

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    direction: Mapped[str] = mapped_column(String(8))
    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))
    series_id: Mapped[int] = mapped_column(ForeignKey("artifact_series.id", ondelete="CASCADE"))
    content_id: Mapped[int | None] = mapped_column(ForeignKey("content.id"))
    """The content that the run saw; None when it did not say."""
    observed_at: Mapped[datetime]
    role: Mapped[str | None] = mapped_column(String(32))
    facets: Mapped[dict[str, Any] | None]


class RunDependency(Base):
    """A run waited for another with no artifact between them."""

    __tablename__ = "run_dependency"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(32), primary_key=True)
