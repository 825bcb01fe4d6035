"""Sets of artifacts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.annotated import Labels
from lamin_core.models.arguments import CollectionArguments, keep_arguments
from lamin_core.models.base import Base, Key, Registry, Versioned
from lamin_core.models.checks import listed_argument, shown
from lamin_core.models.has_lineage import HasLineage
from lamin_core.models.relations import ToMany, ToOne, model

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact
    from lamin_core.models.label import ULabel
    from lamin_core.models.run import Run
    from lamin_core.models.user import User


class Collection(HasLineage, Versioned, Registry):
    """A named, versioned set of artifacts; the same set under the same key is the same collection."""

    __tablename__ = "collection"
    __table_args__ = (
        UniqueConstraint("key", "number"),
        UniqueConstraint("key", "hash"),
        Index(
            "ix_collection_one_latest",
            "key",
            unique=True,
            sqlite_where=text("is_latest"),
        ),
    )
    _stem_length = 16
    _name_field = "key"
    _search_fields = ("key", "description")
    _editable = ("description",)
    _initial = ("key",)
    _instead = {
        "key": "ln.Collection(collection.artifacts.to_list(), key=...).save()",
        "artifacts": "ln.Collection([...], key=...).save() is its next version",
        "hash": "ln.Collection([...], key=...).save() is its next version",
    }
    _aliases = {"transform": "run__transform"}

    key: Mapped[str] = mapped_column(Key)
    number: Mapped[int]
    is_latest: Mapped[bool]
    hash: Mapped[str] = mapped_column(String(64))
    description: Mapped[str | None]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    run: ClassVar[ToOne[Run | None]] = ToOne("Run", "run_id")
    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    labels = Labels()
    ulabels: ClassVar[ToMany[ULabel]] = ToMany(
        "ULabel", link="CollectionULabel", own="collection_id", other="ulabel_id"
    )
    artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact",
        link="CollectionArtifact",
        own="collection_id",
        other="artifact_id",
        is_fixed=True,
    )

    def __init__(
        self, artifacts: Iterable[Artifact] | Artifact, *, key: str, description: str | None = None
    ) -> None:
        """A collection to be saved, of saved artifacts. Raises `InvalidArgument`."""
        hint = "ln.Collection([artifact, ...], key=...)"
        listed = [artifacts] if isinstance(artifacts, Registry) else artifacts
        members = listed_argument(listed, "artifacts", hint)
        if wrong := [member for member in members if not isinstance(member, model("Artifact"))]:
            raise InvalidArgument(f"not an artifact: {shown(wrong[0])}", hint=hint)
        if not isinstance(key, str) or not key.strip():
            raise InvalidArgument(
                f"not a key: {shown(key)}", hint='ln.Collection([...], key="my-collection")'
            )
        super().__init__(key=key, description=description)
        keep_arguments(self, CollectionArguments(members=members))


class CollectionArtifact(Base):
    """An artifact belongs to a collection, at this place."""

    __tablename__ = "collection_artifact"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collection.id", ondelete="CASCADE"), primary_key=True
    )
    artifact_id: Mapped[int] = mapped_column(
        ForeignKey("artifact.id"), primary_key=True, index=True
    )
    position: Mapped[int]
