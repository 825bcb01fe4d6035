"""Sets of artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.annotated import Labels
from lamin_core.models.arguments import CollectionArguments, keep_arguments
from lamin_core.models.base import Registry
from lamin_core.models.checks import listed_argument, shown
from lamin_core.models.has_lineage import HasLineage
from lamin_core.models.interfaces import MappedRows
from lamin_core.models.queryset import QuerySet
from lamin_core.models.record_kinds import Versioned
from lamin_core.models.relations import ToMany, ToOne, model
from lamin_core.models.tables import Base, Key
from lamin_core.runtime import current

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact
    from lamin_core.models.label import ULabel
    from lamin_core.models.run import Run
    from lamin_core.models.transform import Transform
    from lamin_core.models.user import User


class Collection(HasLineage, Versioned, Registry):
    """A named, versioned set of artifacts. The same key with another set of artifacts is the next version."""

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

    @property
    def transform(self) -> Transform | None:
        """The transform of the run that made it; None without a run."""
        return None if self.run is None else self.run.transform

    @property
    def versions(self) -> QuerySet[Self]:
        """All versions, newest first."""
        return type(self).all().filter(key=self.key).order_by("-number")

    @property
    def ordered_artifacts(self) -> QuerySet[Artifact]:
        """Return the artifacts in the order in which they were passed."""
        members: QuerySet[Artifact] = current.current_instance().ordered_members(self)
        return members

    def append(self, *artifacts: Artifact) -> Self:
        """Return a new version with these artifacts added; `save()` records it.

        This version does not change: `collection = collection.append(artifact).save()`.
        """
        return type(self)(
            [*self.ordered_artifacts, *artifacts], key=self.key, description=self.description
        )

    def cache(self, *, is_run_input: Run | bool | None = None) -> list[Path]:
        """Return a local path of each artifact. Remote files are downloaded once.

        The artifacts become inputs of the current run; `is_run_input` as for `ln.Artifact.cache`.
        """
        paths: list[Path] = current.current_instance().members.cache(self, reader=is_run_input)
        return paths

    def load(
        self, join: Literal["outer", "inner"] = "outer", *, is_run_input: Run | bool | None = None
    ) -> Any:
        """Load all artifacts into memory as one `DataFrame`, or one `AnnData` with `obs["artifact_uid"]`.

        `join` decides about columns or variables that some artifacts lack: `outer` keeps them, `inner`
        drops them. Raises `InvalidArgument` if the artifacts are not all tables or all AnnData.
        """
        return current.current_instance().members.load(self, join=join, reader=is_run_input)

    def open(
        self,
        engine: Literal["pyarrow", "polars", "duckdb"] = "pyarrow",
        *,
        is_run_input: Run | bool | None = None,
    ) -> Any:
        """Open all artifacts (tables) as one table, which is read when it is used.

        Returns a `pyarrow.dataset.Dataset`, a `polars.LazyFrame` or a `duckdb` relation. A column that
        an artifact lacks is empty for its rows. Raises `InvalidArgument` if an artifact is not a
        table, and `MissingExtra` if the library is not installed.
        """
        return current.current_instance().members.open_tables(
            self, engine=engine, reader=is_run_input
        )

    def mapped(
        self,
        layers_keys: str | Sequence[str] | None = None,
        obs_keys: str | Sequence[str] | None = None,
        obsm_keys: str | Sequence[str] | None = None,
        obs_filter: Mapping[str, object] | None = None,
        join: Literal["inner", "outer"] | None = "inner",
        encode_labels: bool | Sequence[str] = True,
        unknown_label: str | Mapping[str, str] | None = None,
        cache_categories: bool = True,
        parallel: bool = False,
        dtype: str | None = None,
        *,
        is_run_input: Run | bool | None = None,
    ) -> MappedRows:
        """Return the rows of all artifacts (AnnData) as one dataset for `torch.utils.data.DataLoader`.

        Args:
            layers_keys: Layers to return, by default `X`.
            obs_keys: Columns of `obs` to return as labels.
            obsm_keys: Entries of `obsm` to return, under `obsm_` and their name.
            obs_filter: Keep rows with these values: `{"site": ["Oslo", "Bergen"]}`.
            join: `inner` for variables of all artifacts, `outer` for variables of any artifact (zero
                if missing), or None for the variables of each artifact.
            encode_labels: Return labels as numbers: True for all columns, or a list of columns.
            unknown_label: The label that is encoded as -1, for all columns or by column. Missing
                labels are encoded as -1, too.
            cache_categories: Accepted for scripts written for LaminDB; categories are always cached.
            parallel: Keep no file open between rows. Needed for forked workers, not for spawned ones.
            dtype: The type to convert values to, such as `float32`.
            is_run_input: As for `cache`.

        Raises:
            InvalidArgument: An artifact lacks a layer or a column, or there is no common variable.
        """
        del cache_categories
        mapped: MappedRows = current.current_instance().members.mapped(
            self,
            reader=is_run_input,
            layers_keys=layers_keys,
            obs_keys=obs_keys,
            obsm_keys=obsm_keys,
            obs_filter=obs_filter,
            join=join,
            encode_labels=encode_labels,
            unknown_label=unknown_label,
            parallel=parallel,
            dtype=dtype,
        )
        return mapped


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
