"""The commands on the trash: undelete, prune."""

from __future__ import annotations

from typing import Any

import click

import lamin_core as ln
from lamin_core.cli import output
from lamin_core.cli.completers import deleted_keys
from lamin_core.cli.confirm import agreed
from lamin_core.cli.epilog import examples
from lamin_core.cli.resolve import called, split
from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.runtime.printable import printable

_SHOWN = 20


@click.command(epilog=examples("lamin undelete results/genes.csv", "lamin undelete ulabel raw"))
@click.argument("words", nargs=-1, metavar="[REGISTRY] NAME", shell_complete=deleted_keys)
def undelete(words: tuple[str, ...]) -> None:
    """Restore a record from the trash.

    NAME is the key, the name or the uid of an artifact, a label, a feature, a project or a
    reference. If several versions of a key are in the trash, the one that was deleted last is
    restored.
    """
    kind, names = split(words)
    if len(names) != 1:
        raise InvalidArgument("name one record", hint="lamin undelete results/genes.csv")
    record = _in_trash(kind, names[0])
    record.restore()
    output.echo(f"{called(record)} is restored", err=True)


def _in_trash(kind: Any, name: str) -> Any:
    word = kind.__name__.lower()
    if not kind._has_trash:
        raise InvalidArgument(f"there is no trash for records of {word}", hint="lamin list")
    trash = kind.trash().order_by("-deleted_at", "-id")
    record = trash.filter(**{kind._name_field: name}).first()
    if record is None and name.isascii() and name.isalnum():
        record = trash.filter(uid__startswith=name).first()
    if record is None:
        hint = "lamin artifacts --trash" if kind is ln.Artifact else f"lamin list {word}"
        raise NotFound(f"no {word} in the trash is called {name!r}", hint=hint)
    return record


@click.command(epilog=examples("lamin prune --dry-run", "lamin prune --yes"))
@click.option("--dry-run", is_flag=True, help="Only list them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.as_json
def prune(dry_run: bool, yes: bool, as_json: bool) -> None:
    """Move artifacts whose files no longer exist into the trash; asks first.

    These are artifacts, such as outputs of temp(), that were registered in place, whose files no
    longer exist, and that have no label, feature, project, reference, description or collection.
    Their lineage stays, and lamin undelete restores them.
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
