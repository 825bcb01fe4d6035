"""`lamin snakemake`: what Snakefiles use of this installation; `lamin import snakemake`: what ran without us."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lamin_core.cli import output
from lamin_core.cli.epilog import examples
from lamin_snakemake import WRAPPER_PREFIX


@click.group(
    short_help="Print the prefix of the wrappers for Snakefiles.",
    epilog=examples("lamin snakemake wrapper-prefix"),
)
def snakemake() -> None:
    """Print settings of this installation for Snakefiles."""


@snakemake.command(
    "wrapper-prefix",
    epilog=examples('snakemake --cores 1 --wrapper-prefix "$(lamin snakemake wrapper-prefix)"'),
)
def wrapper_prefix() -> None:
    """Print the prefix of the wrappers lamin/save, lamin/stage and lamin/annotate.

    They are files of this installation: nothing is fetched from the network.
    """
    click.echo(WRAPPER_PREFIX)


@click.command(
    "snakemake",
    epilog=examples(
        "lamin import snakemake .",
        "lamin import snakemake results --snakefile workflow/Snakefile --name align",
    ),
    short_help="Finished workflows of Snakemake that ran without --logger lamin.",
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--snakefile", type=click.Path(), help="The Snakefile; by default the one that Snakemake finds."
)
@click.option("--name", help="The name of the workflow, as in --logger-lamin-name.")
@output.as_json
def import_snakemake(folder: Path, snakefile: str | None, name: str | None, as_json: bool) -> None:
    """Import the finished jobs in the working directory FOLDER, from Snakemake's own records.

    Jobs become runs, with their files and code, if these have not changed since. Jobs that are
    already recorded are not changed.
    """
    from lamin_snakemake.importing import find_snakefile, import_workflow, workflow_of
    from lamin_snakemake.metadata import read_records

    records = list(read_records(folder))
    workflow = workflow_of(find_snakefile(folder, snakefile), name)
    report = import_workflow(folder, records, workflow)
    if as_json:
        output.print_json(asdict(report))
    else:
        output.echo(str(report))
