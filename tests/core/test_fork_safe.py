"""Locks in forked processes."""

from __future__ import annotations

import multiprocessing
import threading
import warnings

from lamin_core.runtime.fork_safe import ForkSafeLock
from lamin_core.storage.digest_cache import DigestCache


def test_lock_held_by_another_thread_is_free_in_a_forked_process() -> None:
    lock, cache = ForkSafeLock(), DigestCache()
    is_acquired, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock, cache._lock:
            is_acquired.set()
            release.wait(60)

    def use() -> None:
        with lock, cache._lock:
            pass

    holder = threading.Thread(target=hold)
    holder.start()
    is_acquired.wait(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12: fork with threads
        child = multiprocessing.get_context("fork").Process(target=use)
        child.start()
    child.join(30)
    exit_code = child.exitcode
    child.kill()
    release.set()
    holder.join()
    assert exit_code == 0
