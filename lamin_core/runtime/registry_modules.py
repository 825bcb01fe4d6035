"""Modules of registries that are loaded at the first use of one of their names.

Loading them with the others would cost every short script the time in which SQLAlchemy maps their
tables. What creates tables, migrates or deletes rows, or shows all relations of a record, calls
`load_modules`, so that it sees all tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

_loaders: dict[str, Callable[[], object]] = {}
_module_of: dict[str, str] = {}


def register_module(name: str, load: Callable[[], object], names: Iterable[str] = ()) -> None:
    """Let this function define the registries of a module, or of a part of one.

    Args:
        name: Of the module, or of the module and the part, such as `bionty.cells`.
        load: Is called when it is needed; until it returns, another thread may call it as well.
        names: What the module adds to the registries of others, such as `cell_types` to artifacts,
            and registries of it that are named without the module.
    """
    _loaders[name] = load
    _module_of.update(dict.fromkeys(names, name))


def load_module(name: str) -> bool:
    """Define the registries of this module or part, unless they are defined; returns whether it did."""
    parts = [part for part in list(_loaders) if part == name or part.startswith(f"{name}.")]
    for part in parts:
        load = _loaders.get(part)
        if load is not None:
            load()
            _loaders.pop(part, None)  # only now: another thread waits for the import, too
    return bool(parts)


def load_module_with(name: str) -> bool:
    """Define the registries of the part that adds this name, unless they are defined; returns whether it did."""
    return name in _module_of and load_module(_module_of[name])


def load_modules() -> bool:
    """Define the registries of all modules; returns whether there were any to define."""
    loaded = [load_module(name) for name in list(_loaders)]
    return any(loaded)
