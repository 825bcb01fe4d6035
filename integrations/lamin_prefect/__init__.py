"""Prefect, recorded: `from lamin_prefect import flow, task` instead of `from prefect import flow, task`.

Every flow run, subflow run and task attempt becomes a Run, every flow and task a Transform, every
file that goes in or comes out an Artifact. Nothing is sent anywhere but to the sink that the
environment names, see `openlineage.lamin.emit.default_sink`; importing this package imports neither
Prefect nor a database.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamin_prefect.decorators import flow, materialize, task
    from lamin_prefect.listener import current_run, environment, read, wrote

_HOMES = {
    "flow": "lamin_prefect.decorators",
    "materialize": "lamin_prefect.decorators",
    "task": "lamin_prefect.decorators",
    "current_run": "lamin_prefect.listener",
    "environment": "lamin_prefect.listener",
    "read": "lamin_prefect.listener",
    "wrote": "lamin_prefect.listener",
}

__all__ = ["current_run", "environment", "flow", "materialize", "read", "task", "wrote"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
