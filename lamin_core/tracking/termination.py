"""End runs that no code ended: at the end of the script, on an exception, an exit code or a signal.

While a run is open, and no longer, this looks at what ends the process:

- the interpreter's exit, by `atexit`;
- `SIGTERM` and `SIGHUP`, where nobody else handles or ignores them: the runs are aborted, and the signal then does
  what it would have done;
- the code that `sys.exit` is called with, which Python tells nobody afterwards;
- the end of R, where it embeds Python. Signals are then left to R: a handler of Python would run only at the
  next call of Python, and R would survive the signal.
"""

from __future__ import annotations

import _sitebuiltins
import asyncio
import atexit
import contextlib
import dis
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

from lamin_core.enums import RunStatus
from lamin_core.models import Run
from lamin_core.tracking.embedding import is_in_r, watch_end_of_r

logger = logging.getLogger("lamin")
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 3.0
"""Seconds that a signal waits for the registry, which the interrupted code itself may hold."""
_UNSEEN = "SystemExit; its code was not seen: end with ln.finish() or sys.exit(code)"


class Outcome(NamedTuple):
    """The status with which a run ended, and the reason."""

    status: RunStatus
    error: BaseException | str | None = None


def outcome(error: BaseException | None) -> Outcome:
    """The status of a run whose code ended in this way.

    >>> outcome(SystemExit(3)), outcome(SystemExit()).status.value, outcome(KeyboardInterrupt()).status.value
    (Outcome(status=<RunStatus.FAILED: 'failed'>, error='exit code 3'), 'completed', 'aborted')
    """
    if error is None or isinstance(
        error, GeneratorExit
    ):  # whoever consumes a generator has seen enough
        return Outcome(RunStatus.COMPLETED)
    if isinstance(error, SystemExit):
        return of_exit(error.code)
    is_failure = isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError)
    return Outcome(RunStatus.FAILED if is_failure else RunStatus.ABORTED, error)


def of_exit(code: object) -> Outcome:
    """The meaning of this exit code: None and 0 are success, a text is a message, as in the interpreter."""
    if code is None or (isinstance(code, int) and code == 0):
        return Outcome(RunStatus.COMPLETED)
    return Outcome(
        RunStatus.FAILED, f"exit code {int(code)}" if isinstance(code, int) else str(code)
    )


def of_shell(code: int) -> Outcome:
    """The meaning of the exit code of a shell or program: 128 plus a number means that this signal ended it.

    >>> of_shell(143).error, of_shell(1).error
    ('ended by SIGTERM', 'exit code 1')
    """
    if code == 0:
        return Outcome(RunStatus.COMPLETED)
    if code - 128 in (signal.SIGINT, *_SIGNALS):
        return Outcome(RunStatus.ABORTED, f"ended by {signal.Signals(code - 128).name}")
    return Outcome(RunStatus.FAILED, f"exit code {code}")


Close = Callable[[Outcome], Any]


class _Watch:
    """The open runs of this process, and what is watched on their behalf."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[Run, Close]] = {}
        self.exit: Outcome | None = None
        self._handled: list[signal.Signals] = []
        self._unwrap: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Look out from now on. Signals are for the main thread alone."""
        self.exit = None
        if is_in_r():
            _watch_r()
        elif threading.current_thread() is threading.main_thread():
            self._handled = [
                number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL
            ]
            for number in self._handled:
                signal.signal(number, _abort)
        self._unwrap = [
            _observe(sys, "exit", self._exits),
            _observe(_sitebuiltins.Quitter, "__call__", self._quits),
        ]

    def end(self) -> None:
        """Restore the previous handlers, except those that other code has changed since."""
        for number in self._handled:
            if signal.getsignal(number) is _abort:
                signal.signal(number, signal.SIG_DFL)
        for unwrap in self._unwrap:
            unwrap()
        self._handled, self._unwrap = [], []

    def _exits(self, code: object = None) -> None:
        if threading.current_thread() is threading.main_thread():  # elsewhere only the thread ends
            self.exit = of_exit(code)

    def _quits(self, _quitter: object, code: object = None) -> None:
        self._exits(code)


_watch = _Watch()


def opened(run: Run, close: Close) -> None:
    """Watch a run: `close` is called with its outcome if no other code ends it."""
    if not _watch.open:
        _watch.begin()
    _watch.open[run.uid] = (run, close)


def closed(run: Run) -> None:
    """This run has ended."""
    if _watch.open.pop(run.uid, None) is not None and not _watch.open:
        _watch.end()


def _observe(owner: object, name: str, seen: Callable[..., None]) -> Callable[[], None]:
    """Let `seen` know of each call; the way back."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def observed(*args: object, **kwargs: object) -> object:
        seen(*args, **kwargs)
        return original(*args, **kwargs)

    def unwrap() -> None:
        if getattr(owner, name) is observed:
            setattr(owner, name, original)

    setattr(owner, name, observed)
    return unwrap


def _abort(number: int, _frame: FrameType | None) -> None:
    """Close the runs of this process as aborted, then let the signal do what it does by default."""
    # In another thread: the interrupted code may be in the midst of a transaction, and would wait
    # for itself for ever.
    reason = f"ended by {signal.Signals(number).name}"
    closing = threading.Thread(
        target=_close_all, args=(Outcome(RunStatus.ABORTED, reason),), daemon=True
    )
    closing.start()
    closing.join(_PATIENCE)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return


def _close_all(how: Outcome) -> None:
    # Innermost first. A forked child ends only what it began itself.
    for run, close in reversed(
        [entry for entry in _watch.open.values() if entry[0].pid == os.getpid()]
    ):
        try:
            close(how)
        except Exception as problem:  # the process is on its way out: say it, and let it go
            logger.warning("the run %s could not be closed: %s", run.uid, problem)


@functools.cache
def _watch_r() -> None:
    """Once in a process: R cannot be asked to forget it."""
    watch_end_of_r(_close_at_end_of_r)


def _close_at_end_of_r(code: int, message: str) -> None:
    _close_all(Outcome(RunStatus.FAILED, message) if message else of_exit(code))


@atexit.register
def _close_at_exit() -> None:
    if not _watch.open:
        return
    how = _outcome_of_process()
    _close_all(how)
    if isinstance(how.error, KeyboardInterrupt):
        # CPython notes that Ctrl-C ended the script, to end by the signal itself, and forgets it
        # when text is executed, as libraries do while they write to the database. Text that ends in
        # the same way makes it note that again.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102


def main_frame() -> FrameType | None:
    """The frame of the script itself, if it is what runs here."""
    frame: FrameType | None = sys._getframe()
    space = vars(sys.modules["__main__"]) if "__main__" in sys.modules else None
    while frame is not None and not (
        frame.f_globals is space and frame.f_code.co_name == "<module>"
    ):
        frame = frame.f_back
    return frame


_main: FrameType | None = None


def remember_main() -> None:
    """Store the frame of the script: it shows later how the script ended."""
    global _main
    _main = main_frame()


def _outcome_of_process() -> Outcome:
    if "ipykernel" in sys.modules:
        return _outcome_of_last_cell()
    if _main is None or hasattr(sys, "ps1"):  # a prompt outlives its errors
        return Outcome(RunStatus.COMPLETED)
    if dis.opname[_main.f_code.co_code[_main.f_lasti]].startswith("RETURN"):
        return Outcome(RunStatus.COMPLETED)
    # Of all exceptions that end a script, SystemExit alone leaves no trace.
    error: BaseException | None = getattr(sys, "last_value", None)
    return (
        outcome(error) if error is not None else _watch.exit or Outcome(RunStatus.FAILED, _UNSEEN)
    )


def _outcome_of_last_cell() -> Outcome:
    shell = sys.modules["IPython"].get_ipython()
    result = getattr(shell, "last_execution_result", None)
    return outcome(
        getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)
    )
