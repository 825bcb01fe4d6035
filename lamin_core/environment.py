"""What is installed: read once per process from the packages' own metadata, no subprocess, no pip."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import dataclass
from functools import cache

from blake3 import blake3


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """Python version, platform, and version by package name; `hash` tells equal ones."""

    python: str
    platform: str
    packages: dict[str, str]

    @property
    def hash(self) -> str:
        """Digest of all of it."""
        text = json.dumps([self.python, self.platform, sorted(self.packages.items())])
        return blake3(text.encode()).hexdigest()


@cache
def current_environment() -> EnvironmentFacts:
    """The environment of this process.

    >>> "blake3" in current_environment().packages
    True
    """
    packages: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            packages.setdefault(name.lower().replace("_", "-"), distribution.version)
    return EnvironmentFacts(platform.python_version(), platform.platform(), dict(sorted(packages.items())))
