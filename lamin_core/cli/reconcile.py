"""The command that closes runs that ended without a message."""

from __future__ import annotations

from datetime import datetime

import click

import lamin_core as ln
from lamin_core.cli.epilog import examples
from lamin_core.cli.output import print_table, time_option
from lamin_core.instance.instance import connect
from lamin_core.instance.reconcile import reconcile as reconcile_runs


@click.command(epilog=examples("lamin runs reconcile", "lamin runs reconcile --stale-after 3d"))
@click.option(
    "--stale-after",
    "stale_before",
    metavar="TIME",
    callback=time_option,
    help="Mark runs as lost that have been running for longer than this, such as 3d.",
)
def reconcile(stale_before: datetime | None) -> None:
    """Close runs that ended without a message, and list them.

    A run on this machine whose process no longer exists becomes lost. For runs of Prefect, also on
    other machines, the command asks the API that PREFECT_API_URL names how they ended.
    """
    changed = reconcile_runs(connect(), stale_before)
    runs = ln.Run.filter(id__in=changed).order_by("id")
    rows = [
        {
            "uid": run.uid,
            "transform": run.transform.key,
            "engine": run.engine,
            "name": run.name,
            "status": run.status,
            "error": (run.error or "").partition("\n")[0],
        }
        for run in runs
    ]
    print_table(rows, nothing="no run has ended without a message")
