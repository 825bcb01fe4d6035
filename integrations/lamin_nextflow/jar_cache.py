"""Jars by their lock files: fetched once, verified byte for byte, kept in the user's cache.

A lock in `locks/` names every jar of a program with its SHA-256, so what runs is what was
tried, whichever mirror it came from.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lamin_core.errors import LaminError, MissingExtra, NotFound, Unavailable

LOCKS = Path(__file__).with_name("locks")
_TRIES = 3
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked file: Maven coordinates and the SHA-256 of its bytes."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        """The file name."""
        return f"{self.artifact}-{self.version}.jar"


def locked(program: str) -> tuple[Jar, ...]:
    """The jars of a program with its version. Raises `NotFound` for one that has no lock.

    >>> [jar.name for jar in locked("ecj-3.33.0")]
    ['ecj-3.33.0.jar']
    """
    lock = LOCKS / f"{program}.txt"
    if not lock.is_file():
        programs = ", ".join(sorted(path.stem for path in LOCKS.glob("*.txt")))
        raise NotFound(f"{program} cannot be fetched", hint=f"one of {programs}")
    return tuple(_jar(line) for line in lock.read_text().splitlines())


def _jar(line: str) -> Jar:
    coordinates, sha256 = line.split()
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, sha256)


def jars(program: str) -> Path:
    """The folder with the jars of a program, fetched if they are not there yet.

    Raises `Unavailable` when they cannot be had; a folder that is there is whole, whoever was
    killed while filling it.
    """
    required = locked(program)
    folder = cache_folder() / program
    if _is_whole(folder, required):
        return folder
    with _alone(folder):
        if not _is_whole(folder, required):
            _fetch(program, required, folder)
    return folder


def cache_folder() -> Path:
    """The folder of downloaded programs: below `XDG_CACHE_HOME`, by default `~/.cache`."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache) / "lamin" / "nextflow"


def _is_whole(folder: Path, required: tuple[Jar, ...]) -> bool:
    return all((folder / jar.name).is_file() for jar in required)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock, so that one process works at a time; without locks in the file system, the first to finish wins."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.with_name(f".{folder.name}.lock"), "w")  # noqa: SIM115
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be written: {error}", hint="set XDG_CACHE_HOME"
        ) from error
    with lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(program: str, required: tuple[Jar, ...], folder: Path) -> None:
    sys.stderr.write(f"lamin: fetching {program.replace('-', ' ')} (once, into {folder})\n")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{program}-") as staging:
        filled = Path(staging, "jars")
        filled.mkdir()
        try:
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                list(
                    threads.map(
                        lambda jar: _download(jar, Path(staging), filled / jar.name), required
                    )
                )
        except LaminError:
            raise
        except Exception as error:  # jgo lets through whatever its HTTP client raises
            raise Unavailable(
                f"{program.replace('-', ' ')} cannot be fetched: {_first_line(error)}",
                hint="install nextflow yourself, or run `python -m lamin_nextflow fetch` once while there is a network",
            ) from error
        _put(filled, folder, required)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__


def _download(jar: Jar, staging: Path, target: Path) -> None:
    for attempt in range(1, _TRIES + 1):
        # A repository of its own for each try: jgo takes a half file for a whole one.
        repository = staging / f"{jar.name}.{attempt}"
        try:
            jar_path = _resolve(jar, repository)
        except MissingExtra:
            raise
        except Exception:
            if attempt == _TRIES:
                raise
            continue
        if hashlib.sha256(jar_path.read_bytes()).hexdigest() == jar.sha256:
            os.replace(jar_path, target)
            return
    raise Unavailable(
        f"{jar.name} is not the file it should be: its checksum differs from our lock"
    )


def _resolve(jar: Jar, repository: Path) -> Path:
    try:
        from jgo.config import GlobalSettings
        from jgo.maven import MavenContext
    except ImportError as error:
        raise MissingExtra("jgo", "nextflow") from error
    context = MavenContext(repo_cache=repository)
    context.remote_repos.update(GlobalSettings.load().repositories)
    jar_path: Path = (
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    )
    return jar_path


def _put(filled: Path, folder: Path, required: tuple[Jar, ...]) -> None:
    if folder.exists() and not _is_whole(folder, required):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(filled, folder)
    except OSError:
        if not _is_whole(folder, required):
            raise
