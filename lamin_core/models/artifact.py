"""Artifacts: the series of versions under a key, each version, and which folder contains which file."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from sqlalchemy import ForeignKey, Index, Select, String, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.annotated import Features, Labels
from lamin_core.models.arguments import ArtifactArguments, arguments_of, keep_arguments
from lamin_core.models.base import Base, Identity, Key, Registry, Versioned
from lamin_core.models.checks import shown
from lamin_core.models.has_lineage import HasLineage
from lamin_core.models.queryset import QuerySet, RelatedSet
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.storage import UNKNOWN_SIZE, Content
from lamin_core.runtime import current
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import is_copy_key

if TYPE_CHECKING:
    import anndata
    import pandas as pd

    from lamin_core.models.collection import Collection
    from lamin_core.models.interfaces import RecordList
    from lamin_core.models.label import ULabel
    from lamin_core.models.project import Project, Reference
    from lamin_core.models.run import Run
    from lamin_core.models.schema import Schema
    from lamin_core.models.storage import Storage
    from lamin_core.models.transform import Transform
    from lamin_core.models.user import User


T = TypeVar("T")


class ArtifactSeries(Base):
    """All versions under one key of one storage; without a key, the versions that name each other by `revises`."""

    __tablename__ = "artifact_series"
    __table_args__ = (UniqueConstraint("key", "storage_id"),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    stem: Mapped[str] = mapped_column(String(16), unique=True)
    storage_id: Mapped[int] = mapped_column(ForeignKey("storage.id"))
    key: Mapped[str | None] = mapped_column(Key)
    last_observed_at: Mapped[datetime | None]
    """When a run last read or wrote it: what comes later only appends."""


class DatasetAlias(Base):
    """A name of a dataset that has several: every path of them, with the one that the registry knows it by."""

    __tablename__ = "dataset_alias"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    path: Mapped[str] = mapped_column(Key, unique=True)
    canonical: Mapped[str] = mapped_column(Key, index=True)


class Artifact(HasLineage, Versioned, Registry):
    """One version of a file, folder, object or table."""

    __tablename__ = "artifact"
    __table_args__ = (
        UniqueConstraint("series_id", "number"),
        Index("ix_artifact_key", "key", "storage_id"),
        Index("ix_artifact_content_id", "content_id"),
        Index(
            "ix_artifact_one_latest",
            "series_id",
            unique=True,
            sqlite_where=text("is_latest"),
        ),
        Index("ix_artifact_real_key", "real_key"),
    )
    _stem_length = 16
    _name_field = "key"
    _search_fields = ("key", "description")
    _has_trash = True
    _editable = ("description", "kind", "otype", "n_observations")
    _initial = ("key",)
    _instead = {
        "key": "save it under the other key: ln.Artifact(artifact.cache(), key=...).save()",
        "suffix": "save it under another key: ln.Artifact(path, key=...).save()",
        "storage": "copy it there: ln.Artifact(artifact.cache(), key=..., storage=...).save()",
        "run": "name the run on saving, ln.Artifact(path, run=run), or later: run.output_artifacts.add(artifact)",
        "number": "save other bytes under the same key: that is its next version",
        "is_latest": "save other bytes under the same key: that is its next version",
        "content": "artifact.replace(data)",
        "hash": "artifact.replace(data)",
        "size": "artifact.replace(data)",
        "real_key": "artifact.replace(data)",
        "deleted_at": "artifact.delete(), artifact.restore()",
    }
    _feature_values = "ArtifactFeatureValue"
    _aliases = {
        "transform": "run__transform",
        "hash": "content__hash",
        "hash_type": "content__hash_type",
        "size": "content__size",
        "n_files": "content__n_files",
        "feature_sets": "schemas",
    }

    series_id: Mapped[int] = mapped_column(ForeignKey("artifact_series.id"))
    number: Mapped[int]
    is_latest: Mapped[bool]
    storage_id: Mapped[int] = mapped_column(ForeignKey("storage.id"))
    key: Mapped[str | None] = mapped_column(Key)
    real_key: Mapped[str | None] = mapped_column(Key)
    """Where the bytes are, relative to the storage's root, when that is not the key."""
    content_id: Mapped[int | None] = mapped_column(ForeignKey("content.id"))
    """None while nobody has said what the bytes are."""
    suffix: Mapped[str] = mapped_column(String(64), default="")
    kind: Mapped[str | None] = mapped_column(String(32))
    otype: Mapped[str | None] = mapped_column(String(64))
    description: Mapped[str | None]
    n_observations: Mapped[int | None] = mapped_column(
        Identity
    )  # a table may have more than 2**31 rows
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    """The run that first made it."""
    schema_id: Mapped[int | None] = mapped_column(ForeignKey("schema.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    deleted_at: Mapped[datetime | None] = mapped_column(info={"long": True})
    """Since when it is in the trash: hidden from queries, and never the latest version."""
    origin: Mapped[str] = mapped_column(String(8))
    """`api` for rows that people made, `event` for rows that a rebuild makes again."""
    edited: Mapped[list[Any] | None] = mapped_column(info={"long": True})
    """The fields that people changed on a row that events made: no event writes them over."""

    storage: ClassVar[ToOne[Storage]] = ToOne("Storage", "storage_id")
    run: ClassVar[ToOne[Run | None]] = ToOne("Run", "run_id")
    content: ClassVar[ToOne[Content | None]] = ToOne("Content", "content_id")
    schema: ClassVar[ToOne[Schema | None]] = ToOne("Schema", "schema_id")
    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    features = Features()
    labels = Labels()
    ulabels: ClassVar[ToMany[ULabel]] = ToMany(
        "ULabel", link="ArtifactULabel", own="artifact_id", other="ulabel_id"
    )
    projects: ClassVar[ToMany[Project]] = ToMany(
        "Project", link="ArtifactProject", own="artifact_id", other="project_id"
    )
    references: ClassVar[ToMany[Reference]] = ToMany(
        "Reference", link="ArtifactReference", own="artifact_id", other="reference_id"
    )
    schemas: ClassVar[ToMany[Schema]] = ToMany(
        "Schema", link="ArtifactSchema", own="artifact_id", other="schema_id"
    )
    input_of_runs: ClassVar[ToMany[Run]] = ToMany(
        "Run", link="RunArtifact", own="artifact_id", other="run_id", only={"direction": "input"}
    )
    output_of_runs: ClassVar[ToMany[Run]] = ToMany(
        "Run", link="RunArtifact", own="artifact_id", other="run_id", only={"direction": "output"}
    )
    collections: ClassVar[ToMany[Collection]] = ToMany(
        "Collection", link="CollectionArtifact", own="artifact_id", other="collection_id"
    )

    if TYPE_CHECKING:  # `lamin_core.bionty` adds these when it is imported
        cell_lines: ClassVar[ToMany[Registry]]
        cell_markers: ClassVar[ToMany[Registry]]
        cell_types: ClassVar[ToMany[Registry]]
        developmental_stages: ClassVar[ToMany[Registry]]
        diseases: ClassVar[ToMany[Registry]]
        ethnicities: ClassVar[ToMany[Registry]]
        experimental_factors: ClassVar[ToMany[Registry]]
        genes: ClassVar[ToMany[Registry]]
        organisms: ClassVar[ToMany[Registry]]
        pathways: ClassVar[ToMany[Registry]]
        phenotypes: ClassVar[ToMany[Registry]]
        proteins: ClassVar[ToMany[Registry]]
        tissues: ClassVar[ToMany[Registry]]

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: str | None = None,
        description: str | None = None,
        revises: Artifact | None = None,
        run: Run | bool | None = None,
        kind: str | None = None,
        storage: str | Storage | None = None,
    ) -> None:
        """A file or folder to be saved.

        A path outside the managed storages is copied on `save()`; one inside any known storage is
        registered where it lies, with its relative path as key. `run=False` ties it to no run,
        `run=` a `Run` to that one; otherwise the current run is its maker. `storage=` copies it
        into that one instead of the instance's own. Raises `InvalidArgument` for a key that is none
        or suffixes that differ, `NotFound` for a missing path.
        """
        files = current.current_instance().files
        super().__init__(key=key, description=description, kind=kind)
        source = files.prepare(path, key=key, revises=revises, storage=storage)
        if revises is not None:
            self.key = key or revises.key
            self.description = description or revises.description
        arguments = ArtifactArguments(source=source, prepared=(self.key,), revises=revises, run=run)
        keep_arguments(self, arguments)

    def _check_new(self) -> None:
        if arguments_of(self, ArtifactArguments).prepared not in (None, (self.key,)):
            raise InvalidArgument(
                f"key={shown(self.key)} was set after the path", hint="ln.Artifact(path, key=...)"
            )

    @classmethod
    def from_df(
        cls,
        df: pd.DataFrame,
        *unnamed: object,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | None = None,
        **kwargs: Any,
    ) -> Self:
        """A `pandas.DataFrame` to be saved as parquet (or csv, by the key's suffix).

        With a schema the table is validated now, and annotated with its features and labels when it
        is saved. Raises `ValidationError`, which lists all problems, and `InvalidArgument` for a
        second argument without a name.
        """
        if unnamed:
            raise InvalidArgument(
                f"Artifact.from_df takes one argument without a name: {shown(unnamed[0])}",
                hint='ln.Artifact.from_df(df, key="tables/a.parquet", description="...")',
            )
        artifact: Self = current.current_instance().artifact_of(
            cls, df, schema, key=key, description=description, **kwargs
        )
        return artifact

    from_dataframe = from_df

    @classmethod
    def from_anndata(
        cls,
        adata: anndata.AnnData,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | None = None,
        **kwargs: Any,
    ) -> Self:
        """An `anndata.AnnData` to be saved as h5ad (or zarr, by the key's suffix); `schema` as for `from_df`."""
        artifact: Self = current.current_instance().artifact_of(
            cls, adata, schema, key=key, description=description, **kwargs
        )
        return artifact

    @classmethod
    def from_dir(
        cls,
        path: str | os.PathLike[str],
        *,
        key: str | None = None,
        run: Run | bool | None = None,
        storage: str | Storage | None = None,
    ) -> RecordList[Self]:
        """An artifact of every file below a folder; `save()` of the list writes them all at once.

        Keys are the paths below the folder, after its name or after `key`; files inside a known
        storage are registered where they lie. `Artifact(folder)` is the folder as one artifact.
        """
        artifacts: list[Self] = current.current_instance().files.from_folder(
            cls, path, key, storage
        )
        for artifact in artifacts:
            arguments_of(artifact, ArtifactArguments).run = run
        records: RecordList[Self] = current.current_instance().together(artifacts)
        return records

    @classmethod
    def trash(cls) -> QuerySet[Self]:
        """The artifacts in the trash; no other query shows them."""
        is_deleted = cls.deleted_at.is_not(None)
        artifacts: QuerySet[Self] = current.current_instance().query(
            cls, select(cls).where(is_deleted)
        )
        return artifacts

    @property
    def feature_sets(self) -> RelatedSet[Schema]:
        """The former name of `schemas`."""
        return self.schemas

    @property
    def versions(self) -> QuerySet[Self]:
        """All versions, newest first."""
        return type(self).all().filter(series_id=self.series_id).order_by("-number")

    @property
    def hash(self) -> str | None:
        """The digest of the bytes."""
        return None if self.content is None else self.content.hash

    @property
    def hash_type(self) -> str | None:
        """How the digest was made."""
        return None if self.content is None else self.content.hash_type

    @property
    def size(self) -> int | None:
        """Bytes."""
        return (
            None if self.content is None or self.content.size == UNKNOWN_SIZE else self.content.size
        )

    @property
    def n_files(self) -> int | None:
        """How many files a folder holds; None for a single file."""
        return None if self.content is None else self.content.n_files

    @property
    def content_digest(self) -> Digest | None:
        """Hash, size and number of files together; None while nobody has said what the bytes are."""
        content = self.content
        if content is None or content.size == UNKNOWN_SIZE:
            return None
        return Digest(content.hash_type, content.hash, content.size, content.n_files)

    @property
    def is_copy(self) -> bool:
        """Whether the bytes are a copy that the registry made; else they lie where somebody put them."""
        return is_copy_key(self.real_key)

    @property
    def transform(self) -> Transform | None:
        """The code that first made it."""
        return None if self.run is None else self.run.transform

    @property
    def path(self) -> Path | str:
        """Where the bytes are: a `pathlib.Path`, or the URL as text for remote storages."""
        location: Path | str = current.current_instance().files.path(self)
        return location

    def cache(self, *, is_run_input: Run | bool | None = None) -> Path:
        """A local path to the bytes, fetched once; the current run has then read it.

        `is_run_input=False` says that nobody has, `is_run_input=run` that another run has; so in
        `load` and `open`.
        """
        local: Path = current.current_instance().files.cache(self, reader=is_run_input)
        return local

    @overload
    def load(
        self, as_type: None = None, *, is_run_input: Run | bool | None = None, trust: bool = False
    ) -> object: ...
    @overload
    def load(
        self, as_type: type[T], *, is_run_input: Run | bool | None = None, trust: bool = False
    ) -> T: ...

    def load(
        self,
        as_type: type[T] | None = None,
        *,
        is_run_input: Run | bool | None = None,
        trust: bool = False,
    ) -> T | object:
        """The content in memory, by its suffix; the current run has then read it.

        Args:
            as_type: what it has to be, such as `pandas.DataFrame`: a type checker and an editor then know it too.
            is_run_input: as for `cache`.
            trust: pickles and the like run code when they are loaded: only with `trust=True`.

        Raises:
            InvalidArgument: if it is of another type, or a format that has to be trusted.
        """
        loaded: object = current.current_instance().files.load(
            self, reader=is_run_input, trust=trust
        )
        return loaded if as_type is None else self._checked(loaded, as_type, "load")

    @overload
    def open(self, as_type: None = None, *, is_run_input: Run | bool | None = None) -> object: ...
    @overload
    def open(self, as_type: type[T], *, is_run_input: Run | bool | None = None) -> T: ...

    def open(
        self, as_type: type[T] | None = None, *, is_run_input: Run | bool | None = None
    ) -> T | object:
        """A handle for streaming, also from a bucket; the current run has then read it.

        A `pyarrow` dataset of tables, a backed `AnnData` of an h5ad file, a zarr group of a zarr
        folder; `as_type` as for `load`.
        """
        handle: object = current.current_instance().files.open(self, reader=is_run_input)
        return handle if as_type is None else self._checked(handle, as_type, "open")

    def _checked(self, content: object, expected: type[T], method: str) -> T:
        if isinstance(content, expected):
            return content
        actual, name = type(content).__name__, expected.__name__
        message = (
            f"{self.key or self.uid!r} is a {actual}, not a {name}: its suffix is {self.suffix!r}"
        )
        raise InvalidArgument(message, hint=f"artifact.{method}() returns it as it is")

    def replace(
        self,
        data: str | os.PathLike[str] | pd.DataFrame | anndata.AnnData,
        *,
        run: Run | bool | None = None,
    ) -> Self:
        """Put other bytes in the place of this version's: for those that were wrong from the beginning.

        A path, a `DataFrame` or an `AnnData` of the same suffix. What changed is better saved as a
        new version.
        """
        current.current_instance().replace(self, data, run)
        return self

    def delete(self, permanent: bool | None = None, *, storage: bool | None = None) -> None:
        """Move it to the trash; from there, or with `permanent=True`, remove it and its copy for good.

        Files registered in place stay, unless `storage=True`; `storage=False` keeps even the copy.
        """
        if permanent or (permanent is None and self.deleted_at is not None):
            current.current_instance().erase(self, storage=storage)
        else:
            current.current_instance().trash(self)

    def restore(self) -> Self:
        """Take it out of the trash."""
        current.current_instance().restore(self)
        return self

    def describe(self) -> None:
        """Print what is known about it."""
        current.current_instance().lineage.describe(self)

    @classmethod
    def _listed(cls) -> Select[Any]:
        return select(cls).where(cls.deleted_at.is_(None))

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ("description", "suffix", "kind")


class Containment(Base):
    """A file artifact lies inside a folder artifact."""

    __tablename__ = "containment"

    directory_id: Mapped[int] = mapped_column(
        ForeignKey("artifact.id", ondelete="CASCADE"), primary_key=True
    )
    artifact_id: Mapped[int] = mapped_column(
        ForeignKey("artifact.id", ondelete="CASCADE"), primary_key=True, index=True
    )
