"""Whether files are read by any program, as reported by the kernel (inotify(7)). Linux only."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress

_ACCESS, _CLOSE_NOWRITE, _ONESHOT = 0x1, 0x10, 0x80000000
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_EVENT = struct.Struct("iIII")
"""Watch descriptor, mask, cookie, length of the name that follows."""


class ReadWatch:
    """Notices which of some files are read from now on; those that are only written are not among them.

    A file is forgotten with its first event, so that the queue of the kernel cannot overflow. Where
    the kernel has no inotify, or no watch to give, nothing is noticed.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths: dict[int, set[str]] = {}
        self._descriptor = -1
        with suppress(OSError, AttributeError):
            self._open(paths)

    def _open(self, paths: Iterable[str]) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(_NONBLOCK_CLOEXEC)
        for path in paths if self._descriptor >= 0 else ():
            mask = _ACCESS | _CLOSE_NOWRITE | _ONESHOT
            watch = library.inotify_add_watch(
                self._descriptor, os.fsencode(path), ctypes.c_uint32(mask)
            )
            if watch >= 0:
                self._paths.setdefault(watch, set()).add(path)

    def close(self) -> set[str]:
        """The files that were read until now; ends the watch."""
        if self._descriptor < 0:
            return set()
        read = set()
        with suppress(BlockingIOError):
            while data := os.read(self._descriptor, 1 << 16):
                read |= self._named_in(data)
        os.close(self._descriptor)
        self._descriptor = -1
        return read

    def _named_in(self, data: bytes) -> set[str]:
        paths, offset = set(), 0
        while offset < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, offset)
            if mask & (_ACCESS | _CLOSE_NOWRITE):
                paths |= self._paths.get(watch, set())
            offset += _EVENT.size + length
        return paths
