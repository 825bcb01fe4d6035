"""`lamin nextflow`: the user's Nextflow, tracked."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import click


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    },
    short_help="Run Nextflow with lineage: lamin nextflow run main.nf ...",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def nextflow(arguments: tuple[str, ...]) -> None:
    """Run the user's own `nextflow` (or, where there is none, one fetched from the network) with these arguments.

    Everything passes through untouched: arguments, terminal, signals, exit code.
    """
    from lamin_nextflow.launch import launch

    code = launch(arguments)
    if code < 0:  # we end as it ended
        with suppress(OSError):  # SIGKILL has no handler to reset
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    raise SystemExit(code)
