"""Identify a process of this machine, and find out whether it still runs.

A process id alone does not: it is given again after a while. What the kernel says beside it does,
where there is a `/proc`; elsewhere the id has to do.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process: host, id, and its birth: machine, boot, namespace of the id and clock tick of the start."""

    host: str
    pid: int
    birth: str | None

    def is_gone(self) -> bool:
        """Whether it has certainly ended; what cannot be seen from here is taken to be at work.

        >>> current().is_gone()
        False
        """
        if self.host != host():
            return False
        if self.birth is None:
            return not _exists(self.pid)
        *origin, _ = self.birth.split("/")
        here = _origin()
        if (
            origin != here
        ):  # a machine that was started anew runs nothing of what it ran; of another one who knows
            return bool(here[0]) and origin[0] == here[0] and origin[1] != here[1]
        return born(self.pid) != self.birth


def current() -> Process:
    """The process that asks."""
    return of(os.getpid())


@cache
def of(pid: int) -> Process:
    """The process with this id, now."""
    return Process(host(), pid, born(pid))


os.register_at_fork(after_in_child=of.cache_clear)


@cache
def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def born(pid: int) -> str | None:
    """The host and the start time of the process with this id; None if there is none or it is unknown."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":  # a zombie is dead, only not yet reaped by its parent
        return None
    return "/".join((*_origin(), fields[19]))


def ancestors(pid: int) -> Iterator[int]:
    """The ids of its parent, the parent of that, and so on."""
    while (fields := _stat(pid)) is not None and (pid := int(fields[1])) > 0:
        yield pid


def command_line(pid: int) -> list[str]:
    """The arguments with which the process was started; empty if they cannot be read."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_text("utf-8", "surrogateescape")
            .rstrip("\0")
            .split("\0")
        )
    except OSError:
        return []


def _stat(pid: int) -> list[str] | None:
    """The fields of `/proc/PID/stat` from the third on: the second, the name, may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    return text.rpartition(") ")[2].split()


@cache
def _origin() -> list[str]:
    """Machine, boot and namespace of process ids; that of the machine is not for everybody to know."""
    machine = _read("/etc/machine-id")
    known_as = machine and hashlib.sha256(f"lamin {machine}".encode()).hexdigest()[:16]
    return [known_as, _read("/proc/sys/kernel/random/boot_id"), _namespace()]


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
