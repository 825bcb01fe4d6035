"""`lamin snakemake`: what Snakefiles use of this installation; `lamin import snakemake`: what ran without us."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lamin_core.cli import output
from lamin_core.cli.epilog import examples
from lamin_snakemake import WRAPPER_PREFIX


@click.group(
    short_help="What Snakefiles use: the prefix of the wrappers.",
    epilog=examples("lamin snakemake wrapper-prefix"),
)
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


@click.command(
    "snakemake",
    epilog=examples(
        "lamin import snakemake .",
        "lamin import snakemake results --snakefile workflow/Snakefile --name align",
    ),
    short_help="Workflows of Snakemake that ran without --logger lamin.",
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--snakefile", type=click.Path(), help="The Snakefile; by default where Snakemake looks for it."
)
@click.option("--name", help="What the workflow is called, as for --logger-lamin-name.")
@output.as_json
def import_snakemake(folder: Path, snakefile: str | None, name: str | None, as_json: bool) -> None:
    """Record what finished in the working directory FOLDER, from Snakemake's own records.

    Jobs become runs, with their files and code as far as both are still what they were. Jobs that
    are recorded already stay as they are.
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
