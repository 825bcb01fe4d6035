"""Which files matter: below a project or a storage, not those of environments, caches and editors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable

_CODE = (".py", ".pyc", ".pyo", ".pyi", ".pyd", ".so")
_PASSING = (".log", ".lock", ".tmp", ".part", ".partial", ".swp", "~")
_OF_OTHERS = re.compile("/(?:site-packages|dist-packages|node_modules|__pycache__)/")
_STORES = (".zarr", ".n5", ".tiledbsoma", ".lance", ".parquet")


class Scope:
    """Files below some roots, except hidden ones and those of Python itself.

    >>> scope = Scope(["/project"])
    >>> [scope.covers(path) for path in ("/project/a.csv", "/project/.cache/a.csv", "/elsewhere/a.csv")]
    [True, False, False]
    """

    def __init__(self, roots: Iterable[str], excluded: Iterable[str] = ()) -> None:
        self.roots = tuple(sorted(map(_as_prefix, roots), key=len, reverse=True))
        """With a slash at their ends, the longest first."""
        outside = {*excluded, sys.prefix, sys.base_prefix, sys.exec_prefix, *_temporary(self.roots)}
        self.excluded = tuple(
            sorted(prefix for prefix in map(_as_prefix, outside) if prefix.startswith(self.roots))
        )

    def covers(self, path: str) -> bool:
        """Whether this absolute path is in the scope."""
        for root in self.roots:  # no generators in here: it is asked each time a file is opened
            if path.startswith(root):
                break
        else:
            return False
        if path.endswith(_PASSING) or (self.excluded and path.startswith(self.excluded)):
            return False
        start = len(root) - 1
        return path.find("/.", start) < 0 and _OF_OTHERS.search(path, start) is None


def is_code(path: str) -> bool:
    """Whether Python itself reads this file, when it imports a module or shows a line of it.

    >>> is_code("fit.py"), is_code("fit.csv")
    (True, False)
    """
    return path.endswith(_CODE)


def store_of(path: str) -> str:
    """The folder that holds one table or array in many files, if the file is in one; else the file.

    >>> store_of("/project/cells.zarr/X/c/0/0"), store_of("/project/cells.csv")
    ('/project/cells.zarr', '/project/cells.csv')
    """
    for suffix in _STORES:
        head, separator, _ = path.partition(f"{suffix}/")
        if separator:
            return head + suffix
    return path


def _as_prefix(folder: str) -> str:
    return os.path.abspath(folder).rstrip("/") + "/"


def _temporary(roots: tuple[str, ...]) -> list[str]:
    """The folder of temporary files, unless the project itself is a temporary one."""
    folder = _as_prefix(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - to be left out
    return [] if any(root.startswith(folder) for root in roots) else [folder]
