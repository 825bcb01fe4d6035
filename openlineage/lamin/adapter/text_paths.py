"""Which plain strings name files: code passes paths as text more often than as `Path`."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from lamin_core.errors import LaminError
from lamin_core.runtime.paths import nearest_marked

_LONGEST = 1024


def may_name_a_file(text: str) -> bool:
    """Whether a string is treated as the name of a file, which exists or will be written.

    That is a path with a `/` or a suffix, below the working directory or the folder of its
    instance. An existing folder does not count, nor does a URL.

    >>> may_name_a_file("out/a.csv"), may_name_a_file("liver"), may_name_a_file("s3://bucket/a.csv")
    (True, False, False)
    """
    if not _looks_like_a_path(text):
        return False
    path = os.path.normpath(os.path.join(os.getcwd(), text))
    return any(path.startswith(root) for root in _roots(os.getcwd())) and not os.path.isdir(path)


def _looks_like_a_path(text: str) -> bool:
    if len(text) > _LONGEST or "://" in text or not text.isprintable():
        return False
    return os.sep in text or bool(os.path.splitext(text)[1])


@lru_cache(maxsize=16)
def _roots(working_directory: str) -> tuple[str, ...]:
    """The folders below which text is taken for paths, each with a slash at its end."""
    folders = [Path(working_directory)]
    try:
        project = nearest_marked(Path(working_directory))
    except (LaminError, OSError):  # a folder above that this user may not look into
        project = None
    if project is not None:
        folders.append(project)
    return tuple(os.path.join(folder, "") for folder in folders if folder != Path("/"))
