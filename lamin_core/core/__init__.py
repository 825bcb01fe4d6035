"""Data and schemas to try things with: `ln.core.datasets`, and `ln.examples`, which is the same."""

from __future__ import annotations

import importlib
from types import ModuleType

from lamin_core.core import datasets as datasets
from lamin_core.errors import NotHere


def __getattr__(name: str) -> ModuleType:
    if name == "schemas":  # needs biological registries, so it is imported when it is used
        return importlib.import_module("lamin_core.core.schemas")
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise NotHere(
        f"lamin_core.core has no {name!r}", hint="ln.examples.datasets, ln.examples.schemas"
    )
