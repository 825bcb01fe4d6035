"""The name of a new instance, and its registry modules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lamin_core.errors import InvalidArgument
from lamin_core.models.checks import text_argument, text_arguments
from lamin_core.modules.installed import check_installed
from lamin_core.runtime.paths import SETTINGS
from lamin_core.runtime.settings import read_toml, write_toml


def check_modules(modules: str | Iterable[str] | None) -> list[str]:
    """Return the modules that are named, one by one or joined by commas, without those that are there anyway.

    Raises `InvalidArgument` for an unknown one.

    >>> check_modules("bionty"), check_modules(None)
    ([], [])
    """
    if modules is None:
        return []
    parts = [
        name.strip()
        for text in text_arguments(modules, "modules", 'modules="bionty"')
        for name in text.split(",")
    ]
    return check_installed([name for name in parts if name])


def check_instance_name(name: str | None) -> str | None:
    """Return the name. Raises `InvalidArgument` for one that is blank or has a slash in it."""
    if name is None:
        return None
    text_argument(name, "name", 'name="my-instance"')
    if not name.strip() or "/" in name or not name.isprintable():
        raise InvalidArgument(
            f"not the name of an instance: {name!r}", hint='a word such as "my-instance"'
        )
    return name


def instance_name(folder: Path) -> str:
    """The name of the instance in this `.lamin` folder; by default that of the project's folder."""
    named = read_toml(folder / SETTINGS).get("name")
    return str(named) if named else folder.absolute().parent.name


def rename_instance(folder: Path, name: str) -> None:
    """Let the instance in this `.lamin` folder be called so."""
    values = {key: value for key, value in read_toml(folder / SETTINGS).items() if key != "name"}
    mode = (folder / SETTINGS).stat().st_mode & 0o777
    write_toml(folder / SETTINGS, {**values, "name": name}, mode)
