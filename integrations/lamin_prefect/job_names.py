"""The names of flows and tasks: the file of their code in its project, and their own names."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from lamin_core.runtime.paths import FOLDER, SETTINGS, find_trusted_instance
from lamin_prefect.declarations import DECLARATION, script_path


def flow_name(flow: Any) -> str:
    """The job name of a flow: its file and its own name, the same on every machine."""
    return f"{_script_of(flow)}:{flow.name}"


def task_name(task: Any, flow: str | None) -> str:
    """The job name of a task: below that of its flow, or below its file when it runs alone."""
    return f"{_script_of(task) if flow is None else flow}:{task.name}"


def _script_of(definition: Any) -> str:
    return script_name(definition.fn, path_of(definition))


def path_of(definition: Any) -> str | None:
    """The file that holds the function of a flow or task; what was declared, where its code no longer says so.

    A function of `__main__` that was pickled for another process has lost its file, since cloudpickle 3.1.3.
    """
    declaration = getattr(definition, DECLARATION, None)
    return script_path(definition.fn) or getattr(declaration, "path", None)


def script_name(function: Callable[..., Any], path: str | None = None) -> str:
    """The name of the file that contains the function; its module if there is no file, as in a notebook.

    Within the project of the working directory it is the path from the folder of the instance. A
    file of elsewhere, and every file where several projects share one registry, has the name of its
    folder in front, as with the other engines: `main.py` of two projects is not one script.
    """
    path = script_path(function) or path
    if path is not None:
        return _name_of_file(os.path.abspath(path), os.getcwd(), _is_shared())
    return str(getattr(function, "__module__", None) or "__main__")


def _is_shared() -> bool:
    """Whether the events go to a registry that other projects may send theirs to as well."""
    return bool(os.environ.get("OPENLINEAGE_URL", "").strip())


@lru_cache(maxsize=1024)
def _name_of_file(path: str, working_directory: str, is_shared: bool) -> str:
    project = None if is_shared else _project(working_directory)
    if project is not None and path.startswith(os.path.join(project, "")):
        return os.path.relpath(path, project)
    folder, name = os.path.split(path)
    return f"{os.path.basename(folder)}/{name}"


def _project(working_directory: str) -> str | None:
    """The folder whose files need no further name: that of the instance; without an instance, the working directory.

    None for an instance that several projects may be connected to.
    """
    instance = find_trusted_instance(Path(working_directory))
    if instance is None:
        return working_directory
    own = os.path.join(working_directory, "")
    folder = str(instance.parent)
    is_here = own.startswith(os.path.join(folder, "")) and (instance / SETTINGS).is_file()
    return folder if is_here and instance.name == FOLDER else None
