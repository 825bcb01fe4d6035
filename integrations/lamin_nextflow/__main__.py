"""`python -m lamin_nextflow`: build the observer, fetch a Nextflow."""

from __future__ import annotations

import sys

import click

from lamin_core.errors import LaminError
from lamin_nextflow import jar_cache, plugin, runtime
from lamin_nextflow.build import SOURCE, observer_jar


@click.group()
def main() -> None:
    """Nextflow with lineage."""


@main.command()
def build() -> None:
    """Build the observer from source, unpack it as a plugin beside it, and print where the jar is."""
    jar = observer_jar()
    if SOURCE.is_dir():
        plugin.ship(jar)
    click.echo(jar)


@main.command()
@click.argument("version", default=runtime.DEFAULT_VERSION)
def fetch(version: str) -> None:
    """Download this version of Nextflow, for use without a network."""
    runtime.fetched(version, None)
    click.echo(jar_cache.cache_folder() / f"nextflow-{version}")


if __name__ == "__main__":
    try:
        main()
    except LaminError as error:
        click.echo(f"lamin: {error}", err=True)
        sys.exit(error.exit_code)
