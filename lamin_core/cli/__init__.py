"""The `lamin` command. Data goes to standard output, everything else to standard error."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
import traceback
from dataclasses import dataclass
from functools import cache
from typing import Any

import click
from click.shell_completion import CompletionItem

from lamin_core import __version__
from lamin_core.cli import errors, messages, streams
from lamin_core.cli.output import colour, echo
from lamin_core.cli.summary import summary

_BUILT_IN = {
    "init": "lamin_core.cli.instance:init",
    "connect": "lamin_core.cli.instance:connect",
    "disconnect": "lamin_core.cli.instance:disconnect",
    "info": "lamin_core.cli.instance:info",
    "settings": "lamin_core.cli.settings:settings",
    "status": "lamin_core.cli.status:status",
    "lineage": "lamin_core.cli.lineage:lineage",
    "runs": "lamin_core.cli.lineage:runs",
    "diff": "lamin_core.cli.lineage:diff",
    "why": "lamin_core.cli.lineage:why",
    "artifacts": "lamin_core.cli.lineage:artifacts",
    "save": "lamin_core.cli.saving:save",
    "load": "lamin_core.cli.records:load",
    "get": "lamin_core.cli.records:get",
    "list": "lamin_core.cli.records:list_",
    "describe": "lamin_core.cli.records:describe",
    "annotate": "lamin_core.cli.records:annotate",
    "delete": "lamin_core.cli.records:delete",
    "undelete": "lamin_core.cli.trash:undelete",
    "prune": "lamin_core.cli.trash:prune",
    "feature": "lamin_core.cli.features:feature",
    "import": "lamin_core.cli.imports:import_",
    "track": "lamin_core.cli.tracking:track",
    "finish": "lamin_core.cli.tracking:finish",
    "run": "lamin_core.cli.tracking:run",
    "storage": "lamin_core.cli.storage:storage",
    "migrate": "lamin_core.cli.instance:migrate",
    "backup": "lamin_core.cli.backup:backup",
    "restore": "lamin_core.cli.backup:restore",
    "completion": "lamin_core.cli.completion:completion",
    "doctor": "lamin_core.cli.doctor:doctor",
    "fsck": "lamin_core.cli.fsck:fsck",
}

_FEW_COLLECTIONS = 50_000
"""New objects between two garbage collections: with Python's 700, a tenth of a short command's time is collecting."""

SECTIONS = {
    "Set up": ("init", "connect", "disconnect", "info", "settings"),
    "Record": ("run", "track", "finish", "nextflow", "snakemake", "save", "import"),
    "Query": (
        "ui",
        "status",
        "lineage",
        "runs",
        "artifacts",
        "diff",
        "why",
        "list",
        "get",
        "describe",
        "load",
    ),
    "Change": ("annotate", "feature", "delete", "undelete", "prune"),
    "Events": ("serve", "keys", "events"),
    "Maintain": ("doctor", "fsck", "backup", "restore", "storage", "migrate", "completion"),
}
"""The sections of the help. Commands of other packages are listed in a section "Others"."""


@dataclass(slots=True)
class Options:
    """The global options, which are typed before the command."""

    debug: bool = False
    instance: str | None = None


class Commands(click.Group):
    """Commands are imported when they are called; engines add theirs by the entry point `lamin_core.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*_BUILT_IN, *_plugged_in()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command with this name; None if there is none."""
        home = _home(cmd_name)
        if home is None:
            return None
        module, _, name = home.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Resolve a command like click; the error for an unknown name suggests the nearest names."""
        name = args[0]
        if name.startswith("-") or ctx.resilient_parsing or _home(name) is not None:
            return super().resolve_command(ctx, args)
        commands = self.list_commands(ctx)
        meant = errors.near(name, commands) or f"Commands are: {', '.join(commands)}."
        raise click.UsageError(f"No such command {name!r}. {meant}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing them."""
        commands = set(self.list_commands(ctx))
        widest = max(map(len, commands))
        for title, names in (
            *SECTIONS.items(),
            ("Others", sorted(commands.difference(*SECTIONS.values()))),
        ):
            rows = [(f"{name:<{widest}}", _summary(name)) for name in names if name in commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands, without importing them, then options."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=_summary(name)) for name in names), *options]


def _home(name: str) -> str | None:
    return _BUILT_IN.get(name) or _plugged_in().get(name)


def _summary(name: str) -> str:
    home = _home(name)
    assert home is not None
    return summary(home)


@cache
def _plugged_in() -> dict[str, str]:
    """The entry points of commands of other packages. Reading them is slow, since it reads every installed package."""
    import importlib.metadata

    return {
        point.name: point.value
        for point in importlib.metadata.entry_points(group="lamin_core.commands")
    }


def _debug(ctx: click.Context, _option: click.Parameter, enabled: bool) -> None:
    """Kept while options are read: a command that cannot even be imported has its traceback, too."""
    ctx.ensure_object(Options).debug = enabled
    messages.show_tracebacks(enabled)


def _instance(ctx: click.Context, _option: click.Parameter, where: str | None) -> None:
    """Told to everything below, other processes too, by the variable that they look at anyway."""
    ctx.ensure_object(Options).instance = where
    if where is not None:
        os.environ["LAMIN_INSTANCE"] = where


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lamin")
@click.option(
    "--debug",
    is_flag=True,
    envvar="LAMIN_DEBUG",
    expose_value=False,
    is_eager=True,
    callback=_debug,
    help="Show the traceback of an error.",
)
@click.option(
    "--instance",
    metavar="WHERE",
    expose_value=False,
    callback=_instance,
    help="The instance to use: its folder, or the URL of its database. Wins over LAMIN_INSTANCE.",
)
def lamin() -> None:
    """Record which code made which file from which other files.

    Start with `lamin init`. `lamin COMMAND --help` explains a command, with examples.

    Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 conflict, 5 database, storage or
    endpoint cannot be reached, 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, with the arguments of the process unless some are given.

    An error is three lines and an exit code; its traceback is shown only with `--debug`. Output
    that cannot be written is an error too, unless its reader has gone away, having read enough.
    """
    gc.set_threshold(_FEW_COLLECTIONS)
    streams.prepare()
    with messages.printed():
        code = _run(arguments, Options())
        refused = streams.flush()
        if refused is not None and not isinstance(refused, BrokenPipeError) and not code:
            code = errors.show(refused)
    if code:
        sys.exit(code)


def _run(arguments: list[str] | None, options: Options) -> Any:
    """Run one command; its exit code, or a text as `sys.exit` takes it."""
    stdout = sys.stdout
    try:
        code = lamin.main(
            arguments,
            prog_name="lamin",
            standalone_mode=False,
            obj=options,
            color=colour(os.environ),
        )
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        return _show_usage(error)
    except (click.Abort, KeyboardInterrupt):
        echo("lamin: interrupted", err=True)
        return errors.INTERRUPTED
    except SystemExit as end:
        # click takes a broken pipe for a failure, and exchanges the stream: its reader has seen
        # enough.
        return 0 if sys.stdout is not stdout else end.code
    except Exception as error:
        if options.debug:
            echo(traceback.format_exc(), nl=False, err=True)
            return errors.UNEXPECTED
        return errors.show(_of_standard_output(error))


def _of_standard_output(error: Exception) -> Exception:
    """The error that names standard output, where it refused what click itself printed: the help, the version."""
    if not isinstance(error, OSError) or error.filename is not None:
        return error
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    is_of_click = frames[-1] is click.echo.__code__
    return OSError(error.errno, error.strerror, streams.STANDARD_OUTPUT) if is_of_click else error


def _show_usage(error: click.ClickException) -> int:
    """Print what click says of wrong usage: it repeats what was typed."""
    text = io.StringIO()
    error.show(text)
    echo(text.getvalue(), nl=False, err=True)
    if isinstance(error, click.NoSuchOption) and not error.possibilities:
        command = error.ctx.command_path if error.ctx is not None else "lamin COMMAND"
        echo(f"Put `--` before a name that begins with a dash: {command} -- -NAME", err=True)
    return error.exit_code


__all__ = ["Commands", "Options", "lamin", "main"]
