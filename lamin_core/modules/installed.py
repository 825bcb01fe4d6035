"""Which registry modules are installed, by the entry point `lamin_core.modules`, and loading them."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

from lamin_core.errors import Conflict, InvalidArgument, SchemaMismatch, Unavailable
from lamin_core.models.module_tables import core_tables, module_of
from lamin_core.models.tables import Base
from lamin_core.runtime.registry_modules import load_modules

logger = logging.getLogger("lamin")
GROUP = "lamin_core.modules"
BUILT_IN = ("bionty",)
"""Modules of LaminDB whose registries every instance has anyway."""


def installed_modules() -> list[str]:
    """Return the names of the registry modules that are installed."""
    return sorted(point.name for point in importlib.metadata.entry_points(group=GROUP))


def check_installed(names: Iterable[str]) -> list[str]:
    """Return the modules that are not built in, without repetition. Raises `InvalidArgument` for an unknown one."""
    available = [*BUILT_IN, *installed_modules()]
    for name in names:
        if name not in available:
            near = difflib.get_close_matches(name, available, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(available)}"
            raise InvalidArgument(f"no module is called {name!r}", hint=hint)
    return [name for name in dict.fromkeys(names) if name not in BUILT_IN]


def load_installed(name: str) -> ModuleType:
    """Import a registry module, which defines its registries.

    Raises:
        Unavailable: It is not installed, or its import fails.
        Conflict: It defines what it may not: a table whose name does not begin with that of the
            module, or a class that is called as one of the core.
    """
    points = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if name not in points:
        raise Unavailable(
            f"the registry module {name!r} is not installed", hint="install the package that has it"
        )
    try:
        module: ModuleType = importlib.import_module(points[name].module)
    except Exception as error:
        raise Unavailable(
            f"the registry module {name!r} cannot be imported: {type(error).__name__}: {error}",
            hint=f"python -c 'import {points[name].module}'",
        ) from error
    _check_definitions(name, points[name].module)
    return module


def _check_definitions(name: str, package: str) -> None:
    load_modules()  # tables of the module may name theirs
    core = {table.name for table in core_tables()}
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,19}", name) or package.partition(".")[0] != name:
        raise Conflict(
            f"not the name of a registry module: {name!r}",
            hint="the name of its package, in small letters",
        )
    if any(table.startswith(f"{name}_") for table in core):
        raise Conflict(f"{name!r} begins names of tables of the core", hint="choose another name")
    classes = {mapper.class_ for mapper in Base.registry.mappers}
    ours = {cls.__name__ for cls in classes if module_of(cls.__table__) is None}
    for cls in classes:
        if module_of(cls.__table__) == name and not cls.__table__.name.startswith(f"{name}_"):
            raise Conflict(
                f"table {cls.__table__.name!r} of module {name!r} does not begin with its name",
                hint=f'__tablename__ = "{name}_{cls.__table__.name}"',
            )
        if module_of(cls.__table__) == name and cls.__name__ in ours:
            raise Conflict(
                f"module {name!r} defines {cls.__name__!r}, as the core does",
                hint="choose another name",
            )


def versions_folder(name: str) -> Path:
    """Return the folder with the migrations of a module, which need not be there. Raises as `load_installed`."""
    load_installed(name)
    package = importlib.import_module(name)
    return Path(next(iter(package.__path__))) / "migrations" / "versions"


def head(name: str) -> str | None:
    """Return the newest revision that the package of a module has; None for one without migrations."""
    revisions = [
        path.name[: len(name) + 5]
        for path in versions_folder(name).glob(f"{name}_[0-9][0-9][0-9][0-9]_*.py")
    ]
    return max(revisions, default=None)


def open_modules(revisions: Mapping[str, str]) -> None:
    """Load the modules of a database at these revisions.

    One that is not installed, or cannot be imported, is named in a warning. Raises `SchemaMismatch`
    for tables of another version than the package.
    """
    for name, revision in revisions.items():
        try:
            newest = head(name)
        except Unavailable as error:
            logger.warning("%s; its registries are not there", error.message)
            continue
        if newest != revision:
            is_older = newest is not None and revision < newest
            has = "has no migrations" if newest is None else f"has {newest}"
            folder = versions_folder(name).parents[1]
            raise SchemaMismatch(
                f"the tables of module {name!r} have schema {revision}, its package in {folder} {has}",
                hint="lamin migrate" if is_older else f"upgrade the package of {name!r}",
            )
