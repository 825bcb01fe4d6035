"""Schemas: sets of features, and sets of such sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import ForeignKey, String, UniqueConstraint, false, select, true
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.arguments import SchemaArguments, keep_arguments
from lamin_core.models.base import Registry
from lamin_core.models.checks import listed_argument, shown
from lamin_core.models.dtypes import named
from lamin_core.models.feature import Feature
from lamin_core.models.interfaces import RecordList
from lamin_core.models.lamindb_names import check_options
from lamin_core.models.queryset import FieldName, QuerySet
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.tables import Base, Identity
from lamin_core.runtime import current

if TYPE_CHECKING:
    import pandas as pd

    from lamin_core.models.artifact import Artifact
    from lamin_core.models.user import User


class Schema(Registry):
    """A set of features that a dataset should have. Schemas with the same content are the same schema."""

    __tablename__ = "schema"
    _name_field = "name"
    _search_fields = ("name", "description")
    _editable = ("name", "description")
    _initial = (
        *(
            "itype",
            "otype",
            "dtype",
            "n_members",
            "minimal_set",
            "ordered_set",
            "maximal_set",
            "flexible",
            "coerce",
        ),
        "index_id",
    )
    _instead = dict.fromkeys(
        (*_initial, "index", "hash", "features", "components", "slots"),
        "a schema is known by what it asks for; ln.Schema([...]).save() is another",
    )

    name: Mapped[str | None]
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    """The hash of the requirements."""
    description: Mapped[str | None]
    itype: Mapped[str | None]
    """The registry that the names of the columns are looked up in: `Feature`, `bionty.Gene.ensembl_gene_id`."""
    otype: Mapped[str | None] = mapped_column(String(64))
    """The kind of object: `DataFrame`, `AnnData`."""
    dtype: Mapped[str | None]
    """The type that all members have, where they need none of their own."""
    n_members: Mapped[int | None]
    minimal_set: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether all members have to be there."""
    ordered_set: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether their order counts."""
    maximal_set: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether nothing else may be there."""
    flexible: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether other columns are judged too, where their names are known features."""
    coerce: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether values of another type are turned into the right one before they are judged."""
    index_id: Mapped[int | None] = mapped_column(ForeignKey("feature.id"))
    """The feature that the index is."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    index: ClassVar[ToOne[Feature | None]] = ToOne("Feature", "index_id")
    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")
    features: ClassVar[ToMany[Feature]] = ToMany(
        "Feature", link="SchemaFeature", own="schema_id", other="feature_id", is_fixed=True
    )
    components: ClassVar[ToMany[Schema]] = ToMany(
        "Schema", link="SchemaComponent", own="composite_id", other="component_id", is_fixed=True
    )
    composites: ClassVar[ToMany[Schema]] = ToMany(
        "Schema", link="SchemaComponent", own="component_id", other="composite_id"
    )
    artifacts: ClassVar[ToMany[Artifact]] = ToMany(
        "Artifact", link="ArtifactSchema", own="schema_id", other="artifact_id"
    )
    """The artifacts that match it, completely or in one slot."""
    validated_artifacts: ClassVar[ToMany[Artifact]] = ToMany("Artifact", own="schema_id")

    if TYPE_CHECKING:  # `lamin_core.bionty` adds these when it is imported
        cell_markers: ClassVar[ToMany[Registry]]
        genes: ClassVar[ToMany[Registry]]
        pathways: ClassVar[ToMany[Registry]]
        proteins: ClassVar[ToMany[Registry]]

    def __init__(
        self,
        features: Iterable[object] | None = None,
        *,
        index: Feature | None = None,
        name: str | None = None,
        description: str | None = None,
        itype: object = None,
        otype: str | None = None,
        dtype: object = None,
        slots: dict[str, Schema] | None = None,
        components: dict[str, Schema] | None = None,
        minimal_set: bool = True,
        maximal_set: bool = False,
        ordered_set: bool = False,
        flexible: bool | None = None,
        coerce: bool = False,
    ) -> None:
        """A schema to be saved, of saved features, or of a schema for each slot (`components` is a former name).

        A feature may stand with `feature.with_config(optional=True)`. Without features, `itype`
        says in which registry the names of the columns are looked up. Raises `InvalidArgument` for
        features named twice, and for nothing.
        """
        listed = (
            ()
            if features is None
            else listed_argument(features, "features", "ln.Schema([feature, ...])")
        )
        members = [_member(item) for item in listed]
        slots = _checked_slots(components if slots is None else slots)
        if index is not None and not isinstance(index, Feature):
            raise InvalidArgument(
                f"not a feature: {shown(index)}", hint="index=ln.Feature.get(name=...)"
            )
        kind = None if itype is None else _itype(itype)
        if not (members or slots or kind):
            raise InvalidArgument(
                "a schema needs features, slots or an itype", hint="ln.Schema(features=[...])"
            )
        _check_single([feature for feature, _ in members])
        super().__init__(
            name=name,
            description=description,
            itype=kind or ("Feature" if members else None),
            otype=otype,
            dtype=None if dtype is None else str(named(dtype)),
            n_members=len(members) or None,
            minimal_set=minimal_set,
            maximal_set=maximal_set,
            ordered_set=ordered_set,
            flexible=not members and not slots if flexible is None else flexible,
            coerce=coerce,
        )
        keep_arguments(self, SchemaArguments(members=members, slots=slots, index=index))

    @property
    def members(self) -> QuerySet[Any]:
        """What its columns are: features in their order, or records of the biological registry that `itype` names."""
        registry = (self.itype or "Feature").removeprefix("bionty.").partition(".")[0]
        names = {"Gene": "genes", "Protein": "proteins", "CellMarker": "cell_markers"}
        if registry in names:
            members: QuerySet[Any] = getattr(self, names[registry])
        else:
            members = current.current_instance().ordered_features(self)
        return members

    @property
    def optionals(self) -> QuerySet[Feature]:
        """The features that may be missing."""
        ids = select(SchemaFeature.feature_id).where(
            SchemaFeature.schema_id == self.id, SchemaFeature.optional
        )
        features: QuerySet[Feature] = current.current_instance().query(
            Feature, select(Feature).where(Feature.id.in_(ids))
        )
        return features

    @property
    def n(self) -> int | None:
        """The former name of `n_members`, as in LaminDB."""
        return self.n_members

    @property
    def coerce_dtype(self) -> bool:
        """The former name of `coerce`, as in LaminDB."""
        return self.coerce

    @property
    def slots(self) -> dict[str, Schema]:
        """The schema of each slot."""
        schemas: dict[str, Schema] = current.current_instance().slots(self)
        return schemas

    @classmethod
    def from_df(cls, df: pd.DataFrame, *, name: str | None = None, **options: object) -> Schema:
        """A schema to be saved, of the columns of a table that are features. Raises `InvalidArgument` for none.

        `options` are arguments of LaminDB, which are ignored or refused.
        """
        check_options("from_df", options)
        features = Feature.from_values([str(column) for column in df.columns])
        if not features:
            raise InvalidArgument(
                "no column is a known feature", hint="ln.Feature.from_df(df).save()"
            )
        return cls(features, name=name)

    from_dataframe = from_df

    @classmethod
    def from_values(
        cls,
        values: Iterable[object],
        field: FieldName = None,
        *,
        create: bool = False,
        **options: object,
    ) -> RecordList[Self]:
        """Return the schemas with these names; `options` are arguments of LaminDB, which are ignored or refused."""
        check_options("Schema.from_values", options)
        return super().from_values(values, field, create=create)

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ("otype", "itype", "n_members")


def _checked_slots(slots: object) -> dict[str, Schema]:
    """Return the schema of each slot. Raises `InvalidArgument`."""
    slots = {} if slots is None else slots
    if not isinstance(slots, Mapping):
        raise InvalidArgument(f"not a dict of slots: {shown(slots)}", hint="slots={'obs': schema}")
    for slot, schema in slots.items():
        if not isinstance(slot, str) or not isinstance(schema, Schema):
            raise InvalidArgument(
                f"not a slot: {shown(slot)}: {shown(schema)}", hint="slots={'obs': schema}"
            )
    return dict(slots)


def _member(item: Any) -> tuple[Feature, bool]:
    """A feature, and whether it may be missing."""
    is_configured = isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Mapping)
    feature, config = item if is_configured else (item, {})
    if not isinstance(feature, Feature):
        raise InvalidArgument(
            f"not a feature: {shown(feature)}", hint="ln.Feature(name='x', dtype=int).save()"
        )
    return feature, bool(config.get("optional", False))


def _check_single(features: list[Feature]) -> None:
    names = [feature.name for feature in features]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidArgument(f"features are named twice: {twice}")


def _itype(itype: object) -> str:
    """The registry, or the field of one, as text.

    >>> _itype(Feature), _itype(Feature.name)
    ('Feature', 'Feature.name')
    """
    if isinstance(itype, str):
        return str(itype)
    options = named(itype).options
    if not options:
        raise InvalidArgument(f"not a registry: {shown(itype)}", hint="itype=ln.Feature")
    return str(options[0])


FeatureSet = Schema
"""The former name."""


class SchemaFeature(Base):
    """A feature belongs to a schema, at this place."""

    __tablename__ = "schema_feature"

    schema_id: Mapped[int] = mapped_column(
        ForeignKey("schema.id", ondelete="CASCADE"), primary_key=True
    )
    feature_id: Mapped[int] = mapped_column(ForeignKey("feature.id"), primary_key=True, index=True)
    position: Mapped[int]
    optional: Mapped[bool] = mapped_column(default=False, server_default=false())


class SchemaComponent(Base):
    """A schema is that of one slot of a composite one: `obs` and `var` of an `AnnData`."""

    __tablename__ = "schema_component"

    composite_id: Mapped[int] = mapped_column(
        ForeignKey("schema.id", ondelete="CASCADE"), primary_key=True
    )
    slot: Mapped[str] = mapped_column(String(64), primary_key=True)
    component_id: Mapped[int] = mapped_column(ForeignKey("schema.id"), index=True)


class ArtifactSchema(Base):
    """A link between an artifact and the set of features in one of its slots; the slot is '' if it has none."""

    __tablename__ = "artifact_schema"
    __table_args__ = (UniqueConstraint("artifact_id", "slot", "schema_id", "origin"),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifact.id", ondelete="CASCADE"))
    schema_id: Mapped[int] = mapped_column(ForeignKey("schema.id", ondelete="CASCADE"), index=True)
    slot: Mapped[str] = mapped_column(String(64), default="", server_default="")
    origin: Mapped[str] = mapped_column(String(8), default="api", server_default="api")
    """`api` for what people found, `event` for what a rebuild says again."""
