"""Runs of other programs: `lamin run` starts one, waits for it, and records its inputs and outputs.

The run is that of the program, with all that it starts. Files that its arguments name need not be
told: those that are there and stay as they are have been read, those that are new or changed have
been written, and read as well if the kernel saw that. A Python writes down what it opens; so does
any other program where that is asked for.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Self

from lamin_core.errors import LaminError, NotFound, Unavailable
from lamin_core.ingest.inputs import note_input
from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Run, Transform
from lamin_core.runtime import child_environment, current, git
from lamin_core.runtime.paths import VARIABLE, instance_for_children
from lamin_core.runtime.redaction import redact_command
from lamin_core.runtime.settings import settings
from lamin_core.saving.files import local_path
from lamin_core.saving.parent_run import SHELL, name_of
from lamin_core.storage.locations import locate
from lamin_core.tracking import termination
from lamin_core.tracking.argument_files import ArgumentFiles
from lamin_core.tracking.code import in_file
from lamin_core.tracking.noted_files import (
    local_storages,
    log_of,
    note_files,
    scope_of,
    tell_noted,
)
from lamin_core.tracking.params import masked_params
from lamin_core.tracking.start import environment_id
from lamin_core.uids import random_uid
from lamin_core.watching.programs import Watched, all_watched, is_python, python_watched
from lamin_core.watching.recorder import RunFiles
from lamin_core.watching.scope import Scope

logger = logging.getLogger("lamin")
_INTERPRETERS = {
    ".py": sys.executable,
    ".sh": "bash",
    ".R": "Rscript",
    ".r": "Rscript",
    ".jl": "julia",
    ".pl": "perl",
}
_LANGUAGES = {".py": "python", ".sh": "shell", ".R": "R", ".r": "R", ".jl": "julia", ".pl": "perl"}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Program:
    """A program and its arguments, as they were typed."""

    words: Sequence[str]

    @property
    def command(self) -> list[str]:
        """The command to start: a script with its interpreter, unless it names one; else unchanged. Raises `NotFound`.

        >>> Program(["env", "A=1"]).command
        ['env', 'A=1']
        """
        first, *rest = self.words
        if _names_its_interpreter(first):
            return [os.path.abspath(first), *rest]
        interpreter = _INTERPRETERS.get(Path(first).suffix) if Path(first).is_file() else None
        command = [*([] if interpreter is None else [interpreter]), first, *rest]
        if shutil.which(command[0]) is None:
            raise NotFound(
                f"no program is called {command[0]!r}",
                hint=f"install it, or check the name: `which {first}`",
            )
        return command

    @property
    def code(self) -> Path | None:
        """The script: the first word that names a script, such as `fit.R` in `Rscript --vanilla fit.R raw.csv`."""
        return next(
            (
                path
                for path in map(Path, self.words)
                if path.suffix in _LANGUAGES and path.is_file()
            ),
            None,
        )

    @property
    def files(self) -> Iterator[Path]:
        """Paths that the arguments may name, also as `--out=PATH`.

        >>> [path.name for path in Program(["sort", "-o", "b.txt", "--parallel=2", "a.txt"]).files]
        ['-o', 'b.txt', '2', 'a.txt']
        """
        for word in self.words[1:]:
            text = word.partition("=")[2] if word.startswith("--") and "=" in word else word
            if text and "\0" not in text and Path(text) != self.code:
                yield Path(os.path.abspath(text))

    def transform(self, key: str | None) -> Transform:
        """The script, or else the name of the program."""
        code = self.code
        if code is None:
            return Transform(key=key or _storable(Path(self.words[0]).name), kind="script")
        script = in_file(code.absolute())
        return Transform(
            key=key or script.key,
            kind=script.kind,
            source_code=script.source,
            language=_LANGUAGES[code.suffix],
            reference=code.absolute().as_uri(),
            reference_type="file",
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of the command except the program."""

    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    key: str | None = None
    name: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    watch: bool | None = None
    """Whether to note what the program opens: all of it, nothing, or (None) what a Python opens."""


def run_program(connect: Callable[[], Instance], program: Program, request: Asked) -> int:
    """Run it as a run, and return its exit code; 128 and the number of the signal that ended it.

    Outputs are saved where it ends well. A registry that cannot be used costs the record and a
    warning, not the program. Raises `NotFound` where a program, an input or an output is not there,
    `Unavailable` where it is to be watched and cannot be.
    """
    command = program.command
    current.note_job()
    log = log_of(random_uid(16))
    try:
        where = connect()
        scope = scope_of(where)
    except Unavailable as error:
        return _executed_unrecorded(command, error)
    watched = _watched(scope, command, request, log)
    try:
        run = _begun(where, program, request)
        arguments = ArgumentFiles(_argument_files(where, program, request))
    except Unavailable as error:
        return _executed_unrecorded(command, error)
    where.db.dispose()  # hours may pass, which no idle connection has to outlive
    try:
        code = _executed(watched, run)
    except BaseException as error:  # it cannot be started
        where.runs.end(run, *termination.outcome(error))
        raise
    files = RunFiles(scope, log)
    try:
        arguments.record(files)
        _end(where, run, request, files, code)
    except Unavailable as error:
        logger.warning("lineage is incomplete: %s; %s", error.message, error.hint)
    return code


def _executed_unrecorded(command: list[str], error: Unavailable) -> int:
    logger.warning("the program is not recorded: %s; %s", error.message, error.hint)
    return _executed(Watched(command, {}), None)


def _end(where: Instance, run: Run, request: Asked, files: RunFiles, code: int) -> None:
    """Save what the program wrote, and end its run. Raises `NotFound` for an output that is not there."""
    how = termination.of_shell(code)
    try:
        _note_files(where, run, request, files, is_good=code == 0)
        for path in request.outputs if code == 0 else ():
            _save(where, run, _promised(path))
    except BaseException as error:
        how = termination.outcome(error)
        raise
    finally:
        where.runs.end(run, *how)
    tell_noted(where, run)


def _watched(scope: Scope, command: list[str], request: Asked, log: str) -> Watched:
    if request.watch:
        return all_watched(command, log, scope)
    is_wanted = request.watch is None and settings.watch_files
    if is_wanted and is_python(command):
        return python_watched(command, log, scope)
    return Watched(command, {})


def _names_its_interpreter(path: str) -> bool:
    """Whether this is a file that may be executed, and begins with `#!`."""
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        return False
    with suppress(OSError), open(path, "rb") as file:
        return file.read(2) == b"#!"
    return False


def _input(where: Instance, name: str) -> Artifact:
    """The artifact of this path, saved if it is new; or the one with this key or uid."""
    if os.path.exists(name):
        return _save(where, False, local_path(name))
    record = where.lineage.find(name)
    if not isinstance(record, Artifact):
        raise NotFound(
            f"{name!r} is a run, not an artifact",
            hint="name a file, or an artifact by its key or uid",
        )
    return record


def _begun(where: Instance, program: Program, request: Asked) -> Run:
    """The run of the program, with the inputs that were named."""
    where.runs.find_lost()
    inputs = [_input(where, name) for name in request.inputs]
    transform = program.transform(request.key).save()
    parent = where.runs.above(child_environment.inherited_parent())
    run = Run(
        transform,
        name=request.name or transform.key,
        params=masked_params(request.params),
        parent=parent,
    )
    folder = Path.cwd() if program.code is None else program.code.absolute().parent
    checkout = git.checkout(folder)
    details = {
        "git": None if checkout is None else checkout.facts(),
        "arguments": _storable(redact_command(program.words)),
    }
    run.engine, run.details = SHELL, {name: value for name, value in details.items() if value}
    if program.command[0] == sys.executable:  # the packages of another Python are unknown
        run.environment_id = environment_id(where, folder)
    run.save()
    for artifact in inputs:
        note_input(where.db, run, artifact)
    return run


def _argument_files(where: Instance, program: Program, request: Asked) -> list[Path]:
    """The files that its arguments may name, in a known storage, and those that it is to write."""
    storages = local_storages(where)
    paths = [*program.files, *(Path(os.path.abspath(name)) for name in request.outputs)]
    return [path for path in paths if locate(str(path), storages).root is not None]


def _note_files(
    where: Instance, run: Run, request: Asked, files: RunFiles, *, is_good: bool
) -> None:
    """What was read is an input; what was written is an output if all went well. Nobody asked for these files to be
    noted, so whatever is wrong with that is a warning, and the program's exit code stays what it is."""
    try:
        files.collect()
        inputs = [file for file in files.inputs() if not _is_named(file.path, request.inputs)]
        outputs = [path for path in files.outputs() if not _is_named(path, request.outputs)]
        note_files(where, run, inputs, outputs if is_good else ())
    except LaminError as error:
        logger.warning("lineage is incomplete: %s", error.message)


def _is_named(path: str, names: Sequence[str]) -> bool:
    """Whether this is one of these files, or below one of these folders."""
    return any(f"{path}/".startswith(f"{os.path.abspath(name)}/") for name in names)


def _storable(text: str) -> str:
    """Return the text with bytes that are not UTF-8 as escapes, since no database takes them.

    >>> print(_storable("caf" + chr(0xDCE9) + ".txt"))
    caf\\udce9.txt
    """
    return text.encode("utf-8", "backslashreplace").decode()


def _promised(path: str) -> Path:
    if not os.path.exists(path):
        raise NotFound(
            f"the program ended well, but there is no {path!r}", hint="check the path of --output"
        )
    return local_path(path)


def _save(where: Instance, run: Run | bool, path: Path) -> Artifact:
    """The path of the file, or outside of every storage a copy with its name."""
    storages = [root for root in where.files.storages() if root.root != "/"]
    key = None if locate(str(path), storages).root is not None else path.name
    return Artifact(path, key=key, run=run).save()


def _executed(watched: Watched, run: Run | None) -> int:
    """The exit code of the command, in which this run is at work."""
    if run is not None:
        child_environment.export_run(name_of(run))
    instance = instance_for_children()  # wherever it changes to
    here = {} if instance is None else {VARIABLE: instance}
    environment = {**os.environ, **here, **watched.variables}
    try:
        with _Relay() as relay, subprocess.Popen(watched.command, env=environment) as process:
            relay.to(process)
            code = process.wait()
    finally:
        child_environment.restore_environment()
    return code if code >= 0 else 128 - code


class _Relay:
    """Signals that would end us go to the program; we stay to see how it ends."""

    def __init__(self) -> None:
        self._program: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._hand_on) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def to(self, program: subprocess.Popen[bytes]) -> None:
        """Send signals to this program from now on, also those that came while it was starting."""
        self._program = program
        for number in self._early:
            self._hand_on(number, None)

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and _is_in_foreground():
            return  # Ctrl-C has reached the program already
        if self._program is None:
            self._early.append(number)
        else:
            with suppress(ProcessLookupError):
                self._program.send_signal(number)


def _is_in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # no terminal
        return False
