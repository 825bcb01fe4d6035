"""Errors in an adapter become warnings, and never stop a user's job."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

logger = logging.getLogger("lamin")
P = ParamSpec("P")
R = TypeVar("R")


def is_strict() -> bool:
    """Return whether errors of lineage are raised: with `LAMIN_STRICT=1`, as in tests."""
    return os.environ.get("LAMIN_STRICT") == "1"


class Guard:
    """Warnings in place of errors; as a decorator, for a function whose errors end there.

    Args:
        message: What the warning begins with; the error follows.
        once: Warn of the first error alone, and not of each error that has another text.

    >>> guard = Guard("lineage is incomplete")
    >>> @guard
    ... def record() -> int: return 1
    >>> record()
    1
    """

    def __init__(self, message: str, *, once: bool = False) -> None:
        self._message = message
        self._once = once
        self._texts: set[str] = set()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R | None]:
        """Wrap the function: it returns None where it failed. Raises its errors with `LAMIN_STRICT=1`."""

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                self.handle(error)
                return None

        return guarded

    def handle(self, error: Exception) -> None:
        """Warn of the error, once; raises it with `LAMIN_STRICT=1`."""
        if is_strict():
            raise error
        self.warn(error)

    def warn(self, error: Exception) -> None:
        """Warn of the error, once."""
        text = f"{type(error).__name__}: {error}"
        if text in self._texts or (self._once and self._texts):
            return
        self._texts.add(text)
        logger.warning("%s: %s", self._message, text)
