"""Modules of registries that are loaded at the first use of one of their names.

Loading them with the others would cost every short script the time in which SQLAlchemy maps their
tables. What creates, migrates or deletes rows calls `load_modules`, so that it sees all tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

_loaders: dict[str, Callable[[], object]] = {}
_module_of: dict[str, str] = {}


def register_module(name: str, load: Callable[[], object], names: Iterable[str] = ()) -> None:
    """Let this function define the registries of a module.

    Args:
        name: Of the module.
        load: Is called once, when it is needed.
        names: What the module adds to the registries of others, such as `cell_types` to artifacts,
            and registries of it that are named without the module.
    """
    _loaders[name] = load
    _module_of.update(dict.fromkeys(names, name))


def load_module(name: str) -> bool:
    """Define the registries of this module, unless they are defined; returns whether it did."""
    load = _loaders.pop(name, None)
    if load is not None:
        load()
    return load is not None


def load_module_with(name: str) -> bool:
    """Define the registries of the module that adds this name, unless they are defined; returns whether it did."""
    return load_module(_module_of.get(name, ""))


def load_modules() -> bool:
    """Define the registries of all modules; returns whether there were any to define."""
    loaded = [load_module(name) for name in list(_loaders)]
    return any(loaded)
