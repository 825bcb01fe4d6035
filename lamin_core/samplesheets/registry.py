"""Records: things that a table describes, a row each, such as samples; sheets are the types that group them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from lamin_core.models.annotated import Features
from lamin_core.models.artifact import Artifact
from lamin_core.models.feature import FeatureValue, value_constraints
from lamin_core.models.interfaces import RecordList
from lamin_core.models.label import Annotation, checked_type, link_constraints
from lamin_core.models.record_kinds import Named, Trashable
from lamin_core.models.relations import ToMany, ToOne, attach
from lamin_core.models.tables import Base, Key

if TYPE_CHECKING:
    import pandas as pd

    from lamin_core.models.schema import Schema
    from lamin_core.models.user import User


class Record(Named, Trashable):
    """A thing that a row of a table describes, such as a sample; `type` is the sheet of this row.

    Its values are values of features: `record.features.add_values({"dose": 5})`. As a label of
    artifacts it says which data belong to it: `artifact.records.add(record)`.
    """

    __tablename__ = "record"
    __table_args__ = (
        UniqueConstraint("name", "type_id"),
        Index("ix_record_untyped", "name", unique=True, sqlite_where=text("type_id IS NULL")),
    )
    _name_field = "name"
    _search_fields = ("name", "description")
    _editable = ("name", "description", "is_type")
    _editable_alone = ("type_id",)
    _feature_values = "RecordFeatureValue"

    name: Mapped[str] = mapped_column(Key)
    description: Mapped[str | None]
    is_type: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it is a sheet, which groups others."""
    type_id: Mapped[int | None] = mapped_column(ForeignKey("record.id"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    type: ClassVar[ToOne[Record | None]] = ToOne("Record", "type_id")
    records: ClassVar[ToMany[Record]] = ToMany("Record", own="type_id")
    """The records of this sheet."""
    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", link="ArtifactRecord", own="record_id", other="artifact_id"
    )
    features = Features()

    def __init__(
        self,
        *,
        name: str,
        type: Record | None = None,
        is_type: bool = False,
        description: str | None = None,
    ) -> None:
        """A record to be saved; one with the same name and type is the same record.

        Raises `InvalidArgument` for a type that is not saved, or groups no others.
        """
        type_id = None if type is None else checked_type(type, Record).id
        super().__init__(name=name, is_type=is_type, description=description, type_id=type_id)

    @classmethod
    def from_dataframe(
        cls,
        df: pd.DataFrame,
        *,
        type: str | Record | None = None,
        sample_column: str | None = None,
        schema: Schema | None = None,
    ) -> RecordList[Self]:
        """Return the records that the rows of a table describe, unsaved; saving them writes all or none.

        Columns become values of features, which are made where they are new; files that the table
        names are labelled with the records, and registered where they lie if they are new. Rows
        with the same name are one record.

        Args:
            df: A row for each sample.
            type: The sheet that they stand in, or its name, which is made if it is new.
            sample_column: What names the sample; by default `sample`, `sample_id` and the like,
                else the first column.
            schema: What the columns have to fit.

        Raises:
            ValidationError: Rows or values do not fit; the message lists all of them.

        Example:
            >>> import lamin_core as ln, pandas as pd
            >>> _ = ln.setup.init("data")
            >>> df = pd.DataFrame({"sample": ["A", "B"], "dose": [1, 5]})
            >>> _ = ln.Record.from_dataframe(df, type="Screen").save()
            >>> ln.Record.get(dose__gt=2).name
            'B'
        """
        from lamin_core.samplesheets.importing import records_of_frame

        records: RecordList[Self] = records_of_frame(
            df, sheet=type, sample_column=sample_column, schema=schema
        )
        return records

    @classmethod
    def _prepared(cls, session: Session, records: Iterable[Any], user: int) -> list[Any]:
        from lamin_core.samplesheets.saving import prepared

        return prepared(session, list(records), user)

    @classmethod
    def _written(cls, session: Session, records: Iterable[Any], rows: Mapping[Any, Any]) -> None:
        from lamin_core.samplesheets.saving import written

        written(session, list(records), rows)


class RecordFeatureValue(FeatureValue, Base):
    """A value of a record."""

    __tablename__ = "record_feature_value"
    __table_args__ = value_constraints("record")

    record_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"))


class ArtifactRecord(Annotation, Base):
    """An artifact belongs to a record."""

    __tablename__ = "artifact_record"
    __table_args__ = link_constraints("artifact", "record")

    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))
    record_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"))


attach(
    Artifact,
    "records",
    ToMany("Record", link="ArtifactRecord", own="artifact_id", other="record_id"),
)
