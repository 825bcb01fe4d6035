"""Checked paths: files are read, written, moved and removed only below the root of their storage.

A key comes from a row, an event or an argument, so it may climb (`../x`) or lead through a link to
anywhere. Every path below a root is made here: `location` for what somebody put there,
`own_location` for what only the registry writes and what is to be removed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from lamin_core.enums import MANAGED
from lamin_core.errors import Conflict
from lamin_core.storage.locations import is_below, is_remote

_HINT = "`lamin fsck` names every record like it, and says what to type"


@dataclass(frozen=True, slots=True)
class Location:
    """A storage's root and a key below it."""

    root: str
    key: str

    @property
    def text(self) -> str:
        """The path or URL, unchecked: to be shown, never to be opened."""
        return f"{self.root.rstrip('/')}/{self.key}"


def location(root: str, key: str) -> str:
    """The path or URL of this key below the root. Raises `Conflict` for a key that leaves it.

    A link that somebody put into a storage is followed, as everywhere; together with `..` it is
    not.

    >>> location("/data", "raw/a.csv"), location("s3://bucket/data/", "a.csv")
    ('/data/raw/a.csv', 's3://bucket/data/a.csv')
    """
    location = Location(root, key)
    if "\0" in key:
        raise _outside(location)
    if ".." in key and root != "/":  # above that there is nothing
        if not is_below(key):
            raise _outside(location)
        if not is_remote(root):
            _check_real(location)
    return location.text


def own_location(root: str, key: str) -> str:
    """The same for what the registry writes, moves or removes: no link on the way to it leads out of the storage.

    The last name may be a link, which is then replaced or removed itself. `.lamindb` may be one
    where this user or the owner of the storage has made it, such as to a larger disk. Raises
    `Conflict`.

    >>> own_location("/data", ".lamindb/Ab3dEf5hIj7l.csv")
    '/data/.lamindb/Ab3dEf5hIj7l.csv'
    """
    path = location(root, key)
    if not is_remote(root):
        _check_links(Location(root, key), key.split("/")[:-1])
    return path


def copy_location(root: str, key: str) -> str:
    """The same for a copy that will be read: it is also not a link out of the storage.

    >>> copy_location("/data", ".lamindb/Ab3dEf5hIj7l.csv")
    '/data/.lamindb/Ab3dEf5hIj7l.csv'
    """
    path = location(root, key)
    if not is_remote(root):
        _check_links(Location(root, key), key.split("/"))
    return path


def _check_links(location: Location, names: list[str]) -> None:
    """Raise `Conflict` if one of these names below the root is a link to somewhere else."""
    base = path = location.root
    for name in names:
        path = os.path.join(path, name)
        if not os.path.islink(path):
            continue
        if name == MANAGED and base == location.root and _is_trusted(path, location.root):
            base = path
            continue
        if not _is_within(os.path.realpath(path), os.path.realpath(base)):
            raise _outside(location)


def _is_trusted(link: str, root: str) -> bool:
    """Whether who made this link may say where the registry keeps its copies."""
    try:
        return os.lstat(link).st_uid in (os.geteuid(), os.stat(root).st_uid)
    except OSError:
        return False


def _check_real(location: Location) -> None:
    if not _is_within(os.path.realpath(location.text), os.path.realpath(location.root)):
        raise _outside(location)


def _is_within(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/")


def _outside(location: Location) -> Conflict:
    return Conflict(
        f"{location.text!r} does not lie below the storage {location.root!r}: it is left alone",
        _HINT,
    )
