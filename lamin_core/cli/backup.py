"""Commands that back up and restore the database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from lamin_core.cli import output
from lamin_core.cli.confirm import agreed
from lamin_core.cli.epilog import examples
from lamin_core.errors import InvalidArgument


@click.command(epilog=examples("lamin backup registry.db"))
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy the SQLite database into a file, even while others write."""
    from lamin_core.admin.backup import backup as copied

    if str(file) == "-":
        raise InvalidArgument(
            "a backup is a file, not standard output", hint="lamin backup registry.db"
        )
    from lamin_core.instance.instance import connect

    size = copied(connect(), file)
    output.echo(f"{file}: {size} bytes; copies of files are in the storage, not in it", err=True)


@click.command(epilog=examples("lamin restore registry.db"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(file: Path, yes: bool) -> None:
    """Replace the database with a backup; asks first, keeps the old database."""
    from lamin_core.admin.backup import restore as restored
    from lamin_core.instance.instance import at_work

    instance = at_work(check=False)  # it may be damaged, or gone
    previous = instance.folder / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S}.db"
    if not agreed(f"Replace {instance.folder / 'lamin.db'} by {file}?", yes):
        raise click.Abort
    restored(instance, file, previous=previous)
    output.echo(
        f"restored; what was there is in {previous}"
        if previous.exists()
        else "restored; nothing was there",
        err=True,
    )
