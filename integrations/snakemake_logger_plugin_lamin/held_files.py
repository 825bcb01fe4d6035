"""Files that are about to be removed, kept readable until they are hashed: within a budget of the disk."""

from __future__ import annotations

import os
from dataclasses import replace
from threading import BoundedSemaphore, Lock

from lamin_snakemake.facts import File

HELD = 64
"""How many files are open at most: a small part of what a process may open."""
HELD_BYTES = 1 << 30
"""Bytes of removed files that stay on the disk at most, since they are open: in total."""


class Budget:
    """Bytes that may still stay on the disk."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = Lock()

    def take(self, size: int) -> bool:
        """Take so many; whether there were as many left."""
        with self._lock:
            is_enough = size <= self._left
            self._left -= size if is_enough else 0
        return is_enough

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += size


_free_descriptors = BoundedSemaphore(HELD)
budget = Budget(HELD_BYTES)


def hold(file: File) -> File:
    """The file kept readable although it will be removed: an open descriptor outlives the name.

    As it is where that would open too many files, or keep too many bytes on the disk.
    """
    if file.stamp is None or file.stamp.is_folder or not budget.take(file.stamp.size):
        return file
    if not _free_descriptors.acquire(blocking=False):
        budget.give_back(file.stamp.size)
        return file
    try:
        return replace(file, descriptor=os.open(file.path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        _free_descriptors.release()
        budget.give_back(file.stamp.size)
        return file


def release(file: File) -> None:
    """Let go of a held file."""
    if file.descriptor is not None and file.stamp is not None:
        os.close(file.descriptor)
        _free_descriptors.release()
        budget.give_back(file.stamp.size)
