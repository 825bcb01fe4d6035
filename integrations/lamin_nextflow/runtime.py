"""Which Nextflow runs: the user's own on PATH, else one fetched from pip-installed parts alone."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lamin_core.errors import NotFound
from lamin_nextflow import jar_cache
from lamin_nextflow.java import find_java

DEFAULT_VERSION = "24.10.0"
# The versions whose every jar can be had, with the oldest and newest Java that runs them: the
# Groovy inside cannot read the class files of a newer one.
JAVA_RANGES = {"22.10.7": (11, 19), "24.10.0": (11, 23), "25.04.4": (17, 24)}
_OPENED = [
    "java.lang",
    "java.io",
    "java.nio",
    "java.net",
    "java.util",
    "java.util.regex",
    "java.util.concurrent.locks",
    "java.util.concurrent.atomic",
    "java.nio.file.spi",
    "sun.nio.ch",
    "sun.nio.fs",
    "sun.net.www.protocol.http",
    "sun.net.www.protocol.https",
    "sun.net.www.protocol.ftp",
    "sun.net.www.protocol.file",
    "jdk.internal.misc",
    "jdk.internal.vm",
]


@dataclass(frozen=True, slots=True)
class Runtime:
    """A command that is Nextflow: what to put before its arguments, and into its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def find_runtime(observer: Path | None, environment: Mapping[str, str] = os.environ) -> Runtime:
    """The Nextflow to run, with this observer jar loaded (None: without).

    The user's `nextflow` on PATH, else the version in `NXF_VER` (default 24.10.0) on a Java that
    fits. Raises `NotFound` for a version that cannot be had, `Unavailable` when there is no network
    or no Java.
    """
    own = shutil.which("nextflow", path=environment.get("PATH"))
    if own:
        return Runtime(
            (own,),
            {"NXF_OPTS": with_agent(environment.get("NXF_OPTS", ""), observer)} if observer else {},
        )
    return fetched(environment.get("NXF_VER") or DEFAULT_VERSION, observer, environment)


def fetched(
    version: str, observer: Path | None, environment: Mapping[str, str] = os.environ
) -> Runtime:
    """This version of Nextflow from its locked jars."""
    if version not in JAVA_RANGES:
        raise NotFound(
            f"Nextflow {version} cannot be fetched from here",
            hint=f"install nextflow yourself, or set NXF_VER to one of {', '.join(JAVA_RANGES)}",
        )
    java = find_java(*JAVA_RANGES[version], environment)
    jars = jar_cache.jars(f"nextflow-{version}")
    flags = ["-Dfile.encoding=UTF-8", "-Djava.awt.headless=true"]
    flags += [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
    flags += shlex.split(environment.get("NXF_OPTS", ""))
    if observer is not None and not any(
        flag.startswith(f"-javaagent:{observer}") for flag in flags
    ):
        flags.append(f"-javaagent:{observer}")
    return Runtime(
        (str(java), *flags, "-cp", str(jars / "*"), "nextflow.cli.Launcher"),
        {name: value for name, value in _defaults().items() if name not in environment},
    )


def _defaults() -> dict[str, str]:
    """The environment that the `nextflow` script sets, without plugins from the network."""
    return {
        "NXF_PLUGINS_MODE": "prod",
        "NXF_PLUGINS_DEFAULT": "false",
        "NXF_DISABLE_CHECK_LATEST": "true",
        "NXF_ANSI_LOG": str(sys.stdout.isatty()).lower(),
    }


def with_agent(options: str, observer: Path) -> str:
    """The user's `NXF_OPTS` with our observer added, once. The `nextflow` script splits them at blanks.

    >>> with_agent("-Xmx2g", Path("/x/o.jar"))
    '-Xmx2g -javaagent:/x/o.jar'
    >>> with_agent("-javaagent:/x/o.jar", Path("/x/o.jar"))
    '-javaagent:/x/o.jar'
    """
    agent = f"-javaagent:{observer}"
    if agent in options.split():
        return options
    return f"{options} {agent}".strip()
