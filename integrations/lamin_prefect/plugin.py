"""The plugin that Prefect loads at `import prefect`, to record flows and tasks of unchanged code.

Prefect looks for plugins where `PREFECT_PLUGINS_ENABLED=1` says so; this one is at work where
`LAMIN_PREFECT=1` does, in scripts, workers, and the processes of served flows alike.
"""

from __future__ import annotations

import os
from typing import Any

from prefect.plugins import register_hook


@register_hook
def setup_environment(*, ctx: Any) -> None:
    """Record everything that this process runs, if the environment asks for it. Prefect calls this once."""
    if os.environ.get("LAMIN_PREFECT") != "1":
        return
    from lamin_prefect.declarations import record_everything

    record_everything()
