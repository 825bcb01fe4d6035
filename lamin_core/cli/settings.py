"""The commands on settings: show, get, set, unset, and where a value comes from."""

from __future__ import annotations

from pathlib import Path

import click

from lamin_core.cli import output
from lamin_core.cli.epilog import examples
from lamin_core.errors import InstanceNotFound
from lamin_core.runtime import settings as configuration
from lamin_core.runtime.settings import SETTINGS, Value

_for_user = click.option("--user", "for_user", is_flag=True, help="For all instances of this user.")


def _names(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in SETTINGS if name.startswith(incomplete)]


_name = click.argument("name", shell_complete=_names)


@click.group(
    invoke_without_command=True,
    epilog=examples("lamin settings --show-origin", "lamin settings set track_run_inputs false"),
)
@click.option("--show-origin", is_flag=True, help="Also show where each value comes from.")
@output.as_json
@click.pass_context
def settings(ctx: click.Context, show_origin: bool, as_json: bool) -> None:
    """Show all settings, or change one.

    A value comes from the first of these that sets it: the variable (LAMIN_ and the name in
    capitals), the instance, the user, the default.
    """
    if ctx.invoked_subcommand is not None:
        return
    rows = [_row(configuration.settings.look_up(name), show_origin) for name in SETTINGS]
    if as_json:
        output.print_json(rows)
    else:
        output.print_table(rows)


def _row(value: Value, show_origin: bool) -> dict[str, object]:
    row: dict[str, object] = {"name": value.name, "value": value.value}
    return {**row, "origin": value.origin} if show_origin else row


@settings.command(epilog=examples("lamin settings get verbosity"))
@_name
@output.as_json
def get(name: str, as_json: bool) -> None:
    """Print one setting."""
    resolved = configuration.settings.look_up(name)
    if as_json:
        output.print_json(_row(resolved, show_origin=True))
    else:
        output.echo("" if resolved.value is None else resolved.value)


@settings.command("set", epilog=examples("lamin settings set verbosity info --user"))
@_name
@click.argument("value")
@_for_user
def put(name: str, value: str, for_user: bool) -> None:
    """Change a setting for this instance, or with --user for all instances."""
    _store(name, value, for_user)


@settings.command(epilog=examples("lamin settings unset verbosity"))
@_name
@_for_user
def unset(name: str, for_user: bool) -> None:
    """Remove the value of a setting, so that the next source applies."""
    _store(name, None, for_user)


def _store(name: str, value: str | None, for_user: bool) -> None:
    file = _file(for_user)
    configuration.store(name, value, file)
    now = configuration.settings.look_up(name)
    output.echo(f"{name} is {now.value} ({now.origin})", err=True)


def _file(for_user: bool) -> Path:
    file = configuration.user_file() if for_user else configuration.instance_file()
    if file is None:
        raise InstanceNotFound(
            "no instance here or above", hint="lamin settings set NAME VALUE --user"
        )
    return file
