"""Commands for shell scripts and other programs: track, finish, run."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import click

from lamin_core.cli import completers, output
from lamin_core.cli.epilog import examples
from lamin_core.errors import InvalidArgument

_param_option = click.option(
    "--param",
    "params",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter; JSON if it is valid JSON, else text; can be repeated.",
)


@click.command(
    epilog=examples(
        "lamin track --param genome=hg38", 'eval "$(lamin track --key nightly --export)"'
    )
)
@click.option("--key", help="Key of the transform; by default the file name of the script.")
@click.option("--name", help="The name of the run.")
@click.option("--uid", help="Uid of the transform, or its first 12 characters, as in ln.track().")
@_param_option
@click.option(
    "--export",
    is_flag=True,
    help='Print variables for child processes: eval "$(lamin track --export)".',
)
def track(
    key: str | None, name: str | None, uid: str | None, params: tuple[str, ...], export: bool
) -> None:
    """Start a run of this shell script; prints its uid."""
    from lamin_core.instance.instance import connect
    from lamin_core.runtime.child_environment import with_root
    from lamin_core.runtime.parent_context import environment_for_children
    from lamin_core.saving.parent_run import name_of
    from lamin_core.tracking.shell_scripts import track_shell

    run = track_shell(connect(), key=key, name=name, uid=uid, params=dict(map(_param, params)))
    if not export:
        output.echo(run.uid)
        return
    environment = environment_for_children(with_root(name_of(run)))
    for variable, value in environment.items():
        output.echo(f"export {variable}={shlex.quote(value)}")


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "lamin run fit.py --epochs 3",
        "lamin run Rscript fit.R raw.csv fit.txt",
        "lamin run --input raw --output plots -- make plots",
        "lamin run --watch make plots",
    ),
)
@click.argument(
    "words",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    metavar="PROGRAM [ARGUMENT]...",
    shell_complete=completers.files,
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="PATH|KEY",
    shell_complete=completers.files,
    help="A file, folder or artifact that the program reads; can be repeated.",
)
@click.option(
    *("--output", "--register-output", "outputs"),
    multiple=True,
    metavar="PATH",
    shell_complete=completers.files,
    help="A file or folder that the program writes; can be repeated.",
)
@click.option("--key", help="Key of the transform; by default the name of the script or program.")
@click.option("--name", help="The name of the run.")
@_param_option
@click.option(
    "--watch/--no-watch",
    default=None,
    help="Record all files that the program opens, or none; by default, those that a Python program opens.",
)
def run(
    words: tuple[str, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    key: str | None,
    name: str | None,
    params: tuple[str, ...],
    watch: bool | None,
) -> None:
    """Run a program and record it as a run; has its exit code.

    Files that the arguments name are recorded: a file that stays the same as an input, a file that
    is new or changed as an output. Files that a Python program opens are recorded, too, and with
    --watch those that any program opens.
    """
    from lamin_core.instance.instance import connect
    from lamin_core.tracking.subprocesses import Asked, Program, run_program

    first, *rest = words
    program = Program([first, *(rest[1:] if rest[:1] == ["--"] else rest)])
    request = Asked(inputs, outputs, key, name, dict(map(_param, params)), watch)
    sys.exit(run_program(connect, program, request))


@click.command(epilog=examples("trap 'lamin finish --code $?' EXIT"))
@click.option("--code", type=int, default=0, help="Exit code of the script; 0 means success.")
def finish(code: int) -> None:
    """End the run that lamin track started in this shell script."""
    from lamin_core.instance.instance import connect
    from lamin_core.tracking.shell_scripts import finish_shell

    run = finish_shell(connect(), code)
    output.echo(f"run {run.uid} is {run.status}", err=True)


def _param(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise InvalidArgument(f"not a parameter: {text!r}", hint="--param alpha=0.05")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
