"""Commands on the instance itself."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lamin_core import __version__
from lamin_core.db import REVISION
from lamin_core.instance import connect
from lamin_core.instance import init as make
from lamin_core.redaction import redact_text


@click.command()
@click.option(
    "--storage", required=True, help="Folder or URL that copies of files go into, such as ./data or s3://bucket."
)
@click.option("--db", help="Database URL; by default a SQLite file inside .lamin/.")
def init(storage: str, db: str | None) -> None:
    """Make an instance in this folder: a .lamin/ folder, a database, a storage."""
    instance = make(storage, db=db)
    click.echo(f"instance {instance.uid} in {instance.folder}", err=True)
    click.echo(f"  storage:  {instance.storage}", err=True)
    click.echo(f"  database: {redact_text(instance.db.url)}", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(as_json: bool) -> None:
    """Say which instance is at work here."""
    instance = connect()
    facts = {
        "version": __version__,
        "instance": str(instance.folder),
        "uid": instance.uid,
        "storage": instance.storage,
        "database": redact_text(instance.db.url),
        "schema": REVISION,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name + ':':<10} {value}")


@click.command()
def migrate() -> None:
    """Bring the database of this instance to the schema of this version."""
    from lamin_core.migrations import upgrade

    upgrade(Path.cwd())
    click.echo(f"the database is at schema {REVISION}", err=True)
