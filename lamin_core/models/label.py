"""Labels, their groups and their hierarchy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Registry
from lamin_core.models.checks import shown
from lamin_core.models.record_kinds import Named, Trashable
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.tables import Base, Identity, Key
from lamin_core.models.terms import Hierarchical, Synonymous

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact
    from lamin_core.models.collection import Collection
    from lamin_core.models.run import Run
    from lamin_core.models.transform import Transform
    from lamin_core.models.user import User

Type = TypeVar("Type", bound=Registry)


class ULabel(Hierarchical, Synonymous, Named, Trashable):
    """A label for artifacts, runs, transforms and collections.

    A label may have one `type`, which is a label with `is_type=True`, and any number of `parents`.

    Examples:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> perturbation = ln.ULabel(name="Perturbation", is_type=True).save()
        >>> label = ln.ULabel(name="DMSO", type=perturbation).save()
        >>> ln.ULabel.filter(type=perturbation).one().name
        'DMSO'
    """

    __tablename__ = "ulabel"
    __table_args__ = (
        UniqueConstraint("name", "type_id"),
        Index(
            "ix_ulabel_untyped",
            "name",
            unique=True,
            sqlite_where=text("type_id IS NULL"),
        ),
    )
    _name_field = "name"
    _search_fields = ("name", "description", "synonyms")
    _editable = ("name", "description", "is_type")
    _editable_alone = ("type_id", "synonyms")

    name: Mapped[str] = mapped_column(Key)
    description: Mapped[str | None]
    is_type: Mapped[bool] = mapped_column(default=False, server_default=false())
    type_id: Mapped[int | None] = mapped_column(ForeignKey("ulabel.id"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    type: ClassVar[ToOne[ULabel | None]] = ToOne("ULabel", "type_id")
    records: ClassVar[ToMany[ULabel]] = ToMany("ULabel", own="type_id")
    """The labels of this type."""
    parents: ClassVar[ToMany[ULabel]] = ToMany(
        "ULabel", link="ULabelParent", own="ulabel_id", other="parent_id"
    )
    children: ClassVar[ToMany[ULabel]] = ToMany(
        "ULabel", link="ULabelParent", own="parent_id", other="ulabel_id"
    )
    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", link="ArtifactULabel", own="ulabel_id", other="artifact_id"
    )
    runs: ClassVar[ToMany[Run]] = ToMany("Run", link="RunULabel", own="ulabel_id", other="run_id")
    transforms: ClassVar[ToMany[Transform]] = ToMany(
        "Transform", link="TransformULabel", own="ulabel_id", other="transform_id"
    )
    collections: ClassVar[ToMany[Collection]] = ToMany(
        "Collection", link="CollectionULabel", own="ulabel_id", other="collection_id"
    )

    def __init__(
        self,
        *,
        name: str,
        type: ULabel | None = None,
        is_type: bool = False,
        description: str | None = None,
    ) -> None:
        """Create a label. `save()` records it, or returns the existing label with the same name and type.

        Args:
            name: The name: text that is not blank.
            type: The type, a saved label with `is_type=True`.
            is_type: Whether this label is a type of other labels.
            description: What the label means.

        Raises:
            InvalidArgument: The name is blank, or `type` is not a saved type.
        """
        type_id = None if type is None else checked_type(type, ULabel).id
        super().__init__(name=name, is_type=is_type, description=description, type_id=type_id)


def checked_type(label: object, registry: type[Type]) -> Type:
    """Return the record of this registry if others can be of this type. Raises `InvalidArgument`."""
    is_type = getattr(label, "is_type", False)
    if not isinstance(label, registry) or label.id is None or not is_type:
        raise InvalidArgument(
            f"not a saved type: {shown(label)}",
            hint=f"ln.{registry.__name__}(name='x', is_type=True).save()",
        )
    return label


class ULabelParent(Base):
    """A label is narrower than another."""

    __tablename__ = "ulabel_parent"

    ulabel_id: Mapped[int] = mapped_column(
        ForeignKey("ulabel.id", ondelete="CASCADE"), primary_key=True
    )
    parent_id: Mapped[int] = mapped_column(
        ForeignKey("ulabel.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Annotation:
    """The columns of every link between a record and a label: the feature, and the origin of the link."""

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    feature_id: Mapped[int | None] = mapped_column(
        ForeignKey("feature.id", ondelete="CASCADE"), index=True
    )
    origin: Mapped[str] = mapped_column(String(8), default="api", server_default="api")
    """`api` if a user set it, `event` if an event did, so that a rebuild sets it again."""


def link_constraints(thing: str, label: str, table: str | None = None) -> tuple[object, ...]:
    """The constraints of a link: at most one for each origin, and for each feature or none."""
    table = table or f"{thing}_{label}"
    columns = (f"{thing}_id", f"{label}_id", "origin")
    alone = text("feature_id IS NULL")
    return (
        UniqueConstraint(*columns, "feature_id", name=f"uq_{table}_once"),
        Index(f"ix_{table}_once", *columns, unique=True, sqlite_where=alone),
        Index(
            f"ix_{table}_of", f"{label}_id", f"{thing}_id"
        ),  # who has the label, without a look at the row
    )


class ArtifactULabel(Annotation, Base):
    """An artifact carries a label."""

    __tablename__ = "artifact_ulabel"
    __table_args__ = link_constraints("artifact", "ulabel")

    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))
    ulabel_id: Mapped[int] = mapped_column(ForeignKey("ulabel.id", ondelete="CASCADE"))


class RunULabel(Annotation, Base):
    """A run carries a label."""

    __tablename__ = "run_ulabel"
    __table_args__ = link_constraints("run", "ulabel")

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    ulabel_id: Mapped[int] = mapped_column(ForeignKey("ulabel.id", ondelete="CASCADE"))


class TransformULabel(Annotation, Base):
    """A transform carries a label."""

    __tablename__ = "transform_ulabel"
    __table_args__ = link_constraints("transform", "ulabel")

    transform_id: Mapped[int] = mapped_column(ForeignKey("transform.id", ondelete="CASCADE"))
    ulabel_id: Mapped[int] = mapped_column(ForeignKey("ulabel.id", ondelete="CASCADE"))


class CollectionULabel(Annotation, Base):
    """A collection carries a label."""

    __tablename__ = "collection_ulabel"
    __table_args__ = link_constraints("collection", "ulabel")

    collection_id: Mapped[int] = mapped_column(ForeignKey("collection.id", ondelete="CASCADE"))
    ulabel_id: Mapped[int] = mapped_column(ForeignKey("ulabel.id", ondelete="CASCADE"))
