"""The commands on features: feature create."""

from __future__ import annotations

import click

import lamin_core as ln
from lamin_core.cli import output
from lamin_core.cli.completers import dtypes
from lamin_core.cli.epilog import examples
from lamin_core.cli.serializers import shape


@click.group(epilog=examples("lamin feature create temperature --dtype float"))
def feature() -> None:
    """Create features, the named values of artifacts and runs."""


@feature.command(
    epilog=examples(
        "lamin feature create temperature --dtype float --unit celsius",
        'lamin feature create treatment --dtype "cat[ULabel]"',
    )
)
@click.argument("name")
@click.option(
    "--dtype",
    default="str",
    show_default=True,
    shell_complete=dtypes,
    help="Type of the values: float, int, str, bool, date, datetime, cat[ULabel], list[str] ...",
)
@click.option("--unit", help="Unit of the numbers, such as celsius.")
@click.option("--description", help="Description of the feature.")
@output.as_json
def create(name: str, dtype: str, unit: str | None, description: str | None, as_json: bool) -> None:
    """Create a feature, or show the one with this name and type; prints its uid.

    Then: lamin annotate KEY --features NAME=VALUE, and lamin artifacts --feature "NAME>VALUE".
    """
    saved = ln.Feature(name=name, dtype=dtype, unit=unit, description=description).save()
    if as_json:
        output.print_json(shape(saved))
    else:
        output.echo_done(saved.uid, done=f"feature {saved.name!r} is a {saved.dtype}")
