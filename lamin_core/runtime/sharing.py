"""File modes of an instance: private to its owner unless it is shared with a group.

The mode of the `.lamin` folder says it, so that no setting can contradict it: 0700 is private; with
the set-group-ID bit, 2770 is shared with its group, and 2750 lets the group read. Files in it
follow, whatever the umask.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path


class Sharing(StrEnum):
    """The choices of `lamin init --shared`."""

    PRIVATE = "private"
    GROUP = "group"
    GROUP_READ = "group-read"


_FOLDER_MODES = {Sharing.PRIVATE: 0o700, Sharing.GROUP: 0o2770, Sharing.GROUP_READ: 0o2750}
_FILE_MODES = {Sharing.PRIVATE: 0o600, Sharing.GROUP: 0o660, Sharing.GROUP_READ: 0o640}


def sharing_of(folder: Path) -> Sharing:
    """The sharing of the instance in this `.lamin` folder; a folder that does not exist yet is private."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return Sharing.PRIVATE
    if not mode & stat.S_ISGID or mode & stat.S_IRWXO or not mode & stat.S_IRGRP:
        return Sharing.PRIVATE
    return Sharing.GROUP if mode & stat.S_IWGRP else Sharing.GROUP_READ


def file_mode(folder: Path) -> int:
    """The mode of files in this `.lamin` folder.

    >>> oct(file_mode(Path("/nowhere/.lamin")))
    '0o600'
    """
    return _FILE_MODES[sharing_of(folder)]


def folder_mode(folder: Path) -> int:
    """The mode of folders in this `.lamin` folder."""
    return _FOLDER_MODES[sharing_of(folder)]


def make_instance_folder(folder: Path) -> None:
    """Create a private `.lamin` folder; an existing folder stays unchanged."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)  # also in a folder whose set-group-ID bit is inherited


def narrow(folder: Path) -> None:
    """Make a `.lamin` folder private that was there before its instance, unless it is shared on purpose."""
    if is_wide(folder):
        folder.chmod(0o700)


def make_folder(path: Path, folder: Path) -> None:
    """Make a folder in the `.lamin` folder, with its mode, independently of the umask."""
    make_instance_folder(folder)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        path.chmod(folder_mode(folder))


def create_file(path: Path, mode: int) -> None:
    """Make an empty file with exactly this mode, unless there is one already; never through a symbolic link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileExistsError):
        descriptor = os.open(path, flags, 0o600)
        try:
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)


def is_wide(folder: Path) -> bool:
    """Whether others than the owner may read the instance though it was not shared on purpose."""
    return bool(folder.stat().st_mode & 0o077) and sharing_of(folder) is Sharing.PRIVATE


def share(folder: Path, sharing: Sharing, secret: Path | None = None) -> None:
    """Give the `.lamin` folder and everything in it the modes of this choice, and the group of the project folder.

    `secret` names a file that stays readable by its owner alone. What a colleague owns in it stays
    as it is. Raises `PermissionError` where the folder is not the user's.
    """
    group = folder.parent.stat().st_gid
    _set(folder, _FOLDER_MODES[sharing], group)
    for path in _below(folder):
        with suppress(PermissionError):
            _set(path, 0o600 if path == secret else _shared_mode(path, sharing), group)


def _shared_mode(path: Path, sharing: Sharing) -> int:
    if path.is_dir():
        return _FOLDER_MODES[sharing]
    is_writable = (
        path.stat().st_mode & stat.S_IWUSR
    )  # what is in the cache may be read-only on purpose
    return _FILE_MODES[sharing] if is_writable else _FILE_MODES[sharing] & 0o444


def share_storage(root: Path, sharing: Sharing) -> None:
    """Let the group put copies into the folder of a storage; the modes of the copies are those of their sources."""
    if root.is_dir():
        status = root.stat()
        writable = stat.S_IWGRP if sharing is Sharing.GROUP else 0
        root.chmod(
            stat.S_IMODE(status.st_mode) | stat.S_ISGID | stat.S_IRGRP | stat.S_IXGRP | writable
        )


def _set(path: Path, mode: int, group: int) -> None:
    with suppress(PermissionError):  # a group that the user is not in: it keeps the one it has
        os.chown(path, -1, group)
    path.chmod(mode)


def _below(folder: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(folder):
        for entry in (*folders, *files):
            path = Path(name, entry)
            if not path.is_symlink():
                yield path
