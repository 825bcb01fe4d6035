"""Projects, and the papers and documents that they refer to."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import Date, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.label import Annotation, link_constraints
from lamin_core.models.record_kinds import Named, Trashable
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.tables import Base, Key

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact
    from lamin_core.models.run import Run
    from lamin_core.models.transform import Transform
    from lamin_core.models.user import User


class Project(Named, Trashable):
    """A project that data, code and runs belong to."""

    __tablename__ = "project"
    _name_field = "name"
    _search_fields = ("name", "abbr", "description")
    _editable = ("name", "abbr", "description", "url", "start_date", "end_date")

    name: Mapped[str] = mapped_column(Key, unique=True)
    abbr: Mapped[str | None] = mapped_column(String(32))
    description: Mapped[str | None]
    url: Mapped[str | None]
    start_date: Mapped[dt.date | None] = mapped_column(Date)
    end_date: Mapped[dt.date | None] = mapped_column(Date)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", link="ArtifactProject", own="project_id", other="artifact_id"
    )
    runs: ClassVar[ToMany[Run]] = ToMany("Run", link="RunProject", own="project_id", other="run_id")
    transforms: ClassVar[ToMany[Transform]] = ToMany(
        "Transform", link="TransformProject", own="project_id", other="transform_id"
    )
    references: ClassVar[ToMany[Reference]] = ToMany(
        "Reference", link="ProjectReference", own="project_id", other="reference_id"
    )

    def __init__(
        self,
        *,
        name: str,
        abbr: str | None = None,
        description: str | None = None,
        url: str | None = None,
        start_date: dt.date | None = None,
        end_date: dt.date | None = None,
    ) -> None:
        """A project to be saved; one with the same name is the same project."""
        super().__init__(
            name=name,
            abbr=abbr,
            description=description,
            url=url,
            start_date=start_date,
            end_date=end_date,
        )


class Reference(Named, Trashable):
    """A paper, a preprint or a document that work refers to."""

    __tablename__ = "reference"
    _name_field = "name"
    _search_fields = ("name", "abbr", "description", "authors", "doi")
    _editable = ("name", "abbr", "description", "url", "doi", "pubmed_id", "authors", "date")

    name: Mapped[str] = mapped_column(Key, unique=True)
    abbr: Mapped[str | None] = mapped_column(String(32))
    description: Mapped[str | None]
    url: Mapped[str | None]
    doi: Mapped[str | None] = mapped_column(String(255), index=True)
    pubmed_id: Mapped[int | None]
    authors: Mapped[str | None]
    date: Mapped[dt.date | None] = mapped_column(Date)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", link="ArtifactReference", own="reference_id", other="artifact_id"
    )
    transforms: ClassVar[ToMany[Transform]] = ToMany(
        "Transform", link="TransformReference", own="reference_id", other="transform_id"
    )
    projects: ClassVar[ToMany[Project]] = ToMany(
        "Project", link="ProjectReference", own="reference_id", other="project_id"
    )

    def __init__(
        self,
        *,
        name: str,
        abbr: str | None = None,
        description: str | None = None,
        url: str | None = None,
        doi: str | None = None,
        pubmed_id: int | None = None,
        authors: str | None = None,
        date: dt.date | None = None,
    ) -> None:
        """A reference to be saved; one with the same name is the same reference."""
        super().__init__(
            name=name,
            abbr=abbr,
            description=description,
            url=url,
            doi=doi,
            pubmed_id=pubmed_id,
            authors=authors,
            date=date,
        )


class ArtifactProject(Annotation, Base):
    """An artifact belongs to a project."""

    __tablename__ = "artifact_project"
    __table_args__ = link_constraints("artifact", "project")

    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))


class RunProject(Annotation, Base):
    """A run belongs to a project."""

    __tablename__ = "run_project"
    __table_args__ = link_constraints("run", "project")

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))


class TransformProject(Annotation, Base):
    """A transform belongs to a project."""

    __tablename__ = "transform_project"
    __table_args__ = link_constraints("transform", "project")

    transform_id: Mapped[int] = mapped_column(ForeignKey("transform.id", ondelete="CASCADE"))
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))


class ArtifactReference(Annotation, Base):
    """An artifact refers to a paper or document."""

    __tablename__ = "artifact_reference"
    __table_args__ = link_constraints("artifact", "reference")

    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))
    reference_id: Mapped[int] = mapped_column(ForeignKey("reference.id", ondelete="CASCADE"))


class TransformReference(Annotation, Base):
    """A transform refers to a paper or document."""

    __tablename__ = "transform_reference"
    __table_args__ = link_constraints("transform", "reference")

    transform_id: Mapped[int] = mapped_column(ForeignKey("transform.id", ondelete="CASCADE"))
    reference_id: Mapped[int] = mapped_column(ForeignKey("reference.id", ondelete="CASCADE"))


class ProjectReference(Base):
    """A project refers to a paper or document."""

    __tablename__ = "project_reference"

    project_id: Mapped[int] = mapped_column(
        ForeignKey("project.id", ondelete="CASCADE"), primary_key=True
    )
    reference_id: Mapped[int] = mapped_column(
        ForeignKey("reference.id", ondelete="CASCADE"), primary_key=True, index=True
    )
