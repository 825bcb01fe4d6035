"""The command that shows the state of a project: status."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from lamin_core.cli.epilog import examples
from lamin_core.cli.output import Styled, as_json, echo, local, print_json
from lamin_core.runtime.printable import printable
from lamin_core.uids import VERSION_LENGTH

if TYPE_CHECKING:
    from lamin_core.admin.status import OutdatedResult, RunState

_SHOWN = 20
"""Lines of one section as text; `--json` has all of them."""


@click.command(epilog=examples("lamin status", "lamin status --json"))
@as_json
def status(as_json: bool) -> None:
    """Show outdated, changed, running, failed and waiting items.

    A result is outdated if an input of the run that made it has a newer version with other bytes,
    or is outdated itself. A failed run is listed until the same code has run again. Files that were
    registered in place are compared with their records.
    """
    from lamin_core.admin.status import status as look
    from lamin_core.instance.instance import connect

    instance = connect()
    instance.runs.find_lost()
    state = look(instance)
    if as_json:
        print_json({**asdict(state), "is_clean": state.is_clean})
        return
    _section("Running", [_run_line(run) for run in state.running], "lamin lineage --run UID")
    _section(
        "Failed, and not run again since",
        [_run_line(run) for run in state.failed],
        "lamin lineage --run UID shows what it read; run it again",
        "red",
    )
    _section(
        "Outdated results",
        [_result_line(result) for result in state.outdated],
        "run again what made them: lamin lineage KEY shows it",
        "yellow",
    )
    _section(
        "Changed on disk since it was recorded",
        [f"{file.change + ':':<9} {_here(file.path)}" for file in state.changed],
        "lamin save PATH records it as a new version; lamin prune forgets what is gone",
        "yellow",
    )
    if state.waiting_files:
        echo(Styled("Waiting"), f"\n  events in {_files(state.waiting_files)} of the spool")
        echo("  (lamin events replay takes them in)\n")
    if state.refused_events:
        echo(Styled("Refused", "red"), f"\n  {state.refused_events} events were set aside")
        echo("  (lamin events requeue lets them be sent again; lamin doctor says why)\n")
    if state.is_clean:
        echo("nothing is outdated, changed, running, failed or waiting")


def _section(title: str, lines: Sequence[str], hint: str, colour: str | None = None) -> None:
    if not lines:
        return
    echo(Styled(title, bold=True))
    for line in lines[:_SHOWN]:
        echo("  ", Styled(line, colour, bold=False) if colour else printable(line))
    if len(lines) > _SHOWN:
        echo(f"  and {len(lines) - _SHOWN} more; --json has all")
    echo(f"  ({hint})\n")


def _run_line(run: RunState) -> str:
    began = "" if run.started_at is None else f" · {local(run.started_at)}"
    error = (run.error or "").strip().splitlines()
    reason = f" · {error[-1][:100]}" if error else ""
    return f"{run.uid}  {run.transform} · {run.engine} · {run.status}{began}{reason}"


def _result_line(result: OutdatedResult) -> str:
    causes = []
    for cause in result.causes[:3]:
        newest = None if cause.newest is None else cause.newest[-VERSION_LENGTH:]
        causes.append(f"{cause.key} is " + ("outdated" if newest is None else f"at v{newest}"))
    more = len(result.causes) - len(causes)
    return f"{result.key}  ({', '.join(causes)}{f' and {more} more' if more > 0 else ''})"


def _here(path: str) -> str:
    """The path relative to the working directory, if it is below it."""
    here = os.path.relpath(path)
    return path if here.startswith("..") else here


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"
