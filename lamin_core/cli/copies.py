"""Copies of artifacts that `lamin load -o` makes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from lamin_core.errors import Conflict, InvalidArgument


def copied(source: Path, target: Path, *, force: bool) -> Path:
    """Copy a file or folder to the target, or into it where it is a folder; the path of the copy.

    Raises `Conflict` where something is there already, unless `force` is set.
    """
    path = target / source.name if target.is_dir() and not source.is_dir() else target
    if os.path.lexists(path) and not force:
        raise Conflict(f"{str(path)!r} already exists", hint="--force replaces it")
    if path.exists() and path.samefile(source):
        return path
    if source.is_dir():
        shutil.copytree(source, path, dirs_exist_ok=True)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(source, path)
    return path


def _replace(source: Path, path: Path) -> None:
    """Copy beside the target first: a full disk leaves what was there."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    os.close(descriptor)
    try:
        shutil.copyfile(source, temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_out(source: Path) -> None:
    """Write the bytes of a file to standard output. Raises `InvalidArgument` for a folder."""
    if source.is_dir():
        raise InvalidArgument(f"{str(source)!r} is a folder", hint="-o FOLDER makes a copy of it")
    sys.stdout.flush()
    with source.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
