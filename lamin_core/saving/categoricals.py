"""Find the records that the values of a categorical feature mean, given as records or as names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from sqlalchemy.orm import Session

from lamin_core.errors import ValidationError
from lamin_core.ingest.feature_labels import types_called
from lamin_core.models import Feature, Registry
from lamin_core.models.checks import is_storable
from lamin_core.models.dtypes import Dtype, Option, parse, registry_called
from lamin_core.models.record_kinds import Named
from lamin_core.query.operators import OPERATORS
from lamin_core.saving.records import check_saved

_SHOWN = 20
"""Names in a message."""


class Terms:
    """The valid values of one categorical feature."""

    def __init__(self, session: Session, feature: Feature, dtype: Dtype) -> None:
        self._session, self._feature, self._dtype = session, feature, dtype

    def of(self, items: Iterable[Any]) -> tuple[list[Any], list[str]]:
        """The records that are meant, in their order, and the names of none. Raises `ValidationError`."""
        items = list(items)
        names = list(
            dict.fromkeys(
                item for item in items if not isinstance(item, Registry) and self._is_name(item)
            )
        )
        called = self._called(names)
        records = [
            self.checked(item) if isinstance(item, Registry) else called.get(item) for item in items
        ]
        unique = {(type(record), record.id): record for record in records if record is not None}
        return list(unique.values()), [name for name in names if name not in called]

    def named(self, names: list[str]) -> tuple[dict[str, Any], list[str]]:
        """The records with these names, by name, and the names of none."""
        called = self._called(names)
        return called, [name for name in names if name not in called]

    def checked(self, record: Registry) -> Registry:
        """The record, if it may be a value. Raises `ValidationError`."""
        check_saved([record])
        own = [
            option
            for option in self._dtype.options
            if option.registry == type(record)._registry_name()
        ]
        types = [self._types[option] for option in own]
        if not any(
            allowed is None or getattr(record, "type_id", None) in allowed for allowed in types
        ):
            expected = self._dtype.options[0]
            raise ValidationError(
                f"not a value of feature {self._feature.name!r}, which is {self._feature.dtype}: {record!r}",
                hint=f"pass a {expected.registry}"
                + (f" of the type {expected.type!r}" if expected.type else ""),
            )
        return record

    def _is_name(self, item: object) -> bool:
        if not isinstance(item, str) or not is_storable(item):
            raise ValidationError(
                f"the value {item!a} of feature {self._feature.name!r} is not a label",
                hint=f"pass the name of a {self._dtype.options[0].registry}, or the record",
            )
        return True

    def _called(self, names: list[str]) -> dict[str, Any]:
        """The records with these names, of the first registry that has one; all names in one question to each."""
        records: dict[str, Any] = {}
        for option in self._dtype.options:
            target = registry_called(option.registry)
            fields = [option.field or target._name_field]
            fields += [] if issubclass(target, Named) else ["uid"]
            for field in fields:
                records = (
                    self._in_field(option, field, [name for name in names if name not in records])
                    | records
                )
        return records

    def _in_field(self, option: Option, field: str, names: list[str]) -> dict[str, object]:
        if not names:
            return {}
        target: Any = registry_called(option.registry)
        column = getattr(target, field)
        query = target._listed().where(OPERATORS["in"](column, names))
        types = self._types[option]
        if types is not None:
            query = query.where(target.type_id.in_(types))
        if hasattr(target, "is_latest"):
            query = query.order_by(target.is_latest)
        # The latest version, and the record that was there first, come last and stay.
        return {
            str(getattr(record, field)): record
            for record in self._session.scalars(query.order_by(target.id.desc()))
        }

    @cached_property
    def _types(self) -> dict[Option, list[int] | None]:
        """The groups that a label must be in, by registry and primary key; None where any label is allowed."""
        return {
            option: None
            if option.type is None
            else types_called(self._session, registry_called(option.registry), option.type)
            for option in self._dtype.options
        }


def unknown_terms(unknown: dict[str, list[str]]) -> str:
    """The messages about names without a record, by the registry that should contain them."""
    lines = ["These values could not be validated:"]
    lines += [f"  {registry}: {_listed(names)}" for registry, names in unknown.items()]
    lines += ["Fix typos, or create records for them:", ""]
    lines += [
        f"  {_how_to_make(parse(f'cat[{registry}]').options[0], names)}"
        for registry, names in unknown.items()
    ]
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    return (
        repr(names)
        if len(names) <= _SHOWN
        else f"[{', '.join(map(repr, names[:_SHOWN]))}, ...] ({len(names):,})"
    )


def _how_to_make(option: Option, names: list[str]) -> str:
    registry = registry_called(option.registry)
    code = registry._name_in_code()
    argument = repr(names) if len(names) <= _SHOWN else "names"
    if not issubclass(registry, Named):
        return f"{code}(...).save(), then pass the record, its {registry._name_field} or its uid"
    if option.type is not None:
        group = f"type={code}.get(name={option.type!r})"
        return f"ln.save([{code}(name=name, {group}) for name in {argument}])"
    return f"{code}.from_values({argument}, create=True).save()"
