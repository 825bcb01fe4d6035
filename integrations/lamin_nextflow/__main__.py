"""`python -m lamin_nextflow`: build the observer, fetch a Nextflow, install the observer as a plugin."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import click

from lamin_core import __version__
from lamin_core.errors import LaminError
from lamin_nextflow import jar_cache, runtime
from lamin_nextflow.build import observer_jar


@click.group()
def main() -> None:
    """Nextflow with lineage."""


@main.command()
def build() -> None:
    """Build the observer from source, and print where it is."""
    click.echo(observer_jar())


@main.command()
@click.argument("version", default=runtime.DEFAULT_VERSION)
def fetch(version: str) -> None:
    """Fetch this version of Nextflow, so that it is there when there is no network."""
    runtime.fetched(version, None)
    click.echo(jar_cache.cache_folder() / f"nextflow-{version}")


@main.command()
def install() -> None:
    """Put the observer among Nextflow's plugins, for `plugins { id 'lamin-nextflow@VERSION' }` in a configuration."""
    home = Path(os.environ.get("NXF_HOME") or "~/.nextflow").expanduser()
    plugins = Path(os.environ.get("NXF_PLUGINS_DIR") or home / "plugins")
    with zipfile.ZipFile(observer_jar()) as jar:
        jar.extractall(plugins / f"lamin-nextflow-{__version__}" / "classes")
    click.echo(f"plugins {{ id 'lamin-nextflow@{__version__}' }}")


if __name__ == "__main__":
    try:
        main()
    except LaminError as error:
        click.echo(f"lamin: {error}", err=True)
        sys.exit(error.exit_code)
