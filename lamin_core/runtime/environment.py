"""The installed packages: read once per process from what installers write on disk, without a subprocess or pip."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from blake3 import blake3

from lamin_core.runtime.redaction import redact_text

LOCKS = ("uv.lock", "pixi.lock", "poetry.lock", "conda-lock.yml")


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """Python version, platform, versions by package name, lock files by name; equal ones have an equal `hash`."""

    python: str
    platform: str
    packages: dict[str, str]
    """A version; for what was not installed from an index, also where from: `1.0 @ git+https://...@commit`."""
    conda: dict[str, str] = field(default_factory=dict)
    """Version and build of what conda has installed."""
    locks: dict[str, str] = field(default_factory=dict)
    """The text of the lock files of the project."""

    @property
    def hash(self) -> str:
        """Digest of all of it."""
        parts = [
            self.python,
            self.platform,
            *(sorted(p.items()) for p in (self.packages, self.conda, self.locks) if p),
        ]
        return blake3(json.dumps(parts).encode()).hexdigest()


@cache
def current_environment(project: Path | None = None) -> EnvironmentFacts:
    """The environment of this process; `project` is a folder in or above which lock files are looked for.

    >>> "blake3" in current_environment().packages
    True
    """
    return EnvironmentFacts(
        platform.python_version(),
        platform.platform(),
        packages(),
        conda_packages(Path(sys.prefix)),
        {} if project is None else lock_files(project),
    )


@cache
def packages() -> dict[str, str]:
    """Version by name, of all that Python can import here; of two with one name the one that would be."""
    versions: dict[str, str] = {}
    for entry in sys.path:
        for name, version in _installed_in(entry or "."):
            versions.setdefault(name, version)
    return dict(sorted(versions.items()))


def _installed_in(folder: str) -> Iterator[tuple[str, str]]:
    try:
        names = os.listdir(folder)
    except OSError:  # an archive, or gone
        return
    for entry in names:
        stem, suffix = os.path.splitext(entry)
        if suffix == ".dist-info" and stem.count("-") == 1:
            # The name of the folder says both (PEP 427, PEP 503); to open each file would take a
            # hundred times as long.
            name, _, version = stem.partition("-")
            yield _normal(name), version + _origin(os.path.join(folder, entry, "direct_url.json"))
        elif suffix in (".dist-info", ".egg-info"):
            metadata = importlib.metadata.PathDistribution(Path(folder, entry)).metadata
            if metadata["Name"]:
                yield _normal(metadata["Name"]), metadata["Version"]


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _origin(path: str) -> str:
    """The origin of a package that was not installed from an index (PEP 610)."""
    try:
        with open(path, encoding="utf-8") as file:
            direct_url = json.load(file)
    except (OSError, ValueError):
        return ""
    url, version = redact_text(str(direct_url.get("url", ""))), direct_url.get("vcs_info", {})
    if version:
        return f" @ {version.get('vcs')}+{url}@{version.get('commit_id')}"
    return f" @ {url} (editable)" if direct_url.get("dir_info", {}).get("editable") else f" @ {url}"


def conda_packages(prefix: Path) -> dict[str, str]:
    """Version and build by name, as conda, mamba and pixi note them."""
    stems = sorted(path.stem for path in (prefix / "conda-meta").glob("*-*-*.json"))
    named = (stem.rsplit("-", 2) for stem in stems)
    return {name: f"{version} {build}" for name, version, build in named}


def lock_files(project: Path) -> dict[str, str]:
    """The text of the nearest lock files in or above this folder, up to the root of its repository."""
    for folder in (project, *project.parents):
        texts = {name: _text(folder / name) for name in LOCKS if (folder / name).is_file()}
        if texts:
            return texts
        if (folder / ".git").exists():
            break
    return {}


def _text(path: Path) -> str:
    return redact_text(path.read_text("utf-8", "replace"))
