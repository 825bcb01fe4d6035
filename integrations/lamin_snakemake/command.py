"""`lamin snakemake`: what a Snakefile needs to know of this installation."""

from __future__ import annotations

import click

from lamin_core.cli.epilog import examples
from lamin_snakemake import WRAPPER_PREFIX


@click.group(short_help="What Snakefiles use: the prefix of the wrappers.")
def snakemake() -> None:
    """What Snakefiles use of this installation."""


@snakemake.command(
    "wrapper-prefix",
    epilog=examples('snakemake --cores 1 --wrapper-prefix "$(lamin snakemake wrapper-prefix)"'),
)
def wrapper_prefix() -> None:
    """Print the prefix of the wrappers lamin/save, lamin/stage and lamin/annotate.

    They are files of this installation: nothing is fetched from the network.
    """
    click.echo(WRAPPER_PREFIX)
