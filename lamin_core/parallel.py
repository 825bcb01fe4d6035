"""Several things at a time, in threads: for what mostly waits for a disk or a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def at_once(do: Callable[[Item], Result], items: Iterable[Item], threads: int = 8) -> list[Result]:
    """The results in order; the first error, or Ctrl-C, leaves undone what has not begun.

    >>> at_once(len, ["a", "bb"])
    [1, 2]
    """
    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(do, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
