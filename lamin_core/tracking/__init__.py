"""Runs of plain Python: `track()` and `finish()` for a script, `run()` for a block, `@flow`, `@step` for functions."""

from lamin_core.tracking.functions import flow, run, step, tracked
from lamin_core.tracking.scripts import finish, track

__all__ = ["finish", "flow", "run", "step", "track", "tracked"]
