"""The words that the whole project shares."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class RunStatus(StrEnum):
    """The status of an execution.

    `aborted` is cancelled, interrupted or crashed with a report; `lost` ended without a report, for
    example by SIGKILL, and was found later.

    >>> RunStatus("failed").is_terminal
    True
    """

    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"
    LOST = "lost"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (RunStatus.SCHEDULED, RunStatus.RUNNING)


MANAGED = ".lamindb"
"""The folder inside a managed storage that holds copies, named by their digest."""

DEFAULT_PORT = 4747
"""The port of `lamin serve`: 5000 is taken by AirPlay on macOS, and is the default of MLflow and Marquez."""

Direction = Literal["input", "output"]
"""Whether an artifact is an input or an output of a run."""

DependencyRole = Literal["pipe", "service", "value", "order"]
"""The reason for which a run waited for another run without an artifact between them."""
