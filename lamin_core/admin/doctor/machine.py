"""Checks of this machine: installed packages, waiting events."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lamin_core import __version__
from lamin_core.admin.doctor.finding import Finding, ok, warning
from lamin_core.runtime.paths import instance_of, spool_folder, user_spool
from lamin_core.runtime.set_aside import REMEDY, aside_files
from lamin_core.runtime.waiting_folders import waiting_folders

WAL_RESET_FIXED = (3, 51, 3)
_ENGINES = {
    "snakemake": ("snakemake_logger_plugin_lamin", "snakemake"),
    "prefect": ("lamin_prefect", "prefect"),
    "nextflow": ("lamin_nextflow", None),
}
"""For each engine, the module of its adapter and the name of its Python package."""


def checks() -> Iterator[Finding]:
    """Versions, engines, the spool."""
    yield ok(
        "version",
        f"lamin-core {__version__}, Python {platform.python_version()}, {platform.platform()}",
    )
    yield sqlite(sqlite3.sqlite_version_info)
    for engine, (plugin, package) in _ENGINES.items():
        yield _engine(engine, plugin, package)
    yield spool()
    yield from waiting_elsewhere()
    yield refused_events()


def sqlite(version: tuple[int, ...]) -> Finding:
    """Whether this SQLite has the bug by which a checkpoint can undo a commit.

    >>> sqlite((3, 51, 3)).status, sqlite((3, 40, 1)).status
    ('ok', 'warning')
    """
    shown = ".".join(map(str, version))
    if version >= WAL_RESET_FIXED:
        return ok("sqlite", shown)
    return warning(
        "sqlite",
        f"{shown}: before 3.51.3 a checkpoint that meets another process's commit may, very rarely, damage the file",
        "let one process write (lamin serve), use PostgreSQL for a team, or a Python with a newer SQLite",
    )


def _engine(engine: str, plugin: str, package: str | None) -> Finding:
    if importlib.util.find_spec(plugin) is None:
        return warning(
            f"engine {engine}", f"{plugin} is not installed", f"pip install 'lamin-core[{engine}]'"
        )
    installed = shutil.which(engine) if package is None else _version(package)
    if installed is None:
        return ok(f"engine {engine}", f"{plugin} is there, {engine} is not installed")
    return ok(f"engine {engine}", f"{installed}, and {plugin} for it")


def _version(package: str) -> str | None:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return None


def spool() -> Finding:
    """Whether events wait for a registry."""
    folder = spool_folder()
    files = sorted(folder.glob("*.ndjson*")) if folder.is_dir() else []
    if not files:
        return ok("spool", f"nothing waits in {folder}")
    size = sum(file.stat().st_size for file in files)
    return warning(
        "spool", f"{size} bytes in {len(files)} files wait in {folder}", "lamin events replay"
    )


def waiting_elsewhere() -> Iterator[Finding]:
    """The folders for which events wait in the user's spool, because they had no instance when something ran there."""
    for folder in sorted(set(waiting_folders(user_spool()).values())):
        instance = instance_of(Path(folder))
        if instance is None:
            hint = f"cd {shlex.quote(folder)} && lamin init"
        else:
            hint = f"lamin --instance {shlex.quote(str(instance.parent))} events replay"
        yield warning(
            "events before init", f"events of runs in {folder} wait for an instance", hint
        )


def refused_events() -> Finding:
    """Whether events were set aside because a receiver refused them, or a kill has torn them."""
    files = aside_files(spool_folder())
    if not files:
        return ok("refused events", "none were set aside")
    return warning("refused events", "; ".join(map(str, files)), REMEDY)
