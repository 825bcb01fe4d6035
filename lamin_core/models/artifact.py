"""Artifacts: the series of versions under a key, each version, and which folder contains which file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from sqlalchemy import ForeignKey, Index, Select, String, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.annotated import Features, Labels
from lamin_core.models.arguments import ArtifactArguments, arguments_of, keep_arguments
from lamin_core.models.base import Registry
from lamin_core.models.checks import shown
from lamin_core.models.has_lineage import HasLineage
from lamin_core.models.queryset import QuerySet, RelatedSet
from lamin_core.models.record_kinds import Versioned
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.storage import UNKNOWN_SIZE, Content
from lamin_core.models.tables import Base, Identity, Key
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
    """One version of a file, folder, object or table.

    Artifacts with the same key are versions of one series.

    Examples:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> from pathlib import Path
        >>> _ = Path("counts.csv").write_text("gene,count")
        >>> artifact = ln.Artifact("counts.csv", key="raw/counts.csv").save()
        >>> artifact.version, artifact.size, artifact.suffix
        ('0000', 10, '.csv')
        >>> ln.Artifact.get(key="raw/counts.csv") == artifact
        True
    """

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
    """The path of the bytes below the root of the storage, if it is not the key."""
    content_id: Mapped[int | None] = mapped_column(ForeignKey("content.id"))
    """None as long as the bytes are unknown."""
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
    """The time when it was moved to the trash, or None. In the trash it is never the latest version."""
    origin: Mapped[str] = mapped_column(String(8))
    """`api` for rows that people created, `event` for rows that a rebuild computes again."""
    edited: Mapped[list[Any] | None] = mapped_column(info={"long": True})
    """The fields of an event's row that people changed; events do not overwrite them."""

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
        features: Mapping[str, object] | None = None,
    ) -> None:
        """Create an artifact from a file, a folder or an object in a bucket. `save()` records it.

        A file in a known storage, such as the folder of the instance, is registered in place, and its
        path in the storage is the key. A file in another folder, or a file with a `key`, is copied
        into the managed storage on `save()`.

        Args:
            path: The file or folder, or the URL of an object.
            key: A relative path with the suffix of the file.
            description: What the data are.
            revises: The version that this one replaces; needed only without a key.
            run: The run that made it; False for no run. By default the current run.
            kind: The kind of the data, such as `dataset` or `model`.
            storage: The storage to copy the file into, instead of the storage of the instance.
            features: Values of registered features by name; `save()` checks and adds them, or saves nothing.

        Raises:
            InvalidArgument: The key is not valid, its suffix is not that of the file, or `features` is
                not a dict.
            NotFound: There is no file at this path.
        """
        if not isinstance(features, Mapping | None):
            raise InvalidArgument(
                f"not a dict of values by feature: {shown(features)}",
                hint='features={"temperature": 21.6}',
            )
        files = current.current_instance().files
        super().__init__(key=key, description=description, kind=kind)
        source = files.prepare(path, key=key, revises=revises, storage=storage)
        if revises is not None:
            self.key = key or revises.key
            self.description = description or revises.description
        arguments = ArtifactArguments(
            source=source, prepared=(self.key,), revises=revises, run=run, features=features
        )
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
        """Create an artifact from a `pandas.DataFrame`. `save()` writes and records it.

        Args:
            df: The table.
            unnamed: Not allowed; `key` and the other arguments must be named.
            key: A relative path that ends in `.parquet` (the default format), `.csv`, `.tsv`,
                `.csv.gz` or `.tsv.gz`.
            description: What the data are.
            schema: Validate the table against this schema now, and annotate the artifact with its
                features and labels on `save()`.
            kwargs: `run`, `revises`, `kind`, `storage` and `features`, as for `ln.Artifact`.

        Raises:
            ValidationError: The table does not match the schema; the message lists all problems.
            InvalidArgument: A second argument without a name, or a key that is not valid.
            MissingExtra: pandas and pyarrow are not installed (`lamin-core[data]`).
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
        """Create an artifact from an `anndata.AnnData`. `save()` writes and records it.

        Args:
            adata: The data.
            key: A relative path that ends in `.h5ad` (the default format) or `.zarr`.
            description: What the data are.
            schema: Validate the data against this schema now, and annotate the artifact with its
                features and labels on `save()`.
            kwargs: `run`, `revises`, `kind`, `storage` and `features`, as for `ln.Artifact`.

        Raises:
            ValidationError: The data do not match the schema; the message lists all problems.
            InvalidArgument: The key is not valid.
            MissingExtra: anndata is not installed (`lamin-core[data]`).
        """
        artifact: Self = current.current_instance().artifact_of(
            cls, adata, schema, key=key, description=description, **kwargs
        )
        return artifact

    @classmethod
    def from_mudata(
        cls,
        mdata: object,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | None = None,
        **kwargs: Any,
    ) -> Self:
        """Create an artifact from a `mudata.MuData`, in the format `.h5mu`; else as `from_anndata`."""
        artifact: Self = current.current_instance().artifact_of(
            cls, mdata, schema, key=key, description=description, **kwargs
        )
        return artifact

    @classmethod
    def from_spatialdata(
        cls,
        sdata: object,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | None = None,
        **kwargs: Any,
    ) -> Self:
        """Create an artifact from a `spatialdata.SpatialData`, a `.zarr` folder; else as `from_anndata`."""
        artifact: Self = current.current_instance().artifact_of(
            cls, sdata, schema, key=key, description=description, **kwargs
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
        """Create one artifact for each file in a folder and its subfolders.

        `ln.Artifact(folder)` creates one artifact for the whole folder instead.

        Args:
            path: The folder. Files in a known storage are registered in place.
            key: The first part of all keys; by default the name of the folder. The rest of a key is
                the path below the folder.
            run: The run that made the files; False for no run. By default the current run.
            storage: The storage to copy the files into, instead of the storage of the instance.

        Returns:
            The artifacts, as a list with a method `save()` that writes all of them in one
            transaction.

        Raises:
            NotFound: There is no folder at this path.
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
        """Return the artifacts in the trash; other queries do not return them."""
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
    def recreating_runs(self) -> QuerySet[Run]:
        """The runs that made the same bytes again, after the run that made them first."""
        return self.output_of_runs.exclude(id=self.run_id)

    @property
    def hash(self) -> str | None:
        """The digest of the bytes; None if it is unknown."""
        return None if self.content is None else self.content.hash

    @property
    def hash_type(self) -> str | None:
        """The kind of the digest: `blake3`, `blake3-dir` (folders), `etag` (objects in a bucket) or `version`."""
        return None if self.content is None else self.content.hash_type

    @property
    def size(self) -> int | None:
        """The size in bytes; None if it is unknown."""
        return (
            None if self.content is None or self.content.size == UNKNOWN_SIZE else self.content.size
        )

    @property
    def n_files(self) -> int | None:
        """The number of files in a folder; None for a single file."""
        return None if self.content is None else self.content.n_files

    @property
    def content_digest(self) -> Digest | None:
        """Hash, size and number of files together; None if they are unknown."""
        content = self.content
        if content is None or content.size == UNKNOWN_SIZE:
            return None
        return Digest(content.hash_type, content.hash, content.size, content.n_files)

    @property
    def is_copy(self) -> bool:
        """Whether the registry made a copy of the bytes; otherwise the file was registered in place."""
        return is_copy_key(self.real_key)

    @property
    def transform(self) -> Transform | None:
        """The transform of the run that first made it; None without a run."""
        return None if self.run is None else self.run.transform

    @property
    def path(self) -> Path | str:
        """The location of the bytes: a `pathlib.Path`, or a URL (`str`) for remote storages."""
        location: Path | str = current.current_instance().contents.path(self)
        return location

    def cache(self, *, is_run_input: Run | bool | None = None) -> Path:
        """Return a local path to the bytes. A remote file is downloaded once.

        Before `save()` it is the path of the file that the artifact is made of, and no run has an input.

        Args:
            is_run_input: The run that reads the artifact; False records no input. By default the
                current run, unless the setting `track_run_inputs` is off.

        Returns:
            The path of the file or folder; do not change it.

        Raises:
            NotFound: The bytes are missing.
            Conflict: The file or object no longer has the bytes of this version.
            Unavailable: The storage cannot be reached.
        """
        local: Path = current.current_instance().contents.cache(self, reader=is_run_input)
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
        """Load the content into memory; the suffix decides the type, such as a `pandas.DataFrame` for `.parquet`.

        Before `save()` it is read from the file that the artifact is made of, and no run has an input.

        Args:
            as_type: The expected type, such as `pandas.DataFrame`. Type checkers and editors then
                know the type of the result.
            is_run_input: As for `cache`.
            trust: Also load formats that can run any code, such as pickle.

        Returns:
            The content; for an unknown suffix the local path.

        Raises:
            InvalidArgument: The content has another type, the file is damaged, or the format needs
                `trust=True`.
            NotFound: The bytes are missing.
            Conflict: The file or object no longer has the bytes of this version.
            MissingExtra: The library for this format is not installed.
        """
        loaded: object = current.current_instance().contents.load(
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
        """Open the content without loading all of it, also from a bucket.

        Before `save()` the file that the artifact is made of is opened, and no run has an input.

        Args:
            as_type: The expected type, as for `load`.
            is_run_input: As for `cache`.

        Returns:
            For a table a `pyarrow` dataset, for an h5ad file a backed `AnnData`, for a zarr folder a
            zarr group.

        Raises:
            InvalidArgument: The format cannot be opened, or the content has another type.
            NotFound: The bytes are missing.
            Conflict: The file or object no longer has the bytes of this version.
            MissingExtra: The library for this format is not installed.
        """
        handle: object = current.current_instance().contents.open(self, reader=is_run_input)
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
        """Replace the bytes of this version, if they were wrong from the beginning. Uid and version stay the same.

        If the data have changed since, save a new version instead.

        Args:
            data: A path, a `DataFrame` or an `AnnData`, with the same suffix.
            run: The run that made the new bytes; by default the current run.

        Returns:
            This artifact.
        """
        current.current_instance().replace(self, data, run)
        return self

    def delete(self, permanent: bool | None = None, *, storage: bool | None = None) -> None:
        """Move the artifact to the trash; if it is there already, delete it permanently with its copy.

        Args:
            permanent: With True, delete it permanently at once.
            storage: With True, also delete a file that was registered in place. With False, keep even
                the copy.

        Raises:
            Conflict: It is to be deleted permanently, and a collection contains it.
        """
        if permanent or (permanent is None and self.deleted_at is not None):
            current.current_instance().erase(self, storage=storage)
        else:
            current.current_instance().trash(self)

    def restore(self) -> Self:
        """Restore the artifact from the trash."""
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
    """A link between a file artifact and a folder artifact that contains it."""

    __tablename__ = "containment"

    directory_id: Mapped[int] = mapped_column(
        ForeignKey("artifact.id", ondelete="CASCADE"), primary_key=True
    )
    artifact_id: Mapped[int] = mapped_column(
        ForeignKey("artifact.id", ondelete="CASCADE"), primary_key=True, index=True
    )
