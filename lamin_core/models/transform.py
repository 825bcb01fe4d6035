"""Transforms: the versions of a piece of code, and the series that they share."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, validates

from lamin_core.errors import InvalidArgument
from lamin_core.models.annotated import Labels
from lamin_core.models.arguments import TransformArguments, keep_arguments
from lamin_core.models.base import Registry
from lamin_core.models.checks import check_optional_texts, shown, text_argument
from lamin_core.models.has_lineage import HasLineage
from lamin_core.models.queryset import QuerySet
from lamin_core.models.record_kinds import Versioned
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.tables import Base, Identity, Key
from lamin_core.uids import VERSION_LENGTH

if TYPE_CHECKING:
    from lamin_core.models.label import ULabel
    from lamin_core.models.project import Project, Reference
    from lamin_core.models.run import Run
    from lamin_core.models.user import User


class TransformSeries(Base):
    """All versions of the transform with this namespace (the engine) and key."""

    __tablename__ = "transform_series"
    __table_args__ = (
        UniqueConstraint("key", "namespace"),
        Index("ix_transform_series_namespace", "namespace", "key"),
    )

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    stem: Mapped[str] = mapped_column(String(12), unique=True)
    namespace: Mapped[str] = mapped_column(Key)
    key: Mapped[str] = mapped_column(Key)
    declared_at: Mapped[datetime | None]
    """The time of the first event that described the job without a run and without its code."""
    facets: Mapped[dict[str, Any] | None]
    """The facets of the job by name: the stamp of the event, and the facet."""


class JobDataset(Base):
    """A job is declared, without a run, to read or write the datasets of a series."""

    __tablename__ = "job_dataset"

    job_id: Mapped[int] = mapped_column(
        ForeignKey("transform_series.id", ondelete="CASCADE"), primary_key=True
    )
    direction: Mapped[str] = mapped_column(String(8), primary_key=True)
    series_id: Mapped[int] = mapped_column(
        ForeignKey("artifact_series.id", ondelete="CASCADE"), primary_key=True, index=True
    )


KINDS = (
    *("script", "notebook", "pipeline", "function", "flow", "step", "upload", "linker", "glue"),
    "instrument",
    *("workflow", "rule", "process", "task", "job", "dag", "query", "command", "model", "service"),
)
"""The kinds that people may set; events may contain others."""


class Transform(HasLineage, Versioned, Registry):
    """One version of a workflow, a rule, a process, a task, a script, a notebook or a function.

    Transforms with the same key and namespace are versions of one series.

    Examples:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> first = ln.Transform(key="align.py", kind="script", source_code="v1").save()
        >>> second = ln.Transform(key="align.py", kind="script", source_code="v2").save()
        >>> first.version, second.version, second.is_latest
        ('0000', '0001', True)
    """

    __tablename__ = "transform"
    __table_args__ = (
        UniqueConstraint("series_id", "number"),
        UniqueConstraint("series_id", "hash"),
        Index(
            "ix_transform_one_latest",
            "series_id",
            unique=True,
            sqlite_where=text("is_latest"),
        ),
    )
    _stem_length = 12
    _name_field = "key"
    _search_fields = ("key", "description")
    _editable = ("description", "kind", "language", "reference", "reference_type")
    _editable_alone = ("version_tag",)
    _initial = ("key", "namespace", "source_code")
    _instead = {
        "key": "ln.Transform(key=..., revises=transform).save() is its next version, under the other key",
        "source_code": "ln.Transform(key=..., source_code=...).save() is its next version",
        "hash": "ln.Transform(key=..., source_code=...).save() is its next version",
        "type": "transform.kind = ...; transform.save()",
        "version": "transform.version_tag = '2.1'; transform.save()",
    }
    _aliases = {"type": "kind"}

    series_id: Mapped[int] = mapped_column(ForeignKey("transform_series.id"))
    number: Mapped[int]
    is_latest: Mapped[bool]
    key: Mapped[str] = mapped_column(Key, index=True)
    namespace: Mapped[str] = mapped_column(Key)
    kind: Mapped[str | None] = mapped_column(String(32))
    hash: Mapped[str | None] = mapped_column(String(64))
    """BLAKE3 of the source code; None while the source is unknown."""
    source_code: Mapped[str | None] = mapped_column(Text, info={"long": True})
    language: Mapped[str | None] = mapped_column(String(64))
    description: Mapped[str | None]
    reference: Mapped[str | None]
    reference_type: Mapped[str | None] = mapped_column(String(32))
    version_tag: Mapped[str | None] = mapped_column(String(64))
    """The name of this version, such as `2.1`; None if people gave none."""
    origin: Mapped[str] = mapped_column(String(8))
    """`api` for rows that people created, `event` for rows that a rebuild computes again."""
    edited: Mapped[list[Any] | None] = mapped_column(info={"long": True})
    """The fields of an event's row that people changed; events do not overwrite them."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    stamp: Mapped[str | None]
    """The stamp of the event that described it last."""

    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    runs: ClassVar[ToMany[Run]] = ToMany("Run", own="transform_id")
    labels = Labels()
    ulabels: ClassVar[ToMany[ULabel]] = ToMany(
        "ULabel", link="TransformULabel", own="transform_id", other="ulabel_id"
    )
    projects: ClassVar[ToMany[Project]] = ToMany(
        "Project", link="TransformProject", own="transform_id", other="project_id"
    )
    references: ClassVar[ToMany[Reference]] = ToMany(
        "Reference", link="TransformReference", own="transform_id", other="reference_id"
    )

    def __init__(
        self,
        *,
        key: str | None = None,
        kind: str = "pipeline",
        version: str | None = None,
        description: str | None = None,
        source_code: str | None = None,
        revises: Transform | None = None,
        language: str | None = None,
        reference: str | None = None,
        reference_type: str | None = None,
        type: str | None = None,
        uid: str | None = None,
        namespace: str = "python",
    ) -> None:
        """Create a transform. `save()` records it, or returns the existing version with the same code.

        Args:
            key: A name that is unique for its namespace, such as a path. The same key with another
                `source_code` or `version` is the next version.
            kind: What it is, such as `script`, `notebook` or `instrument`.
            version: The name of this version, such as `2.1`.
            description: The title.
            source_code: The source.
            revises: The previous version, if its key differs.
            language: The language of the source.
            reference: A URL or another reference to the code.
            reference_type: The type of the reference.
            type: Another name of `kind`, as in LaminDB.
            uid: The uid: 12 characters for all versions, 16 for one version.
            namespace: The engine that the key belongs to.

        Raises:
            InvalidArgument: The key is missing, the kind is unknown, or `revises` is not saved.
        """
        text_argument(namespace, "namespace", 'namespace="python"')
        check_optional_texts(
            key=key,
            kind=kind,
            version=version,
            description=description,
            type=type,
            language=language,
        )
        if key is None and revises is None:
            raise InvalidArgument("a transform needs a key", hint='Transform(key="align.py")')
        if revises is not None and (not isinstance(revises, Transform) or revises.id is None):
            raise InvalidArgument(
                f"not a saved transform: {shown(revises)}", hint="revises=ln.Transform.get(...)"
            )
        super().__init__(
            key=key or (None if revises is None else revises.key),
            kind=type or kind,
            version_tag=version,
            description=description or (None if revises is None else revises.description),
            language=language,
            reference=reference,
            reference_type=reference_type,
            namespace=namespace,
        )
        self.source_code = source_code
        keep_arguments(self, TransformArguments(revises=revises, uid=uid))

    @property
    def predecessors(self) -> QuerySet[Transform]:
        """The transforms whose outputs are inputs of this one."""
        return Transform.filter(runs__output_artifacts__input_of_runs__transform=self).exclude(
            id=self.id
        )

    @property
    def successors(self) -> QuerySet[Transform]:
        """The transforms whose inputs are outputs of this one."""
        return Transform.filter(runs__input_artifacts__output_of_runs__transform=self).exclude(
            id=self.id
        )

    @validates("kind")
    def _check_kind(self, field: str, kind: str | None) -> str | None:
        self._check_value(field, kind)
        return kind

    @classmethod
    def _check_value(cls, field: str, value: object) -> None:
        if field == "kind" and value is not None and value not in KINDS:
            near = difflib.get_close_matches(str(value), KINDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"one of: {', '.join(KINDS)}"
            raise InvalidArgument(f"not a kind of transform: {shown(value)}", hint=hint)

    def _check_new(self) -> None:
        if not isinstance(self.key, str) or not self.key.strip():
            raise InvalidArgument(f"not a key: {shown(self.key)}", hint='Transform(key="align.py")')

    @property
    def type(self) -> str | None:
        """Another name of `kind`, as in LaminDB."""
        return self.kind

    @property
    def version(self) -> str:
        """The name of this version; without one, the last four characters of its uid."""
        return self.version_tag or self.uid[-VERSION_LENGTH:]

    @property
    def versions(self) -> QuerySet[Self]:
        """All versions, newest first."""
        return type(self).all().filter(series_id=self.series_id).order_by("-number")

    @property
    def latest_run(self) -> Run | None:
        """The run of this version that started last."""
        return self.runs.order_by("-started_at").first()

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ("kind",)
