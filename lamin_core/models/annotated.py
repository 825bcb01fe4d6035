"""Registries whose records can be annotated: `artifact.features`, `artifact.labels`."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, overload

from lamin_core.models.base import Registry
from lamin_core.models.interfaces import FeatureManager, LabelManager
from lamin_core.models.queryset import QuerySet
from lamin_core.runtime import current

R = TypeVar("R", bound=Registry)


class ByFeatures(Generic[R]):
    """A registry asked by the values that its records have for features: `ln.Artifact.features`."""

    def __init__(self, registry: type[R]) -> None:
        self._registry = registry

    def filter(self, **lookups: Any) -> QuerySet[R]:
        """The records with such values; names of features come before those of fields."""
        return self._registry.all().having(**lookups)

    def get(self, **lookups: Any) -> R:
        """The one record with such values. Raises `NotFound` or `MultipleFound`."""
        return self.filter(**lookups).one()

    def __repr__(self) -> str:
        return f"{self._registry.__name__}.features"


class Features:
    """The values that a record has for features; of the registry, the way to ask by them."""

    @overload
    def __get__(self, record: None, owner: type[R]) -> ByFeatures[R]: ...
    @overload
    def __get__(self, record: Registry, owner: type[Registry]) -> FeatureManager: ...

    def __get__(self, record: Registry | None, owner: type[R]) -> ByFeatures[R] | FeatureManager:
        if record is None:
            return ByFeatures(owner)
        manager: FeatureManager = current.current_instance().features(record)
        return manager


class Labels:
    """The labels of a record."""

    @overload
    def __get__(self, record: None, owner: type[Registry]) -> Self: ...
    @overload
    def __get__(self, record: Registry, owner: type[Registry]) -> LabelManager: ...

    def __get__(self, record: Registry | None, owner: type[Registry]) -> Self | LabelManager:
        if record is None:
            return self
        manager: LabelManager = current.current_instance().labels(record)
        return manager
