"""Features: named, typed measurements, and their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import JSON, Double, ForeignKey, Index, String, UniqueConstraint, false, true
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.dtypes import named, registry_called, validated
from lamin_core.models.expressions import FieldExpression
from lamin_core.models.interfaces import RecordList
from lamin_core.models.lamindb_names import check_options
from lamin_core.models.record_kinds import Named, Trashable
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.tables import Base, Identity, Key
from lamin_core.models.terms import Synonymous

if TYPE_CHECKING:
    import pandas as pd

    from lamin_core.models.schema import Schema
    from lamin_core.models.user import User


class Feature(FieldExpression, Synonymous, Named, Trashable):
    """A named, typed measurement or annotation, such as a temperature or a column of a table.

    Comparing a feature with a value gives a condition: `ln.Artifact.filter(temperature > 20)`.

    Examples:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> temperature = ln.Feature(name="temperature", dtype=float, unit="celsius").save()
        >>> temperature.dtype
        'float'
    """

    __tablename__ = "feature"
    _name_field = "name"
    _search_fields = ("name", "description", "synonyms")
    _editable = ("name", "description", "unit", "nullable", "coerce")
    _editable_alone = ("dtype", "default_value", "synonyms")
    _aliases = {"dtype_as_str": "dtype"}

    name: Mapped[str] = mapped_column(Key, unique=True)
    dtype: Mapped[str]
    """A plain type (`int`, `float`, `str`, `bool`, `date`, ...), `cat[ULabel]`, or a list of one: `list[str]`."""
    description: Mapped[str | None]
    unit: Mapped[str | None]
    nullable: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether a dataset may have missing values in it."""
    default_value: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    coerce: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether values of another type are turned into this one before they are judged."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    schemas: ClassVar[ToMany[Schema]] = ToMany(
        "Schema", link="SchemaFeature", own="feature_id", other="schema_id"
    )

    def __init__(
        self,
        *,
        name: str,
        dtype: object,
        description: str | None = None,
        unit: str | None = None,
        nullable: bool = True,
        default_value: object = None,
        coerce: bool = False,
    ) -> None:
        """Create a feature. `save()` records it, or returns the existing feature with the same name and type.

        `dtype` is a Python type (`float`), a registry (`ln.ULabel`), a label with `is_type=True`, a
        list of one of these (`list[int]`), or its name as text (`"cat[ULabel]"`). Raises
        `InvalidArgument` for another `dtype`, and `ValidationError` for a default value of another
        type.
        """
        kind = checked_dtype(dtype)
        if default_value is not None:
            default_value = checked_default(name, kind, default_value)
        super().__init__(
            name=name,
            dtype=kind,
            description=description,
            unit=unit,
            nullable=nullable,
            default_value=default_value,
            coerce=coerce,
        )

    def _check_new(self) -> None:
        self.dtype = checked_dtype(self.dtype)
        if self.default_value is not None:
            self.default_value = checked_default(self.name, self.dtype, self.default_value)

    @classmethod
    def from_df(cls, df: pd.DataFrame, **options: object) -> RecordList[Self]:
        """Return a feature for each column of a table, existing or new, as a list with a method `save()`.

        `options` are arguments of LaminDB, which are ignored or refused.
        """
        check_options("from_df", options)
        return cls._of_types(
            {str(column): _of_column(dtype) for column, dtype in df.dtypes.items()}
        )

    from_dataframe = from_df

    @classmethod
    def from_dict(cls, dictionary: Mapping[str, object]) -> RecordList[Self]:
        """Return a feature for each key, existing or new, with the type of its value, as for `from_df`.

        Raises `InvalidArgument` for a value whose type no feature has.
        """
        return cls._of_types({name: _of_value(value) for name, value in dictionary.items()})

    @classmethod
    def _of_types(cls, dtypes: Mapping[str, str]) -> RecordList[Self]:
        existing = {feature.name: feature for feature in cls.filter(name__in=list(dtypes))}
        features = cls.from_values([])
        features.extend(
            existing.get(name) or cls(name=name, dtype=dtype) for name, dtype in dtypes.items()
        )
        return features

    def with_config(self, *, optional: bool = False) -> tuple[Feature, dict[str, bool]]:
        """Return this feature with options for a schema: with `optional=True`, a dataset may lack it."""
        return self, {"optional": optional}

    @property
    def dtype_as_str(self) -> str:
        """Another name of `dtype`, as in LaminDB."""
        return self.dtype

    @property
    def coerce_dtype(self) -> bool:
        """The former name of `coerce`, as in LaminDB."""
        return self.coerce

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ("dtype",)


Param = Feature
"""The former registry of the names of params, which need none: a feature of LaminDB's older scripts."""


def checked_dtype(dtype: object) -> str:
    """Return the name of the type. Raises `InvalidArgument` for anything else, or the name of an unknown registry."""
    kind = named(dtype)
    for option in kind.options:
        registry_called(option.registry)
    return str(kind)


def checked_default(name: str, dtype: str, value: object) -> object:
    """Return the default as it is stored. Raises `ValidationError` for one of another type."""
    kind = named(dtype)
    return validated(name, kind, value) if kind.plain and not kind.is_list else value


def _of_value(value: object) -> str:
    """The name of the type of a value, or of the first value of a list.

    >>> _of_value(1.5), _of_value(["a"])
    ('float', 'list[str]')
    """
    if isinstance(value, list) and value:
        return f"list[{_of_value(value[0])}]"
    return checked_dtype(type(value))


def _of_column(dtype: object) -> str:
    """The name of the type of a pandas column."""
    if str(dtype) == "category":
        return "cat[ULabel]"
    kinds = {"i": "int", "u": "int", "f": "float", "b": "bool", "M": "datetime"}
    return kinds.get(getattr(dtype, "kind", ""), "str")


class FeatureValue:
    """A value that a thing has for a feature; the elements of a list are a row each.

    `value` is the value itself; `number` and `string` are what comparisons look at. Records of
    registries that are no labels stand in `string`, by their uid.
    """

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    feature_id: Mapped[int] = mapped_column(ForeignKey("feature.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    """The place in a list."""
    value: Mapped[Any] = mapped_column(JSON)
    number: Mapped[float | None] = mapped_column(Double)
    string: Mapped[str | None] = mapped_column(Key)
    hash: Mapped[str] = mapped_column(String(22))
    """The hash of the value: equal values are stored once."""
    origin: Mapped[str] = mapped_column(String(8), default="api", server_default="api")
    """`api` if a user set it, `event` if an event did, so that a rebuild sets it again."""


def value_constraints(thing: str) -> tuple[object, ...]:
    """The constraints of a table of values: at most one value for each origin and position in a list."""
    table = f"{thing}_feature_value"
    return (
        UniqueConstraint(
            f"{thing}_id", "feature_id", "position", "hash", "origin", name=f"uq_{table}_once"
        ),
        Index(f"ix_{table}_number", "feature_id", "number"),
        Index(f"ix_{table}_string", "feature_id", "string"),
    )


class ArtifactFeatureValue(FeatureValue, Base):
    """A value of an artifact."""

    __tablename__ = "artifact_feature_value"
    __table_args__ = value_constraints("artifact")

    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))


class RunFeatureValue(FeatureValue, Base):
    """A value of a run."""

    __tablename__ = "run_feature_value"
    __table_args__ = value_constraints("run")

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
