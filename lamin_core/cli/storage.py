"""The commands on storages."""

from __future__ import annotations

import os

import click

from lamin_core.cli import completers, output
from lamin_core.cli.epilog import examples
from lamin_core.runtime.printable import printable


@click.group(epilog=examples("lamin list storage", "lamin storage move /old/disk /new/disk"))
def storage() -> None:
    """Tell the registry that a folder or bucket was moved."""


@storage.command(epilog=examples("lamin storage move /old/disk /new/disk"))
@click.argument("old", shell_complete=completers.folders)
@click.argument("new", shell_complete=completers.folders)
@output.as_json
def move(old: str, new: str, as_json: bool) -> None:
    """Tell the registry that the files below OLD are now below NEW.

    OLD and NEW are folders or URLs. Move the files before. Files in the project folder need no
    command. Records keep their keys, uids and versions.
    """
    from lamin_core.instance.instance import connect
    from lamin_core.instance.moves import move_storage

    moved = move_storage(connect().db, os.path.expanduser(old), os.path.expanduser(new))
    if as_json:
        output.print_json([{"old": storage.old, "new": storage.new} for storage in moved])
        return
    for storage in moved:
        output.echo(printable(f"{storage.old} is {storage.new} now"))
    if not moved:
        output.echo(printable(f"events that name files below {old} mean {new} now"))
