"""Modules of registries that are loaded when somebody first names one of theirs.

Loading them with the others would cost every short script the time in which SQLAlchemy maps their
tables. What creates, migrates or deletes rows calls `load_modules`, so that it sees all tables.
"""

from __future__ import annotations

from collections.abc import Callable

_loaders: dict[str, Callable[[], object]] = {}


def register_module(name: str, load: Callable[[], object]) -> None:
    """Let this function define the registries of the module with this name."""
    _loaders[name] = load


def load_module(name: str) -> bool:
    """Define the registries of this module, unless they are defined; returns whether it did."""
    load = _loaders.pop(name, None)
    if load is not None:
        load()
    return load is not None


def load_modules() -> bool:
    """Define the registries of all modules; returns whether there were any to define."""
    loaded = [load_module(name) for name in list(_loaders)]
    return any(loaded)
