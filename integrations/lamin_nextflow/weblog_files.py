"""The files of a task that a weblog names, read by a server: nothing outside of the work folder is opened.

Who posts to a server says where the work folder is, so the name is not believed: a task's folder must lie below the
announced work folder as `ab/cdef...`, by its real path, and must have been made by Nextflow; a file is read only
if its real path lies below the work folder, too. Others are recorded by name.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from lamin_core.storage.hashing import files_in
from lamin_nextflow.finished.contents import Contents
from lamin_nextflow.finished.facts import FinishedFile
from lamin_nextflow.finished.work_folder import WorkFolder
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name

_FOLDER = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}")
Files = tuple[list[Dataset], list[Dataset]]


def task_files(work: Path, folder: Path, *, is_complete: bool) -> Files:
    """Return the inputs and, of a complete task, the outputs; both empty where this machine does not see the folder."""
    if not is_task_folder(work, folder):
        return [], []
    task = WorkFolder(folder)
    root = os.path.realpath(work)
    inputs = dict.fromkeys(os.path.normpath(path) for path in task.staged.values())
    outputs = task.outputs()[0] if is_complete else []
    read = Contents().read
    datasets = []
    for paths in (inputs, outputs):
        datasets.append(
            [
                read(FinishedFile(path), None)[0]
                if _is_below(path, root)
                else Dataset(*dataset_name(path))
                for path in paths
            ]
        )
    return datasets[0], datasets[1]


def is_task_folder(work: Path, folder: Path) -> bool:
    """Return whether this is a folder that Nextflow made for a task, in this work folder.

    >>> is_task_folder(Path("/"), Path("/etc"))
    False
    """
    if not work.is_absolute() or len(work.parts) < 3 or not folder.is_absolute():
        return False
    real, root = os.path.realpath(folder), os.path.realpath(work)
    if not _FOLDER.fullmatch(os.path.relpath(real, root)):
        return False
    wrapper = os.path.join(real, ".command.run")
    try:
        return stat.S_ISREG(os.lstat(wrapper).st_mode)
    except OSError:
        return False


def _is_below(path: str, root: str) -> bool:
    """Whether all files that are read for this path are files or folders below the work folder."""
    real = os.path.realpath(path)
    if not real.startswith(f"{root}{os.sep}"):
        return False
    if os.path.isdir(real):
        return all(os.path.realpath(file).startswith(f"{root}{os.sep}") for file in _inner(real))
    return os.path.isfile(real)


def _inner(folder: str) -> Iterator[str]:
    try:
        for _, path in files_in(folder):
            yield path
    except OSError:
        yield os.sep  # a folder that cannot be read is not read
