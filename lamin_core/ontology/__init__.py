"""Biological registries that follow public ontologies; people import them as `lamin_core.bionty`."""

from __future__ import annotations

from lamin_core.models.dtypes import registry_called
from lamin_core.ontology.term import Term


def registry(name: str) -> type[Term]:
    """Return the registry with this name. Raises `InvalidArgument` where there is none.

    >>> registry("bionty.CellType").__name__, registry("Gene").__name__
    ('CellType', 'Gene')
    """
    called: type[Term] = registry_called(name if name.startswith("bionty.") else f"bionty.{name}")
    return called
