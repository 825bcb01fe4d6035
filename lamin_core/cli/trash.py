"""The commands on the trash: undelete, prune."""

from __future__ import annotations

import click

import lamin_core as ln
from lamin_core.cli import output
from lamin_core.cli.completers import deleted_keys
from lamin_core.cli.confirm import agreed
from lamin_core.cli.epilog import examples
from lamin_core.cli.resolve import called
from lamin_core.errors import NotFound
from lamin_core.runtime.printable import printable

_SHOWN = 20


@click.command(epilog=examples("lamin undelete results/genes.csv", "lamin artifacts --trash"))
@click.argument("name", metavar="KEY|UID", shell_complete=deleted_keys)
def undelete(name: str) -> None:
    """Take an artifact out of the trash.

    Of several versions with this key, the one that was deleted last.
    """
    trash = ln.Artifact.trash().order_by("-deleted_at", "-id")
    artifact = trash.filter(key=name).first()
    if artifact is None and name.isascii() and name.isalnum():
        artifact = trash.filter(uid__startswith=name).first()
    if artifact is None:
        raise NotFound(
            f"no artifact in the trash is called {name!r}", hint="lamin artifacts --trash"
        )
    artifact.restore()
    output.echo(f"{called(artifact)} is restored", err=True)


@click.command(epilog=examples("lamin prune --dry-run", "lamin prune --yes"))
@click.option("--dry-run", is_flag=True, help="Only list them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.as_json
def prune(dry_run: bool, yes: bool, as_json: bool) -> None:
    """Move artifacts whose files are gone into the trash; asks first.

    Such as the outputs of temp(): files that were registered where they lay, are not there any
    longer, and have no label, feature, project, reference, description or collection. Their lineage
    stays, and lamin undelete brings them back.
    """
    from lamin_core.admin.prune import prune as move
    from lamin_core.admin.prune import vanished
    from lamin_core.instance.instance import connect

    instance = connect()
    files = vanished(instance)
    if as_json:
        output.print_json([{"uid": file.uid, "key": file.key, "path": file.path} for file in files])
    else:
        for file in files[:_SHOWN]:
            output.echo(printable(file.key))
        if len(files) > _SHOWN:
            output.echo(f"and {len(files) - _SHOWN} more; --json has all")
    if not files:
        output.echo("nothing has vanished that nothing needs", err=True)
        return
    if dry_run:
        return
    number = "1 artifact" if len(files) == 1 else f"{len(files)} artifacts"
    if not agreed(f"Move {number} into the trash?", yes):
        raise click.Abort
    move(instance, files)
    output.echo(f"moved into the trash: {number}", err=True)
