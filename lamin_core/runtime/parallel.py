"""Run several calls at once in threads, for work that mostly waits for a disk or a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def at_once(do: Callable[[Item], Result], items: Iterable[Item], threads: int = 8) -> list[Result]:
    """The results in order; the first error, or Ctrl-C, leaves undone what has not begun.

    >>> at_once(len, ["a", "bb"])
    [1, 2]
    """
    inputs = list(items)
    results: list[Any] = [None] * len(inputs)
    indices, is_over = iter(range(len(inputs))), Event()

    def work() -> None:
        for (
            number
        ) in indices:  # each thread takes the next, which costs less than handing each to a thread
            if is_over.is_set():
                return
            try:
                results[number] = do(inputs[number])
            except BaseException:
                is_over.set()
                raise

    with ThreadPoolExecutor(threads) as pool:
        try:
            for thread in [pool.submit(work) for _ in range(min(threads, len(inputs)))]:
                thread.result()
        finally:
            is_over.set()
    return results
