"""Runs Nextflow as the user typed it, with the observer, and carries its events home."""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lamin_core.errors import LaminError, Unavailable
from lamin_core.runtime.parent_context import environment_for_children, parent_from_environment
from lamin_core.runtime.paths import VARIABLE, instance_for_children, spool_folder
from lamin_nextflow.build import observer_jar
from lamin_nextflow.runtime import Runtime, find_runtime
from lamin_nextflow.tail import Forwarder

logger = logging.getLogger("lamin")
EVENTS = "LAMIN_NEXTFLOW_EVENTS"
_POLL_SECONDS = 0.5
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def launch(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run Nextflow with these arguments; its exit code, negative for the signal that ended it.

    Raises `LaminError` when there is no Nextflow to run; with `LAMIN_STRICT=1` also when its events
    were not taken.
    """
    runtime = find_runtime(_observer(), environment)
    above = parent_from_environment(environment)
    if above is not None:  # said in one way or the other; the observer reads the elder one
        environment = {**environment, **environment_for_children(above)}
    instance = instance_for_children()
    if instance is not None:  # tasks work elsewhere
        environment = {**environment, VARIABLE: instance}
    if environment.get(EVENTS):
        return _run(runtime, arguments, environment, None)  # the user takes them
    events = _private_file()
    forwarder = Forwarder(events)
    code = _run(runtime, arguments, {**environment, EVENTS: str(events)}, forwarder)
    forwarder.close(
        f"Nextflow was ended by signal {-code}"
        if code < 0
        else f"Nextflow ended with exit code {code}"
    )
    if forwarder.error is not None:
        raise forwarder.error
    return code


def _private_file() -> Path:
    """A private file in the spool, where a replay finds it if this process is killed."""
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-nextflow-{os.getpid()}-{secrets.token_hex(4)}.ndjson"
    return spool_folder() / name


def _observer() -> Path | None:
    """The jar, at a path that the `nextflow` script can take; without one the pipeline runs all the same, untracked."""
    try:
        return _without_blanks(observer_jar())
    except (LaminError, OSError) as error:
        logger.warning("this run is not tracked: %s", str(error).splitlines()[0])
        return None


def _without_blanks(jar: Path) -> Path:
    """The jar, or a copy of it that lives as long as we do: the script splits its options at blanks."""
    if not _has_blank(jar):
        return jar
    folder = tempfile.mkdtemp(prefix="lamin-nextflow-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = Path(shutil.copy(jar, folder))
    if _has_blank(copy):
        raise Unavailable(
            f"nextflow cannot load {copy}: there is a blank in the path", hint="set TMPDIR"
        )
    return copy


def _has_blank(path: Path) -> bool:
    return any(character.isspace() for character in str(path))


def _run(
    runtime: Runtime,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    forwarder: Forwarder | None,
) -> int:
    command = [*runtime.command, *arguments]
    with (
        subprocess.Popen(command, env={**environment, **runtime.environment}) as process,
        _forwarding(process),
    ):
        while True:
            try:
                return process.wait(_POLL_SECONDS if forwarder else None)
            except subprocess.TimeoutExpired:
                if forwarder:
                    _poll(forwarder)


def _poll(forwarder: Forwarder) -> None:
    try:
        forwarder.poll()
    except Exception as error:  # the pipeline comes first; the end tries again
        logger.debug("events could not be read: %s", error)


@contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """While the block runs, signals are Nextflow's: we pass them on and wait for what it makes of them."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        # Ctrl-C at a terminal reaches Nextflow without us, and a second one would make it quit
        # without cleaning up.
        if number in (signal.SIGINT, signal.SIGQUIT) and _is_foreground():
            return
        process.send_signal(number)

    # What is ignored (nohup, a background job) stays ignored.
    heard = [number for number in _FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_foreground() -> bool:
    try:
        with open("/dev/tty") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
