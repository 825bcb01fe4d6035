"""Record data lineage: which code made which file from which other files. `import lamin_core as ln`.

The import loads no heavy module and opens no database; each name is loaded at its first use.
"""

from __future__ import annotations

import importlib
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lamin_core.runtime.current import register_opener as _register_opener
from lamin_core.runtime.registry_modules import register_module as _register_module

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lamin_core import base as base
    from lamin_core import bionty as bionty
    from lamin_core import core as core
    from lamin_core import core as examples  # noqa: F401 - `ln.examples` is this package
    from lamin_core import curation as curators  # noqa: F401 - `ln.curators` is this package
    from lamin_core import errors as errors
    from lamin_core.instance import setup as setup
    from lamin_core.instance.instance import connect as connect
    from lamin_core.instance.instance import disconnect as disconnect
    from lamin_core.instance.recent import view as view
    from lamin_core.instance.setup import save as save
    from lamin_core.models import Artifact as Artifact
    from lamin_core.models import Collection as Collection
    from lamin_core.models import Environment as Environment
    from lamin_core.models import Feature as Feature
    from lamin_core.models import Project as Project
    from lamin_core.models import Reference as Reference
    from lamin_core.models import Run as Run
    from lamin_core.models import Schema as Schema
    from lamin_core.models import Storage as Storage
    from lamin_core.models import Transform as Transform
    from lamin_core.models import ULabel as ULabel
    from lamin_core.models import User as User
    from lamin_core.models.expressions import Q as Q
    from lamin_core.models.feature import Param as Param
    from lamin_core.models.schema import FeatureSet as FeatureSet
    from lamin_core.runtime import current as context  # noqa: F401 - `ln.context` is this module
    from lamin_core.runtime.settings import settings as settings
    from lamin_core.samplesheets.registry import Record as Record
    from lamin_core.tracking import finish as finish
    from lamin_core.tracking import flow as flow
    from lamin_core.tracking import run as run
    from lamin_core.tracking import step as step
    from lamin_core.tracking import track as track
    from lamin_core.tracking import tracked as tracked

_HOMES = {
    "Artifact": "models",
    "Collection": "models",
    "Environment": "models",
    "Feature": "models",
    "FeatureSet": "models.schema",
    "Param": "models.feature",
    "Project": "models",
    "Q": "models.expressions",
    "Record": "samplesheets.registry",
    "Reference": "models",
    "Run": "models",
    "Schema": "models",
    "Storage": "models",
    "Transform": "models",
    "ULabel": "models",
    "User": "models",
    "connect": "instance.instance",
    "disconnect": "instance.instance",
    "finish": "tracking",
    "flow": "tracking",
    "run": "tracking",
    "save": "instance.setup",
    "settings": "runtime.settings",
    "step": "tracking",
    "tracked": "tracking",
    "track": "tracking",
    "view": "instance.recent",
}
_NOT_HERE = {
    "Branch": "an instance has no branches",
    "Space": "an instance has no spaces; another instance is another folder: lamin init",
    "DB": "ln.connect(folder or URL)",
    "UPath": "pathlib.Path, or a URL as text",
    "UNSET": "leave the argument out",
    "Unset": "leave the argument out",
    "integrations": "snakemake --logger lamin, lamin nextflow run, lamin_prefect",
}
"""Names of LaminDB that have no meaning here, and what to use instead."""
_BIOLOGICAL = {
    "cells": ("CellLine", "cell_lines", "CellType", "cell_types", "Tissue", "tissues"),
    "diseases": ("Disease", "diseases", "Phenotype", "phenotypes"),
    "donors": ("DevelopmentalStage", "developmental_stages", "Ethnicity", "ethnicities"),
    "experiments": ("ExperimentalFactor", "experimental_factors", "Pathway", "pathways"),
    "genes": ("Gene", "genes"),
    "proteins": ("CellMarker", "cell_markers", "Protein", "proteins"),
    "species": ("Organism", "organisms"),
}
"""Registries of the module `bionty`, and the relations of artifacts and schemas to them, by where they are defined."""
_MODULES = {
    "base": "base",
    "bionty": "bionty",
    "context": "runtime.current",
    "core": "core",
    "curators": "curation",
    "errors": "errors",
    "examples": "core",
    "setup": "instance.setup",
}
__all__ = sorted(["__version__", *_HOMES, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"lamin_core.{_MODULES[name]}")
    if name in _NOT_HERE:
        not_here = importlib.import_module("lamin_core.errors").NotHere
        raise not_here(f"lamin_core has no {name!r}", hint=_NOT_HERE[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'lamin_core' has no attribute {name!r}")
    _instances()  # settings and runs have parts that an instance answers
    if name == "settings":
        importlib.import_module("lamin_core.instance.lamindb_settings")
    value = getattr(importlib.import_module(f"lamin_core.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def _instances() -> ModuleType:
    return importlib.import_module("lamin_core.instance.instance")


def _open_instance() -> object:
    return _instances().connect()


def _load_biological(module: str) -> object:
    return importlib.import_module(f"lamin_core.ontology.{module}")


def _load_records() -> object:
    return importlib.import_module("lamin_core.samplesheets.registry")


_register_opener(_open_instance)
for _module, _names in _BIOLOGICAL.items():
    _register_module(f"bionty.{_module}", partial(_load_biological, _module), _names)
_register_module("records", _load_records, ("Record", "records"))


def __dir__() -> list[str]:
    return list(__all__)
