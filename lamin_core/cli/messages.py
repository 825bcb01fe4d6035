"""Log messages of libraries while a command runs: one printable line each, on standard error."""

from __future__ import annotations

import contextlib
import logging
import traceback
import warnings
from collections.abc import Iterator

from lamin_core.cli.output import echo
from lamin_core.runtime.printable import printable, printable_lines

logger = logging.getLogger("lamin")


class Messages(logging.Handler):
    """Prints the records of the logger `lamin`: a line each; with `show_tracebacks` also where an error arose."""

    def __init__(self) -> None:
        super().__init__()
        self.show_tracebacks = False
        self.is_quiet = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record of a logger."""
        if self.is_quiet and not self.show_tracebacks:
            return
        errors = _errors_of(record)
        text = record.getMessage()
        # What the message does not name itself: the text of a bare `logger.exception`.
        if record.exc_info and errors:
            text = f"{text}: {type(errors[-1]).__name__}: {errors[-1]}"
        echo(printable(text), err=True)
        if self.show_tracebacks:
            for error in errors:
                echo(*traceback.format_exception(error), err=True)


def _errors_of(record: logging.LogRecord) -> list[BaseException]:
    arguments = record.args if isinstance(record.args, tuple) else ()
    errors = [argument for argument in arguments if isinstance(argument, BaseException)]
    raised = record.exc_info[1] if record.exc_info else None
    return errors if raised is None or raised in errors else [*errors, raised]


_handler = Messages()


def show_tracebacks(shown: bool) -> None:
    """Print also where an error arose, as `--debug` asks for."""
    _handler.show_tracebacks = shown


@contextlib.contextmanager
def printed() -> Iterator[None]:
    """Print messages and warnings of libraries as lines from here on."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda *args, **kwargs: printable_lines(before(*args, **kwargs))
    logger.addHandler(_handler)
    try:
        yield
    finally:
        logger.removeHandler(_handler)
        _handler.show_tracebacks = False
        warnings.formatwarning = before


@contextlib.contextmanager
def reported_by_command() -> Iterator[None]:
    """Print no messages of the logger: the command says the same itself. With `--debug` they are still printed."""
    _handler.is_quiet = True
    try:
        yield
    finally:
        _handler.is_quiet = False
