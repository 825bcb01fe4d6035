"""The commands `lamin keys`."""

from __future__ import annotations

import click

from lamin_core.cli import output
from lamin_core.cli.epilog import examples
from lamin_core.instance.instance import connect
from lamin_core.runtime.printable import printable
from lamin_core.server import api_keys as ring


@click.group(epilog=examples("lamin keys create airflow", "lamin keys list"))
def keys() -> None:
    """Manage the API keys of the server."""


@keys.command(epilog=examples("lamin keys create airflow"))
@click.argument("name")
@output.as_json
def create(name: str, as_json: bool) -> None:
    """Create a key and print it; it is never shown again."""
    key = ring.create(connect().db, name)
    output.print_json({"name": name, "key": key}) if as_json else output.echo(key)


@keys.command("list", epilog=examples("lamin keys list --json"))
@output.as_json
def list_(as_json: bool) -> None:
    """List the names of all keys, and which were revoked."""
    shown = [
        {
            "name": key.name,
            "created_at": key.created_at.isoformat(),
            "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
        }
        for key in ring.listed(connect().db)
    ]
    if as_json:
        output.print_json(shown)
        return
    if not shown:
        output.echo("nobody has a key yet: lamin keys create NAME", err=True)
    for key in shown:
        state = "in force" if key["revoked_at"] is None else f"revoked {key['revoked_at']}"
        output.echo(printable(f"{key['name']}  made {key['created_at']}  {state}"))


@keys.command(epilog=examples("lamin keys revoke airflow"))
@click.argument("name")
@output.as_json
def revoke(name: str, as_json: bool) -> None:
    """Revoke a key; a running server rejects it within a second."""
    ring.revoke(connect().db, name)
    output.print_json({"revoked": name}) if as_json else output.echo("revoked ", printable(name))
