"""The `lamin` command. Data goes to standard output, everything else to standard error."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from typing import Any

import click

from lamin_core import __version__
from lamin_core.errors import LaminError

_BUILT_IN = {
    "init": "lamin_core.cli.instance:init",
    "info": "lamin_core.cli.instance:info",
    "lineage": "lamin_core.cli.lineage:lineage",
    "runs": "lamin_core.cli.lineage:runs",
    "artifacts": "lamin_core.cli.lineage:artifacts",
    "migrate": "lamin_core.cli.instance:migrate",
}


class _Lazy(click.Group):
    """Commands are imported when they are called; engines add theirs by the entry point `lamin_core.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_BUILT_IN, *(point.name for point in _points())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = _BUILT_IN.get(cmd_name)
        if home is not None:
            module, _, name = home.partition(":")
            found: click.Command = getattr(importlib.import_module(module), name)
            return found
        loaded: click.Command | None = next((point.load() for point in _points() if point.name == cmd_name), None)
        return loaded

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"{error.message} Commands are: {known}.", ctx) from error


def _points() -> Any:
    return importlib.metadata.entry_points(group="lamin_core.commands")


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lamin")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def lamin(ctx: click.Context, debug: bool) -> None:
    """The lineage registry that fills itself.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict, 5 database, storage or endpoint out of
    reach, 130 interrupted.
    """
    ctx.obj = debug


def main() -> None:
    """Run the command line; errors of ours are one message and an exit code."""
    try:
        lamin.main(standalone_mode=False)
    except LaminError as error:
        if "--debug" in sys.argv:
            raise
        click.echo(f"lamin: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("lamin: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
