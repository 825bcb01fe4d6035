"""`lamin import samplesheet`: a table with a row for each sample."""

from __future__ import annotations

from pathlib import Path

import click

import lamin_core as ln
from lamin_core.cli import completers, output
from lamin_core.cli.epilog import examples
from lamin_core.runtime.printable import printable

_SHOWN = 3
"""Names in a message."""


@click.command(
    epilog=examples(
        "lamin import samplesheet.csv",
        "lamin import samplesheet samples.tsv --sheet RNA-seq --schema samples",
        "lamin artifacts --label CONTROL_REP1",
    )
)
@click.argument("file", shell_complete=completers.files)
@click.option("--schema", help="Name or uid of a schema that validates the columns.")
@click.option("--sheet", help="The name of the sheet; by default that of the file.")
@click.option(
    "--sample-column",
    metavar="COLUMN",
    help="The column with the name of the sample; by default sample, sample_id or similar, else the first.",
)
@output.as_json
def samplesheet(
    file: str, schema: str | None, sheet: str | None, sample_column: str | None, as_json: bool
) -> None:
    """Import a samplesheet (CSV or TSV): a record for each sample, labels for its files.

    The columns become values of features. If rows are invalid, all of them are reported at once,
    and nothing is saved. Importing the sheet again replaces the values of its columns.
    """
    from lamin_core.samplesheets.importing import import_samplesheet

    records = import_samplesheet(
        file,
        sheet=sheet,
        schema=None if schema is None else _schema(schema),
        sample_column=sample_column,
    )
    facts = {
        "sheet": sheet or Path(file).stem,
        "samples": len(records),
        "artifacts": len(records.artifacts),
        "unregistered": list(records.unregistered),
    }
    if as_json:
        output.print_json(facts)
        return
    files = "1 file" if len(records.artifacts) == 1 else f"{len(records.artifacts):,} files"
    samples = "1 sample" if len(records) == 1 else f"{len(records):,} samples"
    output.echo(f"sheet {printable(str(facts['sheet']))!r}: {samples}, {files} labelled", err=True)
    if records.unregistered:
        names = ", ".join(map(printable, records.unregistered[:_SHOWN]))
        more = ", ..." if len(records.unregistered) > _SHOWN else ""
        output.echo(
            f"  note: {len(records.unregistered):,} URLs are not registered yet: {names}{more};"
            " import the sheet again after a run has read them",
            err=True,
        )


def _schema(name: str) -> ln.Schema:
    """The schema with this name, else with this uid. Raises `NotFound`."""
    return ln.Schema.filter(name=name).first() or ln.Schema.get(name)
