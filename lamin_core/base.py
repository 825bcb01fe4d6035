"""What registry modules are written with: bases, column types and relations.

A module is a Python package with registries that are classes of SQLAlchemy on `ModuleRegistry`;
`example_pipelines/wetlab` is a complete one, and the page on registry modules explains it.
"""

from __future__ import annotations

from lamin_core.models.base import Base, Hierarchical, Key, Registry, Synonymous, UTC_DateTime
from lamin_core.models.module_registry import ModuleRegistry
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.ties import label_artifacts

__all__ = [
    "Base",
    "Hierarchical",
    "Key",
    "ModuleRegistry",
    "Registry",
    "Synonymous",
    "ToMany",
    "ToOne",
    "UTC_DateTime",
    "label_artifacts",
]


def __dir__() -> list[str]:
    return list(__all__)
