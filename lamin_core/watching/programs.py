"""Let a program say what it opens: a Python by its `sitecustomize`, any other by a library loaded before its own."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from lamin_core.errors import Unavailable
from lamin_core.watching.scope import Scope

LOG, ROOTS = "LAMIN_WATCH_LOG", "LAMIN_WATCH_ROOTS"
_SEPARATORS = re.compile(r"[\s:]")
_HERE = Path(__file__).parent
_SHIM = _HERE / "shim.c"


@dataclass(frozen=True, slots=True)
class Watched:
    """A command, and the variables it is to be started with, so that it says what it opens."""

    command: Sequence[str]
    variables: Mapping[str, str]
    strace: str | None = None
    """The file that strace writes, if it is used."""


def python_watched(command: Sequence[str], log: str, scope: Scope) -> Watched:
    """The command, whose Python processes write down what they open; those with `-I` or `-E` do not."""
    folders = [str(_HERE / "child"), os.environ.get("PYTHONPATH", "")]
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, folders)), **_variables(log, scope)}
    return Watched(command, variables)


def all_watched(command: Sequence[str], log: str, scope: Scope) -> Watched:
    """The command, whose processes all write down what they open.

    Static programs and those with rights of another user are not seen. Raises `Unavailable` where
    there is neither a C compiler nor strace.
    """
    python = python_watched(command, log, scope)
    library = shim()
    if library is not None:
        preload = " ".join(filter(None, [library, os.environ.get("LD_PRELOAD", "")]))
        return Watched(command, {**python.variables, "LD_PRELOAD": preload})
    strace = shutil.which("strace")
    if strace is None:
        raise Unavailable(
            "no program can be watched here: there is no C compiler and no strace",
            hint="install gcc or strace, or name the files: lamin run --input FILE --output FILE",
        )
    output = f"{log}.strace"
    return Watched([strace, *_STRACE, "-o", output, "--", *command], python.variables, output)


_STRACE = (
    *("-f", "-qq", "-y", "-s", "4096", "-e", "signal=none"),
    *("-e", "trace=open,openat,creat,rename,renameat,renameat2"),
)


def _variables(log: str, scope: Scope) -> dict[str, str]:
    return {LOG: log, ROOTS: os.pathsep.join(root.rstrip("/") for root in scope.roots)}


def is_python(command: Sequence[str]) -> bool:
    """Whether this command is a Python, or a script that names one in its first line.

    >>> is_python(["/usr/bin/python3.11", "fit.py"]), is_python(["sort", "a.txt"])
    (True, False)
    """
    if Path(command[0]).name.startswith(("python", "pypy")):
        return True
    try:
        with open(shutil.which(command[0]) or command[0], "rb") as file:
            return file.read(2) == b"#!" and b"python" in file.readline(200)
    except OSError:
        return False


def shim() -> str | None:
    """The library that watches, compiled on first use for this source and machine; None if this is not possible."""
    folder = _library_folder()
    if folder is None:
        return None
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    source = _SHIM.read_bytes()
    name = hashlib.blake2b(source + platform.machine().encode(), digest_size=8).hexdigest()
    library = folder / f"watch-{name}.so"
    if library.exists():
        return str(library)
    if compiler is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _compile(compiler, library)
    except (OSError, subprocess.SubprocessError):
        return None
    return str(library)


def _library_folder() -> Path | None:
    """The folder of the library: the user's cache, unless LD_PRELOAD cannot contain its path.

    Blanks and colons separate the names in LD_PRELOAD (ld.so(8)). A private folder for temporary files is
    used instead; None if that is not possible either.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lamin")
    if not _SEPARATORS.search(str(cache)):
        return cache
    folder = Path(gettempdir(), f"lamin-{os.geteuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    is_private = status.st_uid == os.geteuid() and not status.st_mode & 0o077
    is_folder = stat.S_ISDIR(status.st_mode)
    return folder if is_folder and is_private and not _SEPARATORS.search(str(folder)) else None


def _compile(compiler: str, library: Path) -> None:
    """Compile the library completely or not at all, because several processes may do it at the same time."""
    folder = Path(mkdtemp(prefix=".watch-", dir=library.parent))
    try:
        draft = folder / library.name
        options = ["-O2", "-fPIC", "-shared", "-o", str(draft), str(_SHIM), "-ldl"]
        subprocess.run([compiler, *options], check=True, capture_output=True, timeout=60)
        os.replace(draft, library)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
