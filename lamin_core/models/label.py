"""What people say about data: labels, features, schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Base, Registry
from lamin_core.models.relations import Many, One

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact


DTYPES = ("int", "float", "str", "bool", "date", "datetime", "dict")
"""The plain types that a feature may have."""


class ULabel(Registry):
    """A universal label; `type` groups labels, `is_type` marks the groups."""

    __tablename__ = "ulabel"
    __table_args__ = (
        UniqueConstraint("name", "type_id"),
        Index(
            "ix_ulabel_untyped",
            "name",
            unique=True,
            postgresql_where=text("type_id IS NULL"),
            sqlite_where=text("type_id IS NULL"),
        ),
    )
    _name_field = "name"

    name: Mapped[str]
    description: Mapped[str | None]
    is_type: Mapped[bool] = mapped_column(default=False)
    type_id: Mapped[int | None] = mapped_column(ForeignKey("ulabel.id"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    type: ClassVar[One[ULabel]] = One("ULabel", "type_id")
    artifacts: ClassVar[Many[Artifact]] = Many("Artifact", link="ArtifactULabel", own="ulabel_id", other="artifact_id")

    def __init__(
        self, *, name: str, type: ULabel | None = None, is_type: bool = False, description: str | None = None
    ) -> None:
        """A label to be saved; one with the same name and type is the same label."""
        type_id = None if type is None else type.id
        super().__init__(name=name, is_type=is_type, description=description, type_id=type_id)


class ArtifactULabel(Base):
    """An artifact carries a label."""

    __tablename__ = "artifact_ulabel"

    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"), primary_key=True)
    ulabel_id: Mapped[int] = mapped_column(ForeignKey("ulabel.id", ondelete="CASCADE"), primary_key=True, index=True)


class Feature(Registry):
    """A dimension that data are measured in, with its type."""

    __tablename__ = "feature"
    _name_field = "name"

    name: Mapped[str] = mapped_column(unique=True)
    dtype: Mapped[str]
    """`int`, `float`, `str`, `bool`, `date`, `datetime`, `dict`, or `cat[ULabel]`."""
    description: Mapped[str | None]
    unit: Mapped[str | None]

    def __init__(
        self, *, name: str, dtype: type | str, description: str | None = None, unit: str | None = None
    ) -> None:
        """A feature to be saved; `dtype` is a Python type, a registry, or its name."""
        super().__init__(name=name, dtype=_dtype_name(dtype), description=description, unit=unit)


def _dtype_name(dtype: type | str) -> str:
    if not isinstance(dtype, str) and issubclass(dtype, Registry):
        return f"cat[{dtype.__name__}]"
    name = dtype if isinstance(dtype, str) else dtype.__name__
    if name not in DTYPES and not (name.startswith("cat[") and name.endswith("]")):
        raise InvalidArgument(f"{name!r} is no dtype", hint=f"one of {', '.join(DTYPES)}, or a registry such as ULabel")
    return name


class Schema(Registry):
    """A set of features that a dataset should have; the same set is the same schema, whatever its name."""

    __tablename__ = "schema"
    _name_field = "name"

    name: Mapped[str | None]
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    otype: Mapped[str | None] = mapped_column(String(64))
    description: Mapped[str | None]

    features: ClassVar[Many[Feature]] = Many("Feature", link="SchemaFeature", own="schema_id", other="feature_id")

    def __init__(self, *, features: list[Feature], name: str | None = None, otype: str | None = None, **kwargs: Any):
        """A schema to be saved, of saved features."""
        super().__init__(name=name, otype=otype, **kwargs)
        self.__dict__["_members"] = list(features)


class SchemaFeature(Base):
    """A feature belongs to a schema, at this place."""

    __tablename__ = "schema_feature"

    schema_id: Mapped[int] = mapped_column(ForeignKey("schema.id", ondelete="CASCADE"), primary_key=True)
    feature_id: Mapped[int] = mapped_column(ForeignKey("feature.id"), primary_key=True, index=True)
    position: Mapped[int]
