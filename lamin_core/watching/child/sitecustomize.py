"""Runs first in a Python that `lamin run` starts: writes down what it opens, then lets the user's own module of this
name run. Works without this package in that Python, and whatever is wrong here changes nothing there.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any

_MODULES = ("accesses", "scope", "opening", "log", "libraries")


def _watch() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != here]
    log, roots = os.environ.get("LAMIN_WATCH_LOG"), os.environ.get("LAMIN_WATCH_ROOTS")
    if not log or not roots:
        return
    modules = {name: _loaded(name, os.path.dirname(here)) for name in _MODULES}
    scope = modules["scope"].Scope(roots.split(os.pathsep))
    recorder = modules["log"].Log(log, scope.covers)
    modules["opening"].watch(lambda: recorder, _digest)
    modules["libraries"].wrap()


def _loaded(name: str, folder: str) -> Any:
    """The module by its path, under the name that it has in this package, which the program may import as well."""
    from importlib.util import module_from_spec, spec_from_file_location

    full_name = f"lamin_core.watching.{name}"
    spec = spec_from_file_location(full_name, os.path.join(folder, f"{name}.py"))
    assert spec is not None and spec.loader is not None  # noqa: PT018 - of a path there always is
    sys.modules[full_name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _digest(path: str) -> str | None:
    try:
        from blake3 import blake3
    except ImportError:
        return None
    with open(path, "rb") as file:
        return blake3(file.read()).hexdigest()


with contextlib.suppress(Exception):  # the user's program runs, whatever happened
    _watch()

_own = sys.modules.pop("sitecustomize", None)
try:
    importlib.import_module("sitecustomize")  # the user's own, now that this folder is not searched
except ModuleNotFoundError as error:
    if error.name != "sitecustomize":
        raise
    if _own is not None:
        sys.modules["sitecustomize"] = _own
