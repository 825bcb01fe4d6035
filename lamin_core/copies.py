"""Copies in storages: there whole or not at all, never changed, and taken up again where a killed process left off.

On a local file system a copy is written beside its place under a name of its own, flushed to the disk, and renamed.
That name follows from the content, and whoever writes holds a lock on it, so that the part a killed process leaves
behind is continued by the next one, and two processes with the same bytes write them once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lamin_core import remote
from lamin_core.contents import Seen
from lamin_core.errors import Conflict, NotFound, Unavailable
from lamin_core.hashing import FILE, FOLDER, Digest, Watch, digest, files_in
from lamin_core.parallel import at_once
from lamin_core.progress import progress
from lamin_core.storage import is_remote

_PIECE = 64 << 20
_NO_RANGES = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


@dataclass(frozen=True, slots=True)
class Copy:
    """A file or folder, as it was seen, and the place in a storage that it is copied to."""

    source: Path
    seen: Seen
    root: str
    key: str


def copy_in(wanted: Sequence[Copy]) -> list[bool]:
    """Make these copies; for each whether it is new, or was there already.

    Raises `Unavailable` when a storage cannot take one, or when a source is not what was seen any more.
    """
    made = at_once(_copy, wanted) if len(wanted) > 1 else [_copy(one) for one in wanted]
    # Once for all: the names of the copies, which only now are sure to be on the disk.
    folders = {os.path.dirname(os.path.join(one.root, one.key)) for one in wanted if not is_remote(one.root)}
    for folder in folders if any(made) else ():
        _sync(folder)
    return made


def _copy(copy: Copy) -> bool:
    source, seen, root, key = copy.source, copy.seen, copy.root, copy.key
    if holds(root, key, seen.digest):
        return False
    if is_remote(root):
        remote.upload(source, _url(root, key), seen.digest.size)
        if not seen.still_holds(source) and digest(source) != seen.digest:
            remove(root, key)
            raise _changed(source)
        return True
    target = os.path.join(root, key)
    try:
        _make_folder(root, os.path.dirname(target))
        _copy_local(source, seen, target)
    except OSError as error:
        is_full = error.errno in remote.FULL
        hint = "free some space; nothing was recorded" if is_full else "check that you may write there"
        raise Unavailable(f"{str(source)!r} cannot be copied to {root!r}: {error.strerror or error}", hint) from error
    return True


def holds(root: str, key: str, content: Digest) -> bool:
    """Whether the storage has bytes at this key, of the size that they should have."""
    if is_remote(root):
        return not content.is_folder and _remote_size(_url(root, key)) == content.size
    try:
        found = os.stat(os.path.join(root, key))
    except OSError:
        return False
    return content.is_folder or found.st_size == content.size


def _remote_size(url: str) -> int | None:
    try:
        return remote.look(url).size
    except NotFound:
        return None


def remove(root: str, key: str) -> None:
    """Remove a copy, or any file or folder in a storage; nothing happens where nothing is."""
    if is_remote(root):
        remote.remove(_url(root, key))
        return
    path = Path(root, key)
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"{str(path)!r} cannot be removed: {error.strerror}", hint="check who may write") from error


@dataclass(frozen=True, slots=True)
class Aside:
    """Bytes on their way out: nobody finds them any more, and they can be put back."""

    place: Path
    here: Path

    def put_back(self) -> None:
        """As if nothing had happened."""
        with suppress(OSError):  # somebody has put the same bytes there meanwhile
            self.here.rename(self.place)

    def remove(self) -> None:
        """For good; what cannot be removed is an orphan of `lamin fsck`."""
        _discard(self.here)


def set_aside(root: str, key: str) -> list[Aside]:
    """Take a copy, or any file or folder in a storage, out of its place, at once however large it is.

    What lies in a bucket is removed right away. Empty where nothing is left to be done.
    """
    if is_remote(root):
        remove(root, key)
        return []
    path = Path(root, key)
    aside = Aside(path, path.with_name(f".{secrets.token_hex(8)}.part"))
    try:
        path.rename(aside.here)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unavailable(f"{str(path)!r} cannot be removed: {error.strerror}", hint="check who may write") from error
    return [aside]


def bring(url: str, target: Path, content: Digest | None) -> Path:
    """Bring a remote file or folder here, whole or not at all; kept if it is here already.

    Raises `Conflict` when the storage gives other bytes than those recorded.
    """
    if _is_whole(target, content):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = beside(target)
    try:
        check_tag(url, content)
        remote.fetch(url, aside, None if content is None else content.size)
        if content is not None and content.hash_type in (FILE, FOLDER) and digest(aside) != content:
            raise Conflict(f"{url!r} does not hold the bytes that were saved there", hint="lamin fsck --deep")
        if not _is_whole(target, content):  # another process may have brought it meanwhile, and be reading it
            _rename(aside, target)
    except OSError as error:
        raise Unavailable(
            f"{url!r} cannot be kept at {str(target)!r}: {error.strerror}",
            hint="free some space, or choose another folder: lamin settings set --user cache_dir FOLDER",
        ) from error
    finally:
        _discard(aside)
    return target


def beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else writes to."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _is_whole(here: Path, content: Digest | None) -> bool:
    """Whether it was brought here before, and nobody has cut it short since."""
    if not here.exists():
        return False
    return content is None or content.hash_type != FILE or here.stat().st_size == content.size


def check_tag(url: str, content: Digest | None) -> None:
    """Raise `Conflict` where an object registered in place was written over: it is not this version any more."""
    if content is None or content.hash_type not in (remote.TAG, remote.TAGS):
        return
    if remote.look(url).content != content:
        raise Conflict(f"{url!r} has changed since it was registered", hint="save it again as a new version")


def _url(root: str, key: str) -> str:
    return f"{root.rstrip('/')}/{key}"


def _changed(source: Path) -> Unavailable:
    return Unavailable(f"{str(source)!r} changed while it was copied", hint="save it again when it is complete")


def _make_folder(root: str, folder: str) -> None:
    if os.path.isdir(folder):
        return
    if not os.path.isdir(root):  # not made anew: what is mounted there comes back
        raise Unavailable(f"the storage {root!r} is gone", hint="is it mounted? or `lamin init` with another one")
    os.makedirs(folder, exist_ok=True)


def _copy_local(source: Path, seen: Seen, target: str) -> None:
    folder, name = os.path.split(target)
    part = os.path.join(folder, f".{name}.part")
    with _alone(part, is_folder=seen.digest.is_folder) as was_there:
        if holds(folder, name, seen.digest):
            _discard(part)
            return  # whoever held the lock has put it there
        try:
            with progress(f"copying {source.name}", seen.digest.size) as watch:
                _fill(str(source), part, watch)
            if (was_there or not seen.still_holds(source)) and digest(Path(part)) != seen.digest:
                raise _changed(source)
            _rename(part, target)
        except BaseException:
            _discard(part)
            raise


@contextmanager
def _alone(part: str, *, is_folder: bool) -> Iterator[bool]:
    """Hold the lock on the part of a copy, made if it is not there; gives whether a killed process has left it."""
    while True:
        was_there = os.path.exists(part)
        if is_folder:
            os.makedirs(part, exist_ok=True)
        try:
            lock = os.open(part, os.O_RDONLY | (0 if is_folder else os.O_CREAT), 0o666)
        except FileNotFoundError:  # discarded by another process, just now
            continue
        try:
            with suppress(OSError):  # some network file systems have no locks: then both write the same bytes
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_at(lock, part):  # it became the copy, or was discarded, while this process waited
                continue
            yield was_there
            return
        finally:
            os.close(lock)


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _fill(source: str, part: str, watch: Watch | None) -> None:
    if not os.path.isdir(source):
        _fill_file(source, part, watch)
        return
    files = list(files_in(source))
    for folder in {os.path.dirname(os.path.join(part, name)) for name, _ in files}:
        os.makedirs(folder, exist_ok=True)
    # At once, so that what waits for the disk waits together.
    at_once(lambda file: _fill_file(file[1], os.path.join(part, file[0]), watch), files)
    for folder, _, _ in os.walk(part):
        _sync(folder)


def _fill_file(source: str, part: str, watch: Watch | None) -> None:
    """Copy what is not there yet, have it on the disk, and let nobody change it by accident."""
    with _opened(source, os.O_RDONLY) as reading:
        size, done = os.fstat(reading).st_size, _size(part)
        with _opened(part, os.O_RDONLY if 0 < done == size else os.O_RDWR | os.O_CREAT) as writing:
            if done > size:
                os.ftruncate(writing, done := 0)
            while done < size and (moved := _move(reading, writing, done, size)):
                done += moved
                if watch is not None:
                    watch(moved)
            os.fsync(writing)
            os.fchmod(writing, os.fstat(writing).st_mode & 0o555)


def _size(part: str) -> int:
    try:
        return os.stat(part).st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _move(reading: int, writing: int, offset: int, size: int) -> int:
    """Copy one piece; inside the kernel, and by sharing blocks, where both file systems can. 0 where there is none."""
    try:
        return os.copy_file_range(reading, writing, min(_PIECE, size - offset), offset, offset)
    except OSError as error:
        if error.errno not in _NO_RANGES:
            raise
    piece = os.pread(reading, 4 << 20, offset)
    return os.pwrite(writing, piece, offset) if piece else 0


def _sync(folder: str) -> None:
    """Have the names in this folder on the disk."""
    with _opened(folder, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def _rename(source: str | Path, target: str | Path) -> None:
    if os.path.isdir(target):  # of another kind or size than it should be: not what was saved there
        shutil.rmtree(target)
    os.replace(source, target)


def _discard(path: str | Path) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(FileNotFoundError):
        os.unlink(path)
