"""Curators: validate a dataset against a schema, then save it with its features and labels as annotations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy.orm import Session

from lamin_core.curation.annotations import Findings, annotate
from lamin_core.curation.categoricals import Categoricals
from lamin_core.curation.plan import members
from lamin_core.curation.problems import Problem, in_slot, validation_error
from lamin_core.curation.tables import Checked, check_table
from lamin_core.errors import InvalidArgument, ValidationError
from lamin_core.models import Artifact, Feature, Run, Schema
from lamin_core.models.arguments import ArtifactArguments, arguments_of
from lamin_core.models.checks import shown
from lamin_core.runtime import current
from lamin_core.saving import save_all
from lamin_core.saving.records import SavingInstance

if TYPE_CHECKING:
    import pandas as pd

    from lamin_core.curation.columns import Series


@dataclass(frozen=True, slots=True)
class CuratorSlot:
    """One part of a dataset with several, such as `obs`."""

    schema: Schema
    """The schema that this part should match."""
    cat: Categoricals
    """The categorical columns of this part."""


class Curator(ABC):
    """The base class of curators: a dataset, and the schema that it should match."""

    _call: ClassVar[str] = "curator"

    def __init__(self, dataset: object, schema: Schema) -> None:
        """Create a curator of a dataset in memory, or of an artifact, which is loaded.

        Raises:
            InvalidArgument: The dataset is of another kind, or the schema is not saved.
        """
        self._instance: SavingInstance = current.current_instance()
        self._artifact = dataset if isinstance(dataset, Artifact) else None
        self._dataset: Any = self._artifact.load() if self._artifact else dataset
        self._schema = checked_schema(schema)
        self._require_kind(self._dataset)
        self._findings: Findings | None = None

    @classmethod
    def of_loaded(cls, artifact: Artifact, dataset: object, schema: Schema) -> Self:
        """Return the curator of a saved artifact whose dataset is already loaded."""
        curator = cls(dataset, schema)
        curator._artifact = artifact
        return curator

    @property
    def dataset(self) -> Any:
        """The dataset with the changes of `standardize` and of type conversions, as `save_artifact` saves it."""
        return self._dataset

    @property
    def schema(self) -> Schema:
        """The schema that the dataset should match."""
        return self._schema

    @property
    def cat(self) -> Categoricals:
        """The categorical columns: their values without a record, and methods to correct them."""
        return Categoricals(self)

    @property
    def slots(self) -> dict[str, CuratorSlot]:
        """The parts of the dataset: `curator.slots["obs"].cat.standardize("cell_type")`."""
        return {
            name: CuratorSlot(schema, Categoricals(self, name))
            for name, schema in self._schema.slots.items()
        }

    def validate(self) -> None:
        """Check the dataset against the schema.

        Raises:
            ValidationError: The dataset does not match. The message lists all problems, each with
                the call that fixes it.
        """
        with self._instance.db.reading() as session:
            findings = Findings(self._schema, self._check(session))
        problems: list[Problem] = []
        for slot, checked in findings.slots.items():
            problems += in_slot(checked.problems, slot)
        self._findings = None
        if problems:
            raise validation_error(problems, self._schema.name or self._schema.uid)
        for slot, checked in findings.slots.items():
            if checked.table is not None:
                self._adopt(slot, checked.table)
        self._findings = findings

    def save_artifact(
        self,
        *,
        key: str | None = None,
        description: str | None = None,
        revises: Artifact | None = None,
        run: Run | bool | None = None,
    ) -> Artifact:
        """Validate the dataset, save it as an artifact, and annotate the artifact, in one transaction.

        If the curator was created from an artifact, that artifact is annotated. Raises
        `ValidationError`, and the errors of `ln.Artifact`.
        """
        if self._artifact is not None:
            return self._annotated(self._artifact)
        self.validate()  # also where it was validated before: the dataset may have changed since
        artifact: Artifact = self._instance.files.from_object(
            Artifact, self._dataset, key=key, description=description, revises=revises, run=run
        )
        self.annotate_on_save(artifact)
        return artifact.save()

    def annotate_on_save(self, artifact: Artifact) -> None:
        """Annotate a new artifact of this dataset in the transaction that saves it."""
        if self._findings is None:
            self.validate()
        assert self._findings is not None  # as validated above
        findings, user_id = self._findings, self._instance.user_id

        def write(session: Session, artifact_id: int) -> None:
            annotate(session, artifact_id, findings, user_id)

        if new := findings.new_records():
            save_all(self._instance, new)
        arguments_of(artifact, ArtifactArguments).annotate = write

    def _annotated(self, artifact: Artifact) -> Artifact:
        """Annotate a saved artifact without changing its bytes."""
        self.validate()
        assert self._findings is not None  # as validated above
        if new := self._findings.new_records():
            save_all(self._instance, new)
        user_id = self._instance.user_id  # which may have to be written first
        with self._instance.db.writing() as session:
            annotate(session, artifact.id, self._findings, user_id)
        return Artifact.get(artifact.uid)

    @abstractmethod
    def _check(self, session: Session) -> dict[str, Checked]:
        """Return the findings for each slot."""

    @abstractmethod
    def _adopt(self, slot: str, table: pd.DataFrame) -> None:
        """Replace a table of the dataset with one whose values were converted."""

    @abstractmethod
    def _tables(self) -> dict[str, tuple[pd.DataFrame, Schema]]:
        """Return the tables whose values are looked up, with their schemas, by slot."""

    @abstractmethod
    def _require_kind(self, dataset: object) -> None:
        """Raise `InvalidArgument` for a dataset of another kind."""


class DataFrameCurator(Curator):
    """Validate a `pandas.DataFrame` against a schema.

    Example: `ln.curators.DataFrameCurator(df, schema).save_artifact(key="table.parquet")`.
    """

    def _check(self, session: Session) -> dict[str, Checked]:
        return {"": check_table(session, self._dataset, self._schema, call=self._call)}

    def _adopt(self, slot: str, table: pd.DataFrame) -> None:
        self._dataset = table

    def _tables(self) -> dict[str, tuple[pd.DataFrame, Schema]]:
        return {"": (self._dataset, self._schema)}

    def _require_kind(self, dataset: object) -> None:
        if type(dataset).__name__ != "DataFrame" or not hasattr(dataset, "dtypes"):
            raise wrong_kind(dataset, "a pandas.DataFrame")
        if self._schema.slots and self._schema.itype is None:
            raise InvalidArgument(
                f"schema {self._schema.name!r} has the slots {sorted(self._schema.slots)}, a table has none",
                hint="ln.curators.AnnDataCurator(adata, schema)",
            )

    def standardize(self) -> None:
        """Add missing columns that have a default or may be empty, and fill missing values with defaults.

        The original table does not change: `curator.dataset` is the changed copy. Raises
        `ValidationError` if a column is missing that must have values and has no default.
        """
        table = self._dataset.copy(deep=False)
        with self._instance.db.reading() as session:
            features = [feature for feature, _ in members(session, self._schema)]
        for feature in features:
            table[feature.name] = _standardized(table, feature)
        self._dataset, self._findings = table, None


def _standardized(table: pd.DataFrame, feature: Feature) -> Series:
    import pandas as pd

    default = feature.default_value
    if feature.name not in table.columns:
        if default is None and not feature.nullable:
            raise ValidationError(
                f"column {feature.name!r} is missing, may not be empty and has no default",
                hint=f"feature = ln.Feature.get(name={feature.name!r}); feature.default_value = ...; feature.save()",
            )
        values = pd.Series([default] * len(table), index=table.index)
        return values.astype("category") if feature.dtype.startswith("cat") else values
    series = table[feature.name]
    if default is None or not series.isna().any():
        return series
    if series.dtype == "category" and default not in series.cat.categories:
        series = series.cat.add_categories([default])
    return series.fillna(default)


def checked_schema(schema: object) -> Schema:
    """Return the schema if it is a saved schema. Raises `InvalidArgument`."""
    if not isinstance(schema, Schema):
        raise InvalidArgument(
            f"not a schema: {shown(schema)}", hint="ln.Schema(features=[...]).save()"
        )
    if schema.id is None:
        raise InvalidArgument(f"{schema!r} is not saved", hint="schema.save()")
    return schema


def wrong_kind(dataset: object, expected: str) -> InvalidArgument:
    """Return the error for a dataset of the wrong kind."""
    kind = type(dataset).__name__
    hint = "curators: DataFrameCurator, AnnDataCurator, MuDataCurator, SpatialDataCurator"
    return InvalidArgument(f"not {expected}: {kind}", hint=hint)
