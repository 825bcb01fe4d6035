"""`ln.view()`: the latest records of each registry, as tables."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lamin_core.models.base import Registry
from lamin_core.models.checks import text_arguments
from lamin_core.models.dtypes import registries_in, registry_called
from lamin_core.models.html import table
from lamin_core.render.display import is_notebook
from lamin_core.runtime.printable import printable_lines

if TYPE_CHECKING:
    import pandas as pd

NAMES = (
    "Artifact",
    "Collection",
    "Transform",
    "Run",
    "Record",
    "ULabel",
    "Feature",
    "Schema",
    "Project",
    "Reference",
    "Storage",
    "User",
)
"""The registries that `view` shows, in this order."""


def view(
    *,
    df: pd.DataFrame | None = None,
    limit: int = 7,
    modules: str | Iterable[str] | None = None,
    registries: Iterable[str] | None = None,
) -> None:
    """Show the latest records of each registry that has any: tables of HTML in a notebook, else of text.

    Args:
        df: Show the first rows of this table instead.
        limit: Maximum number of records of each registry, or of rows.
        modules: Names of modules, such as `"bionty"`, for all their registries; by default `"core"`.
        registries: Names of registries, such as `["Artifact", "bionty.CellType"]`; by default all of
            the modules.

    Raises:
        InvalidArgument: No registry or module has this name.
        MissingExtra: pandas is not installed (`lamin-core[data]`).

    Examples:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> _ = ln.ULabel(name="checked").save()
        >>> ln.view(registries=["ULabel", "Run"])  # doctest: +ELLIPSIS
        ULabel: 1
        ...checked...
    """
    if df is not None:
        _show_table(f"{min(limit, len(df)):,} of {len(df):,} rows", df.head(limit), index=True)
        return
    if registries is not None:
        names: Iterable[str] = text_arguments(registries, "registries", 'registries=["Artifact"]')
    else:
        names = _names_in(modules)
    for registry in [registry_called(name) for name in names]:
        number = registry.count()
        if number:
            _show(registry, limit, number)


def _show(registry: type[Registry], limit: int, number: int) -> None:
    latest = registry.df(limit=limit).dropna(axis="columns", how="all")
    title = f"{registry._registry_name()}: {min(len(latest), number):,} of {number:,}"
    if len(latest) == number:
        title = f"{registry._registry_name()}: {number:,}"
    _show_table(title, latest)


def _names_in(modules: str | Iterable[str] | None) -> list[str]:
    """Return the names of the registries of these modules. Raises `InvalidArgument`."""
    listed = [modules] if isinstance(modules, str) else modules
    names: list[str] = []
    for module in text_arguments(listed or ["core"], "modules", 'modules=["bionty"]'):
        if module == "core":
            names += NAMES
        else:
            names += registries_in(module)
    return names


def _show_table(title: str, latest: pd.DataFrame, *, index: bool = False) -> None:
    if is_notebook():
        display = importlib.import_module("IPython.display")
        display.display(display.HTML(as_html(title, latest)))
        return
    lines = f"{title}\n{latest.to_string(index=index)}\n"
    print(printable_lines(lines))  # noqa: T201 - this is what it is for


def as_html(title: str, records: pd.DataFrame) -> str:
    """A data frame of records as a table of HTML, with the title below; what is missing is empty."""
    values = records.astype(object).where(records.notna(), None)
    return table(list(values.columns), values.itertuples(index=False), title)
