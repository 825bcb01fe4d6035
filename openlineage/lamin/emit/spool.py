"""Events on disk until their receiver has them: segments of NDJSON, written by one process, drained by one at a time.

A segment is locked while it is written, and again while it is drained. The lock dies with its
holder, so what a killed process leaves behind is free for the next one, and no segment is sent by
two at once. Where a segment is for is part of its name (`TIME-PID-RANDOM.KEY.ndjson`), so names in
order are segments in order.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lamin_core.errors import LaminError, MalformedEvent
from lamin_core.runtime import set_aside
from lamin_core.runtime.paths import FOLDER
from lamin_core.runtime.sharing import file_mode, make_folder
from lamin_core.runtime.waiting_folders import note_folder
from openlineage.lamin.emit.sinks import Destination, PermanentRejection

SUFFIX = ".ndjson"
SEGMENT_BYTES = 4 << 20
LIMIT_BYTES = 512 << 20
BATCH_EVENTS, BATCH_BYTES = 500, 1 << 20
_DROPPED = "dropped.log"
_FORWARDED = "to-"
_LOOK_AGAIN = 1.0
_TORN = "torn by a process that was killed, or a disk that was full"
_MAX_REASON = 500


class SpoolFull(LaminError):
    """The spool holds as much as it may."""


def key_of(destination: Destination) -> str:
    """The short name of a destination in the names of its segments; says nothing of keys and passwords in it.

    >>> from openlineage.lamin.emit.sinks import MemorySink
    >>> key_of(Destination("http://127.0.0.1:4747/api/v1/lineage", MemorySink))
    'ad8030a2'
    """
    name = f"{destination.name}{'' if destination.origin is None else f' {destination.origin}'}"
    short = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"{_FORWARDED}{short}" if destination.is_forwarded else short


def is_forwarded(segment: Path) -> bool:
    """Whether what waits in it is for another backend.

    >>> is_forwarded(Path("00000000000000000001-7-abcdef.to-c31aa8af.ndjson"))
    True
    """
    return segment.name.removesuffix(SUFFIX).rpartition(".")[2].startswith(_FORWARDED)


class Spool:
    """The spool of this process for one destination; no file is created before the first event.

    An event that `append` took survives the death of this process. Safe for many threads, and after
    a fork.
    """

    def __init__(
        self, folder: Path, key: str, limit: int = LIMIT_BYTES, origin: str | None = None
    ) -> None:
        self.folder = folder
        self.key = key
        self.limit = limit
        self.origin = origin
        self.sealed: set[Path] = set()
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._descriptor = -1
        self._size = 0
        self._others, self._looked = 0, -_LOOK_AGAIN

    def append(self, lines: Sequence[bytes]) -> None:
        """Write these lines, all or none. Raises `SpoolFull`, or `OSError` when the disk does not take them."""
        if self._pid != os.getpid():
            self._leave_to_parent()
        text = b"".join(line + b"\n" for line in lines)
        with self._lock:
            if self._path is not None and self._is_done(len(text)):
                self._seal()
            self._make_room(len(text))
            if self._path is None:
                self._open()
            self._write(text)

    def _leave_to_parent(self) -> None:
        """After a fork: the segment is our parent's. Closing our copy does not unlock it."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
        self.sealed = set()
        self._forget()

    def _is_done(self, more: int) -> bool:
        """The errors of a folder that is full, or that was removed."""
        full = self._size and self._size + more > min(SEGMENT_BYTES, self.limit)
        return bool(full) or os.fstat(self._descriptor).st_nlink == 0

    def _make_room(self, size: int) -> None:
        """The others' segments are measured now and then: a write must not cost a listing."""
        self._look(_LOOK_AGAIN)
        if self._others + self._size + size > self.limit:
            self._look(_LOOK_AGAIN / 20)
        if self._others + self._size + size > self.limit:
            raise SpoolFull(
                f"{self.folder} holds {(self._others + self._size) / (1 << 20):.1f} MB",
                hint="start the receiver, run `lamin events replay`, or raise LAMIN_SPOOL_LIMIT",
            )

    def _look(self, after: float) -> None:
        if time.monotonic() - self._looked > after:
            self._others = folder_size(self.folder) - self._size
            self._looked = time.monotonic()

    def _open(self) -> None:
        mode = _make_folder(self.folder)
        if self.origin is not None:
            note_folder(self.folder, self.key, self.origin)
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(3)}.{self.key}{SUFFIX}"
        hidden = (
            self.folder / f"{name}.new"
        )  # until it is locked: an empty one that nobody holds would be drained away
        descriptor = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(descriptor, mode)
            with suppress(
                OSError
            ):  # a file system without locks: then only a replay that names the file takes it
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(hidden, self.folder / name)
        except OSError:
            os.close(descriptor)
            raise
        self._path, self._descriptor, self._size = self.folder / name, descriptor, 0

    def _write(self, text: bytes) -> None:
        written = 0
        try:
            written = os.write(self._descriptor, text)
            if written != len(text):
                raise OSError(f"{self.folder}: only a part could be written; is the disk full?")
        except OSError:
            if written:
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(text)

    def seal(self) -> None:
        """Let go of the segment, so that it can be drained; the next event begins another."""
        if self._pid != os.getpid():
            return
        with self._lock:
            if self._path is not None:
                self._seal()

    def _seal(self) -> None:
        assert self._path is not None
        os.close(self._descriptor)
        self.sealed.add(self._path)
        self._others += self._size
        self._path, self._descriptor, self._size = None, -1, 0

    def close(self) -> None:
        """Let go, and remove the folder if nothing is in it."""
        self.seal()
        with suppress(OSError):
            self.folder.rmdir()


def _make_folder(folder: Path) -> int:
    """Make the folder of a spool; the mode of files in it: private, but in an instance that is shared as it is."""
    if folder.parent.name != FOLDER:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return 0o600
    make_folder(folder, folder.parent)
    return file_mode(folder.parent)


def segments(folder: Path, key: str | None = None) -> list[Path]:
    """The segments for this destination, or of all, the oldest first."""
    return sorted(folder.glob(f"*{'' if key is None else f'.{key}'}{SUFFIX}"))


def folder_size(folder: Path) -> int:
    """Bytes of everything in the spool."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


@dataclass(slots=True)
class Drained:
    """The result of a delivery: the numbers of sent events, rejected events, and incomplete lines set aside.

    `offset` is how many bytes of the segment `unfinished` were taken, so that a second attempt goes
    on from there.
    """

    sent: int = 0
    refused: list[str] = field(default_factory=list)
    torn: int = 0
    unfinished: Path | None = None
    offset: int = 0


Deliver = Callable[[Sequence[bytes]], None]


def drain(path: Path, deliver: Deliver, done: Drained, batch_size: int = BATCH_EVENTS) -> bool:
    """Pass this segment to `deliver` in batches, in order, and remove it; False if another process has it.

    What `deliver` raises ends it, and the segment stays. Only `PermanentRejection` and
    `MalformedEvent` concern single events: those are put aside, in a file beside the segment, and
    so is a last line that was torn.
    """
    with _claimed(path) as descriptor:
        if descriptor is not None:
            _drain(path, descriptor, deliver, done, batch_size)
        return descriptor is not None


@contextmanager
def _claimed(path: Path) -> Iterator[int | None]:
    """The segment, opened and locked; None if another process has locked or just removed it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        yield None
        return
    try:
        yield descriptor if _locked(descriptor) and os.fstat(descriptor).st_nlink else None
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Whether no process has locked the segment, including the Nextflow plugin (Java uses POSIX locks)."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _drain(path: Path, descriptor: int, deliver: Deliver, done: Drained, batch_size: int) -> None:
    if done.unfinished != path:
        done.unfinished, done.offset = path, 0
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(done.offset)
        for batch in batches(file, batch_size):
            torn = [] if batch[-1].endswith(b"\n") else [batch.pop()]
            _deliver(path, [line.rstrip(b"\n") for line in batch if line.strip()], deliver, done)
            if torn:
                done.torn += 1
                _put_aside(path, torn, [_TORN])
            done.offset += sum(map(len, batch + torn))
    path.unlink(missing_ok=True)


def batches(lines: Iterable[bytes], batch_size: int = BATCH_EVENTS) -> Iterator[list[bytes]]:
    """The lines in lists that a receiver takes at once."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) >= batch_size or size + len(line) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield batch


def _deliver(path: Path, lines: list[bytes], deliver: Deliver, done: Drained) -> None:
    if not lines:
        return
    try:
        deliver(lines)
    except MalformedEvent as error:
        if len(lines) > 1:
            for line in lines:
                _deliver(path, [line], deliver, done)
            return
        _refuse(path, lines, {0: error.message}, done)
    except PermanentRejection as error:
        _refuse(path, lines, error.reasons, done)
    else:
        done.sent += len(lines)


def _refuse(path: Path, lines: list[bytes], reasons: dict[int, str], done: Drained) -> None:
    _put_aside(path, [lines[index] for index in reasons], list(reasons.values()))
    done.refused += reasons.values()
    done.sent += len(lines) - len(reasons)


def aside(path: Path) -> Path:
    """The file for the events of this segment that a receiver has rejected."""
    return path.with_name(path.name.removesuffix(SUFFIX) + set_aside.SUFFIX)


def _opened_here(path: str, flags: int) -> int:
    """Open a file of the spool: private to this user, and not a link, which could redirect writes."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _put_aside(path: Path, lines: Sequence[bytes], reasons: Sequence[str]) -> None:
    notes = []
    for reason in dict.fromkeys(reasons):
        note = {"at": datetime.now(UTC).isoformat(), "reason": reason[:_MAX_REASON]}
        notes.append(json.dumps(note).encode())
    _append_lines(aside(path), lines)
    with suppress(OSError):  # the events are what matters
        _append_lines(set_aside.reasons_file(aside(path)), notes)


def _append_lines(path: Path, lines: Sequence[bytes]) -> None:
    with open(path, "ab", opener=_opened_here) as file:
        file.write(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))


def requeue(folder: Path) -> int:
    """Let the events that were set aside wait again as segments; return how many they are.

    Each goes where it was going when it was refused: the next run that sends to that place delivers
    it, and a replay takes it in. What is refused again is set aside again.
    """
    count = 0
    for file in set_aside.aside_files(folder):
        name = Path(file.path.name.removesuffix(set_aside.SUFFIX))  # TIME-PID-RANDOM.KEY
        # Another name than the segment had: events of it may still be refused, by a process that
        # delivers it now.
        segment = folder / f"{name.stem}-again{secrets.token_hex(3)}{name.suffix}{SUFFIX}"
        try:
            os.rename(file.path, segment)
        except FileNotFoundError:  # by another process
            continue
        count += file.events
        with suppress(OSError):
            set_aside.reasons_file(file.path).unlink()
    return count


def note_dropped(folder: Path, count: int, reason: str) -> None:
    """Write a note about lost events, which `lamin events replay` reports; not possible on a full disk."""
    note = {
        "at": datetime.now(UTC).isoformat(),
        "pid": os.getpid(),
        "dropped": count,
        "reason": reason,
    }
    with suppress(OSError), open(folder / _DROPPED, "a", opener=_opened_here) as file:
        file.write(json.dumps(note) + "\n")


def take_dropped(folder: Path) -> int:
    """Return the number of lost events in the notes of this folder, and remove the notes."""
    total = 0
    with suppress(OSError):
        for line in (folder / _DROPPED).read_bytes().split(b"\n"):
            with suppress(ValueError, KeyError, TypeError):
                total += int(json.loads(line)["dropped"])
        (folder / _DROPPED).unlink()
    return total
