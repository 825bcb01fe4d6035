"""Registries whose records can be annotated: `artifact.features`, `artifact.labels`."""

from __future__ import annotations

from typing import Any, overload

from lamin_core.runtime import current


class ByFeatures:
    """A registry asked by the values that its records have for features: `ln.Artifact.features`."""

    def __init__(self, registry: type[Any]) -> None:
        self._registry = registry

    def filter(self, **lookups: Any) -> Any:
        """The records with such values; names of features come before those of fields."""
        return current.current_instance().query(self._registry).having(**lookups)

    def get(self, **lookups: Any) -> Any:
        """The one record with such values. Raises `NotFound` or `MultipleFound`."""
        return self.filter(**lookups).one()

    def __repr__(self) -> str:
        return f"{self._registry.__name__}.features"


class Features:
    """The values that a record has for features; of the registry, the way to ask by them."""

    @overload
    def __get__(self, record: None, owner: type) -> ByFeatures: ...
    @overload
    def __get__(self, record: Any, owner: type) -> Any: ...

    def __get__(self, record: Any, owner: type) -> Any:
        return ByFeatures(owner) if record is None else current.current_instance().features(record)


class Labels:
    """The labels of a record."""

    def __get__(self, record: Any, owner: type) -> Any:
        return self if record is None else current.current_instance().labels(record)
