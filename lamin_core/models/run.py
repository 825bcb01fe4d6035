"""Runs, and what they read, wrote and waited for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.enums import RunStatus
from lamin_core.errors import InvalidArgument
from lamin_core.models.annotated import Features, Labels
from lamin_core.models.base import Registry
from lamin_core.models.checks import shown
from lamin_core.models.has_lineage import HasLineage
from lamin_core.models.interfaces import RunComparison
from lamin_core.models.queryset import QuerySet, RelatedSet
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.tables import Base, Identity
from lamin_core.runtime import current
from lamin_core.runtime.redaction import redact

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact
    from lamin_core.models.environment import Environment
    from lamin_core.models.label import ULabel
    from lamin_core.models.project import Project
    from lamin_core.models.transform import Transform
    from lamin_core.models.user import User


_BEGINNINGS = {
    "started": RunStatus.RUNNING,
    "running": RunStatus.RUNNING,
    "scheduled": RunStatus.SCHEDULED,
}
_HOW_RUNS_BEGIN = "begin it `started` or `scheduled`; complete(), fail() end it"


def masked_params(params: object) -> dict[str, Any] | None:
    """Return the parameters of a run with their secrets masked. Raises `InvalidArgument` for what is not a dict.

    >>> masked_params({"alpha": 0.1, "password": "hunter2"})
    {'alpha': 0.1, 'password': '***'}
    """
    if params is not None and not isinstance(params, dict):
        raise InvalidArgument(f"not parameters: {shown(params)}", hint='params={"alpha": 0.1}')
    masked: dict[str, Any] | None = redact(params)
    return masked


class Run(HasLineage, Registry):
    """One execution of a transform: of a workflow, or one attempt at a step of it.

    `ln.track()` and the adapters create runs. Create one yourself for work outside of Python.

    Examples:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> transform = ln.Transform(key="sequencer", kind="instrument").save()
        >>> run = ln.Run(transform, params={"lane": 4}, status="scheduled").save()
        >>> run.start().complete().status
        'completed'
    """

    __tablename__ = "run"
    # By time, and by time within what people ask for most: a page of a long list reads that page
    # alone.
    __table_args__ = (
        Index("ix_run_created_at", "created_at", "id"),
        Index("ix_run_transform_id", "transform_id", "created_at", "id"),
        Index("ix_run_status", "status", "created_at", "id"),
        Index("ix_run_engine", "engine", "created_at", "id"),
    )
    _name_field = "name"
    _search_fields = ("name",)
    _editable = ("name", "description", "reference", "reference_type")
    _editable_alone = ("params", "entrypoint")
    _initial = (
        *("transform_id", "parent_id", "root_run_id", "status"),
        *("engine", "engine_version", "details", "environment_id"),
    )
    _instead = {
        "status": "run.complete(), run.fail(error) or run.abort()",
        "error": "run.fail(error)",
        "started_at": "run.start()",
        "finished_at": "run.complete(), run.fail(error) or run.abort()",
        "transform": "ln.Run(transform).save()",
        "parent": "ln.Run(transform, parent=run).save()",
        "initiated_by_run": "ln.Run(transform, initiated_by_run=run).save()",
        "report": "ln.track(report=True) keeps what is printed",
    }
    _aliases = {"initiated_by_run": "parent", "initiated_runs": "children"}
    _feature_values = "RunFeatureValue"

    external_id: Mapped[str] = mapped_column(String(128), unique=True)
    """The OpenLineage run id."""
    name: Mapped[str | None]
    engine: Mapped[str] = mapped_column(String(64))
    engine_version: Mapped[str | None]
    transform_id: Mapped[int] = mapped_column(ForeignKey("transform.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    root_run_id: Mapped[str | None] = mapped_column(String(128), index=True)
    """The OpenLineage run id of the root run, if an event names it."""
    status: Mapped[str] = mapped_column(String(16))
    cached: Mapped[bool] = mapped_column(default=False)
    attempt: Mapped[int] = mapped_column(default=1)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    params: Mapped[dict[str, Any] | None]
    details: Mapped[dict[str, Any] | None]
    """Further data of the engine: threads, exit code, log path, and facets without a field."""
    error: Mapped[str | None]
    entrypoint: Mapped[str | None]
    environment_id: Mapped[int | None] = mapped_column(ForeignKey("environment.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    host: Mapped[str | None]
    pid: Mapped[int | None]
    process_birth: Mapped[str | None]
    """Distinguishes the process with this id from later ones with the same id, see `lamin_core.runtime.process`."""
    description: Mapped[str | None]
    reference: Mapped[str | None]
    reference_type: Mapped[str | None] = mapped_column(String(32))
    origin: Mapped[str] = mapped_column(String(8))
    """`api` for runs tracked by Python, `event` for runs of events, `stub` for runs that only their children name."""
    edited: Mapped[list[Any] | None] = mapped_column(info={"long": True})
    """The fields that people changed on a row that events made: no event writes them over."""

    transform: ClassVar[ToOne[Transform]] = ToOne("Transform", "transform_id")
    parent: ClassVar[ToOne[Run | None]] = ToOne("Run", "parent_id")
    environment: ClassVar[ToOne[Environment | None]] = ToOne("Environment", "environment_id")
    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    children: ClassVar[ToMany[Run]] = ToMany("Run", own="parent_id")
    features = Features()
    labels = Labels()
    ulabels: ClassVar[ToMany[ULabel]] = ToMany(
        "ULabel", link="RunULabel", own="run_id", other="ulabel_id"
    )
    projects: ClassVar[ToMany[Project]] = ToMany(
        "Project", link="RunProject", own="run_id", other="project_id"
    )
    _reports: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", link="RunReport", own="run_id", other="artifact_id"
    )
    _logs: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", link="RunArtifact", own="run_id", other="artifact_id", only={"role": "log"}
    )
    input_artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact",
        link="RunArtifact",
        own="run_id",
        other="artifact_id",
        only={"direction": "input"},
    )
    output_artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact",
        link="RunArtifact",
        own="run_id",
        other="artifact_id",
        only={"direction": "output"},
    )

    def __init__(
        self,
        transform: Transform,
        *,
        name: str | None = None,
        description: str | None = None,
        entrypoint: str | None = None,
        params: dict[str, Any] | None = None,
        status: str = "started",
        parent: Run | None = None,
        initiated_by_run: Run | None = None,
        reference: str | None = None,
        reference_type: str | None = None,
    ) -> None:
        """Create a run of a saved transform. It starts on `save()`, or with `start()` if `status="scheduled"`.

        `initiated_by_run` is another name of `parent`. Raises `InvalidArgument` for a transform or a
        parent that is not saved, and for another status.
        """
        if not hasattr(transform, "stem_uid") or getattr(transform, "id", None) is None:
            raise InvalidArgument("a run needs a saved transform", hint="Run(transform.save())")
        if not isinstance(status, str) or status not in _BEGINNINGS:
            raise InvalidArgument(f"a run cannot begin {shown(status)}", hint=_HOW_RUNS_BEGIN)
        above = initiated_by_run if parent is None else parent
        if above is not None and (not isinstance(above, Run) or above.id is None):
            raise InvalidArgument(f"not a saved run: {shown(above)}", hint="parent=ln.Run.get(...)")
        super().__init__(
            name=name,
            description=description,
            entrypoint=entrypoint,
            params=masked_params(params),
            status=_BEGINNINGS[status],
            transform_id=transform.id,
            parent_id=None if above is None else above.id,
            root_run_id=None if above is None else above.root_run_id or above.external_id,
            reference=reference,
            reference_type=reference_type,
        )

    def _check_new(self) -> None:
        self.params = masked_params(self.params)
        if self.status not in _BEGINNINGS.values():
            raise InvalidArgument(f"a run cannot begin {shown(self.status)}", hint=_HOW_RUNS_BEGIN)

    @property
    def initiated_by_run(self) -> Run | None:
        """Another name of `parent`, as in LaminDB."""
        return self.parent

    @property
    def initiated_runs(self) -> RelatedSet[Run]:
        """Another name of `children`, as in LaminDB."""
        return self.children

    @property
    def recreated_artifacts(self) -> QuerySet[Artifact]:
        """The output artifacts whose bytes an earlier run had made already."""
        return self.output_artifacts.exclude(run=self)

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None until both are known."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def report(self) -> Artifact | None:
        """The stored output of the run, its notebook with outputs, or the log file of an engine's job; else None."""
        return self._reports.first() or self._logs.first()

    @property
    def git(self) -> dict[str, Any] | None:
        """Commit, branch, remote and `dirty` of the code; None if it was not in a git repository."""
        return (self.details or {}).get("git")

    @property
    def cli_args(self) -> str | None:
        """The command-line arguments of the script, with secrets masked."""
        return (self.details or {}).get("arguments")

    def start(self) -> Run:
        """Start a scheduled run now, and return it; a run that has started stays unchanged."""
        started: Run = current.current_instance().runs.start(self)
        return started

    def complete(self) -> Run:
        """End the run now, as completed, and return it; a run that has ended stays unchanged."""
        return self._end(RunStatus.COMPLETED, None)

    def fail(self, error: BaseException | str = "failed") -> Run:
        """End the run now, as failed with this error, and return it; a run that has ended stays unchanged."""
        return self._end(RunStatus.FAILED, error)

    def abort(self, reason: BaseException | str = "aborted") -> Run:
        """End the run now, as cancelled or interrupted, and return it; a run that has ended stays unchanged."""
        return self._end(RunStatus.ABORTED, reason)

    def _end(self, status: RunStatus, error: BaseException | str | None) -> Run:
        ended: Run = current.current_instance().runs.end(self, status, error)
        return ended

    def diff(self, other: Run | str) -> RunComparison:
        """Compare another run with this one.

        Args:
            other: A run, the uid of a run, or the key of a transform, which means its newest run.

        Returns:
            The differences in `params`, `code`, `environment`, `inputs`, `outputs`, `duration`
            and others; `print` shows them as text.

        Raises:
            NotFound: There is no such run.
        """
        comparison: RunComparison = current.current_instance().lineage.diff(self, other)
        return comparison

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
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    """None where the dataset was described without a run; `direction` is then `dataset`."""
    direction: Mapped[str] = mapped_column(String(8))
    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))
    series_id: Mapped[int] = mapped_column(ForeignKey("artifact_series.id", ondelete="CASCADE"))
    content_id: Mapped[int | None] = mapped_column(ForeignKey("content.id"))
    """The content that the run saw; None when it did not say."""
    observed_at: Mapped[datetime]
    role: Mapped[str | None] = mapped_column(String(32))
    facets: Mapped[dict[str, Any] | None]
    traits: Mapped[dict[str, Any] | None]
    """Facts about the version except its content: schema, number of observations, description, labels, owner."""
    event_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The event, for facts without a run."""
    origin: Mapped[str] = mapped_column(String(8), default="event", server_default="event")
    """`api` where Python code has read or written it, which no event of the run speaks of."""


class RunDependency(Base):
    """A run waited for another with no artifact between them."""

    __tablename__ = "run_dependency"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    source_id: Mapped[int] = mapped_column(
        ForeignKey("run.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(String(32), primary_key=True)


class RunReport(Base):
    """The log of a run, or its notebook at the end; not an output that other runs read."""

    __tablename__ = "run_report"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    artifact_id: Mapped[int] = mapped_column(
        ForeignKey("artifact.id", ondelete="CASCADE"), index=True
    )
