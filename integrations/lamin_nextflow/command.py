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
@click.pass_context
def nextflow(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Run your own `nextflow` with lineage. If there is none, download one and run it.

    Arguments, terminal, signals and exit code are those of Nextflow. Each task of the pipeline
    becomes a run, with the files that it read and wrote. You need not change main.nf or
    nextflow.config. Afterwards: lamin runs --engine nextflow, lamin lineage FILE.

    `lamin nextflow install` copies the observer to Nextflow's plugins, for people who start
    Nextflow in another way. `lamin nextflow config` prints the lines of nextflow.config that load
    it; with arguments, config is the command of Nextflow.

    \b
    Examples:
      lamin nextflow run main.nf --reads raw -resume
      lamin nextflow run nf-core/rnaseq -profile test,docker --outdir results
      lamin nextflow install
      lamin nextflow config >> nextflow.config
      lamin nextflow -version
      lamin nextflow help run      (the options of Nextflow itself)
    """
    if arguments[:1] in (("--help",), ("-h",)) or not arguments:
        click.echo(ctx.get_help())
        return
    if arguments[0] == "install" and len(arguments) > 1:
        if arguments[1] not in ("--help", "-h"):
            raise click.UsageError(f"lamin nextflow install takes no argument: {arguments[1]!r}")
        click.echo(ctx.get_help())
        return
    if arguments in (("install",), ("config",)):
        _plugin(arguments[0])
        return
    from lamin_nextflow.launch import launch

    code = launch(arguments)
    if code < 0:  # we end as it ended
        with suppress(OSError):  # SIGKILL has no handler to reset
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    raise SystemExit(code)


def _plugin(command: str) -> None:
    """Print the lines to paste into the configuration; `install` also copies the plugin to Nextflow's plugins."""
    from lamin_nextflow import plugin

    if command == "install":
        click.echo(f"installed: {plugin.install(plugin.plugins_folder())}", err=True)
    click.echo(plugin.configuration())
