"""Runs without a recorded end, about which an engine is asked.

An adapter whose engine can be asked registers a `Reconciler` as an entry point of the group
`openlineage.lamin.reconcilers`, under the name of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lamin_core.runtime.parent_context import RunReference


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that may be running, or is lost; `details` are those of its adapter."""

    reference: RunReference
    attempt: int
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The status and time with which a run ended, as its engine reports them."""

    run: RunReference
    how: Literal["COMPLETE", "FAIL", "ABORT"]
    at: datetime
    message: str | None = None


Reconciler = Callable[[Sequence[OpenRun]], Iterable[RunEnd]]
"""Asks the engine; yields the ends of those that have ended. Raises `LaminError` where it cannot be asked."""
