"""The run at work, told to the processes that are started from here, and the one that was told to this process."""

from __future__ import annotations

import os

from lamin_core.runtime.parent_context import PARENT_UID, Parent, environment_for_children, parent_from_environment

_before: dict[str, str | None] | None = None


def inherited_parent() -> Parent | str | None:
    """The run that started this process, by its OpenLineage name, or by its uid if that is all that was said."""
    environment = (
        os.environ if _before is None else {name: value for name, value in _before.items() if value is not None}
    )
    return parent_from_environment(environment) or environment.get(PARENT_UID) or None


def with_root(run: Parent) -> Parent:
    """The run below the outermost one that this process was told of, unless it says itself which that is."""
    outer = inherited_parent()
    return run._replace(root=outer.outermost) if run.root is None and isinstance(outer, Parent) else run


def export_run(run: Parent) -> None:
    """Processes started from here are children of this run, and of the outermost one that this process was told of."""
    global _before
    variables = environment_for_children(with_root(run))
    if _before is None:
        _before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)


def restore_environment() -> None:
    """No run is at work here any more: the environment is as it was."""
    global _before
    for name, value in (_before or {}).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _before = None
