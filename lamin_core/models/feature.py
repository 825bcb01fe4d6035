"""Dimensions that data are measured in, and the values that things have in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import JSON, Double, ForeignKey, Index, String, UniqueConstraint, false, true
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Base, Identity, Key, Registry
from lamin_core.models.relations import Many, One

if TYPE_CHECKING:
    from lamin_core.models.schema import Schema
    from lamin_core.models.user import User


DTYPES = ("int", "float", "str", "bool", "date", "datetime", "dict")
"""The plain types that a feature may have."""


class Feature(Registry):
    """A dimension that data are measured in, with its type."""

    __tablename__ = "feature"
    _name_field = "name"

    name: Mapped[str] = mapped_column(unique=True)
    dtype: Mapped[str]
    """`int`, `float`, `str`, `bool`, `date`, `datetime`, `dict`, or `cat[ULabel]`."""
    description: Mapped[str | None]
    unit: Mapped[str | None]
    synonyms: Mapped[str | None]
    """Other names, joined by `|`."""
    nullable: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether a dataset may have missing values in it."""
    default_value: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    coerce: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether values of another type are turned into this one before they are judged."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    created_by: ClassVar[One[User]] = One("User", "created_by_id")
    schemas: ClassVar[Many[Schema]] = Many("Schema", link="SchemaFeature", own="feature_id", other="schema_id")

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


class FeatureValue:
    """A value that a thing has for a feature; the elements of a list are a row each.

    `value` is the value itself; `number` and `string` are what comparisons look at. Records of registries that are
    no labels stand in `string`, by their uid.
    """

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    feature_id: Mapped[int] = mapped_column(ForeignKey("feature.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    """The place in a list."""
    value: Mapped[Any] = mapped_column(JSON)
    number: Mapped[float | None] = mapped_column(Double)
    string: Mapped[str | None] = mapped_column(Key)
    hash: Mapped[str] = mapped_column(String(22))
    """Of the value: the same value is there once."""
    origin: Mapped[str] = mapped_column(String(8), default="api", server_default="api")
    """`api` for what people said, `event` for what a rebuild says again."""


def _valued(thing: str) -> tuple[Any, ...]:
    table = f"{thing}_feature_value"
    return (
        UniqueConstraint(f"{thing}_id", "feature_id", "position", "hash", "origin", name=f"uq_{table}_once"),
        Index(f"ix_{table}_number", "feature_id", "number"),
        Index(f"ix_{table}_string", "feature_id", "string"),
    )


class ArtifactFeatureValue(FeatureValue, Base):
    """A value of an artifact."""

    __tablename__ = "artifact_feature_value"
    __table_args__ = _valued("artifact")

    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))


class RunFeatureValue(FeatureValue, Base):
    """A value of a run."""

    __tablename__ = "run_feature_value"
    __table_args__ = _valued("run")

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
