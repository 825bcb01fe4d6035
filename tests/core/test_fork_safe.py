"""Locks in forked processes."""

from __future__ import annotations

import os
import signal
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

    holder = threading.Thread(target=hold)
    holder.start()
    is_acquired.wait(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12: fork with threads
        child = os.fork()
    if child == 0:  # pragma: no cover - another process
        signal.alarm(30)  # ends it where it would wait for ever
        with lock, cache._lock:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    release.set()
    holder.join()
    assert os.waitstatus_to_exitcode(status) == 0
