"""The current run in the environment of child processes, and the run in the environment of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lamin_core.runtime.parent_context import (
    PARENT_UID,
    RunReference,
    environment_for_children,
    parent_from_environment,
)


class ChildEnvironment:
    """Variables of `os.environ` that child processes inherit, and the values to restore.

    >>> environment = ChildEnvironment()
    >>> environment.set({"KIT_EXAMPLE": "1"}); os.environ["KIT_EXAMPLE"], "KIT_EXAMPLE" in environment.inherited()
    ('1', False)
    >>> environment.restore(); "KIT_EXAMPLE" in os.environ
    False
    """

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}

    def set(self, variables: Mapping[str, str]) -> None:
        """Set these variables; the first call for a variable remembers what it was."""
        before = {name: os.environ.get(name) for name in variables}
        # Replaced as a whole, and before any variable changes: another thread may ask what was
        # inherited.
        self._before = {**before, **self._before}
        os.environ.update(variables)

    def restore(self) -> None:
        """Set every variable back to what it was; may be called twice."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}

    def inherited(self) -> Mapping[str, str]:
        """Return the environment; while variables are set, only what these were when this process started."""
        if not self._before:
            return os.environ
        return {name: value for name, value in self._before.items() if value is not None}


_environment = ChildEnvironment()


def inherited_parent() -> RunReference | str | None:
    """Return the run that started this process, by its OpenLineage name, or by its uid where only that is set."""
    environment = _environment.inherited()
    return parent_from_environment(environment) or environment.get(PARENT_UID) or None


def with_root(run: RunReference) -> RunReference:
    """Return the run below the outermost one of this process, unless it says itself which that is."""
    outer = inherited_parent()
    return (
        run.below(outer.outermost) if run.root is None and isinstance(outer, RunReference) else run
    )


def export_run(run: RunReference) -> None:
    """Make processes started from here children of this run, and of the outermost one of this process."""
    _environment.set(environment_for_children(with_root(run)))


def restore_environment() -> None:
    """Restore the environment: no run is current here any more."""
    _environment.restore()
