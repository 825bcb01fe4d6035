"""Runs of shell scripts: `lamin track` in one begins a run of it, `lamin finish` ends it.

The run is that of the shell, not of `lamin`: it is lost with the shell, and what the shell starts
belongs to it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lamin_core.enums import RunStatus
from lamin_core.errors import InvalidArgument, NotTracked
from lamin_core.instance.instance import Instance
from lamin_core.models import Run, Transform
from lamin_core.models.arguments import RunArguments, arguments_of
from lamin_core.runtime import child_environment, current, git, process
from lamin_core.runtime.redaction import redact_command, redact_text
from lamin_core.saving.parent_run import SHELL, run_of_shell
from lamin_core.tracking.params import masked_params
from lamin_core.tracking.termination import of_shell

_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "busybox"}


def track_shell(
    where: Instance,
    *,
    key: str | None,
    name: str | None,
    uid: str | None,
    params: dict[str, object],
) -> Run:
    """Start a run of the shell script that this process was started by. Raises `InvalidArgument`.

    A run of it that is under way already is completed, as by `track()` in Python.
    """
    current.note_job()
    where.runs.find_lost()
    shell = _shell()
    before = run_of_shell(where.db, [shell])
    if before is not None:
        where.runs.end(before, RunStatus.COMPLETED, None)
    transform = _transform(_script(shell), key, uid).save()
    run = Run(
        transform,
        name=name or transform.key,
        params=masked_params(params),
        parent=_above(where, shell),
    )
    run.engine, run.details = SHELL, _details(shell)
    arguments_of(run, RunArguments).process = process.of(shell)
    return run.save()


def finish_shell(where: Instance, code: int) -> Run:
    """End the run of the shell script, which ended with this exit code. Raises `NotTracked`."""
    # A shell may put its last command in its own place.
    run = run_of_shell(where.db, [os.getpid(), _shell()]) or _named(where)
    if run is None:
        raise NotTracked(
            "no run of this shell script is being tracked", hint="call lamin track first"
        )
    return where.runs.end(run, *of_shell(code))


def _shell() -> int:
    """The calling shell: not a process in between, such as `uv run`, and not a fork of the shell."""
    above = list(process.ancestors(os.getpid()))
    shells = [pid for pid in above if _program(pid) in _SHELLS]
    if not shells:
        return above[0]
    shell, *further = shells
    for pid in further:
        if process.command_line(pid) != process.command_line(shell):
            break
        shell = pid
    return shell


def _program(pid: int) -> str:
    return os.path.basename((process.command_line(pid) or [""])[0]).removeprefix("-")


def _script(shell: int) -> Path | None:
    """The file that the shell reads its commands from."""
    try:
        folder = os.readlink(f"/proc/{shell}/cwd")
    except OSError:
        return None
    operands = [
        argument for argument in process.command_line(shell)[1:] if not argument.startswith("-")
    ]
    paths = (Path(folder, argument) for argument in operands[:1])
    return next((path for path in paths if path.is_file()), None)


def _transform(script: Path | None, key: str | None, uid: str | None) -> Transform:
    if script is None:
        if not key:
            raise InvalidArgument("not a script, and it has no name", hint="lamin track --key NAME")
        return Transform(key=key, kind="script", uid=uid, language="shell")
    return Transform(
        key=key or script.name,
        kind="script",
        uid=uid,
        source_code=redact_text(script.read_text("utf-8", "replace")),
        language="shell",
        reference=script.as_uri(),
        reference_type="file",
    )


def _above(where: Instance, shell: int) -> Run | None:
    named = child_environment.inherited_parent()
    if named is not None:
        return where.runs.above(named)
    return run_of_shell(where.db, process.ancestors(shell))


def _named(where: Instance) -> Run | None:
    """The run that `lamin track` put into the environment, if the parent processes cannot be inspected."""
    named = child_environment.inherited_parent()
    run = None if named is None else where.runs.above(named)
    return run if run is not None and run.engine == SHELL else None


def _details(shell: int) -> dict[str, Any] | None:
    script = _script(shell)
    checkout = git.checkout(Path.cwd() if script is None else script.parent)
    arguments = process.command_line(shell)[1:]
    details = {
        "git": None if checkout is None else checkout.facts(),
        "arguments": redact_command(arguments) if script is not None else None,
    }
    return {name: value for name, value in details.items() if value} or None
