"""The folders for which events wait that were written where no instance existed.

Such events lie in the user's spool, which all folders share. Beside them a file names the folder of the
run, so that `lamin init` or `lamin connect` in it brings in its events, and those of no other folder.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

SUFFIX = ".folder"
SEGMENTS = ".ndjson"


def note_folder(spool: Path, key: str, folder: str) -> None:
    """Say that the segments with this key in their names wait for an instance of this folder."""
    path = spool / f"{key}{SUFFIX}"
    with suppress(OSError):  # without it, only a replay that names the file takes them
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            file.write(os.fsencode(folder))


def waiting_folders(spool: Path) -> dict[str, str]:
    """The folder that events of each key wait for, of those keys that have segments."""
    folders = {}
    for path in sorted(spool.glob(f"*{SUFFIX}")):
        key = path.name.removesuffix(SUFFIX)
        if has_segments(spool, key):
            with suppress(OSError):
                folders[key] = os.fsdecode(path.read_bytes())
    return folders


def forget_folder(spool: Path, key: str) -> None:
    """Remove the note when no segment is left that it is about."""
    if not has_segments(spool, key):
        with suppress(OSError):
            (spool / f"{key}{SUFFIX}").unlink()
        with suppress(OSError):  # something else waits there
            spool.rmdir()


def has_segments(spool: Path, key: str | None = None) -> bool:
    """Whether events wait in this spool, or those with this key."""
    end = SEGMENTS if key is None else f".{key}{SEGMENTS}"
    try:
        with os.scandir(spool) as entries:
            return any(entry.name.endswith(end) for entry in entries)
    except OSError:
        return False
