"""Copies in storages: written whole or not at all, never changed, and resumed where a killed process stopped.

On a local file system a copy is written beside its place under a name of its own, flushed to the
disk, and renamed. That name follows from the content and the user, and whoever writes holds a lock
on it, so that the part a killed process leaves behind is continued by the next one, and two
processes with the same bytes write them once. What lies there and is no file or folder that this
user alone may write to is replaced, never written through.

A copy is no wider than its source: of the permissions of a file only those to read are kept, less
the umask.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lamin_core.errors import Conflict, NotFound, Unavailable
from lamin_core.runtime.parallel import at_once
from lamin_core.runtime.progress import Watch, progress
from lamin_core.storage import object_store
from lamin_core.storage.digest_cache import DigestCache, StatDigest
from lamin_core.storage.hashing import FILE, FOLDER, Digest, digest, files_in
from lamin_core.storage.locations import is_remote
from lamin_core.storage.rooted_paths import own_location

_PIECE = 64 << 20
_NO_RANGES = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


@dataclass(frozen=True, slots=True)
class Copy:
    """A file or folder, as it was seen, and the place in a storage that it is copied to."""

    source: Path
    seen: StatDigest
    root: str
    key: str


def copy_in(copies: Sequence[Copy]) -> list[bool]:
    """Make these copies; for each whether it is new, or was there already.

    Raises `Unavailable` when a storage cannot take one, or when a source is not what was seen any
    more.
    """
    created = at_once(_copy, copies) if len(copies) > 1 else [_copy(copy) for copy in copies]
    # Once for all: the names of the copies, which only now are sure to be on the disk.
    folders = {
        os.path.dirname(os.path.join(copy.root, copy.key))
        for copy in copies
        if not is_remote(copy.root)
    }
    for folder in folders if any(created) else ():
        _sync(folder)
    return created


def _copy(copy: Copy) -> bool:
    source, seen, root, key = copy.source, copy.seen, copy.root, copy.key
    target = own_location(root, key)
    if holds(root, key, seen.digest):
        if not is_remote(root):
            _widen(str(source), target)
        return False
    if is_remote(root):
        object_store.upload(source, target, seen.digest.size)
        if not seen.still_holds(source) and digest(source) != seen.digest:
            remove(root, key)
            raise _changed(source)
        return True
    try:
        _make_folder(root, os.path.dirname(target))
        _copy_local(source, seen, target)
    except OSError as error:
        is_full = error.errno in object_store.FULL
        hint = (
            "free some space; nothing was recorded" if is_full else "check that you may write there"
        )
        raise Unavailable(
            f"{str(source)!r} cannot be copied to {root!r}: {error.strerror or error}", hint
        ) from error
    return True


def holds(root: str, key: str, content: Digest) -> bool:
    """Whether the storage has bytes at this key, of the size that they should have, and this user may read them."""
    path = own_location(root, key)
    if is_remote(root):
        return not content.is_folder and _remote_size(path) == content.size
    try:
        stat_result = os.lstat(path)
    except OSError:
        return False
    if content.is_folder:
        return stat.S_ISDIR(stat_result.st_mode) and os.access(path, os.R_OK | os.X_OK)
    return (
        stat.S_ISREG(stat_result.st_mode)
        and stat_result.st_size == content.size
        and os.access(path, os.R_OK)
    )


def _remote_size(url: str) -> int | None:
    try:
        return object_store.look(url).size
    except NotFound:
        return None


def remove(root: str, key: str) -> None:
    """Remove a copy, or any file or folder in a storage; nothing happens where nothing is.

    Raises `Conflict` for what does not lie below the root, and `Unavailable`.
    """
    if is_remote(root):
        object_store.remove(own_location(root, key))
        return
    path = Path(own_location(root, key))
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(
            f"{str(path)!r} cannot be removed: {error.strerror}", hint="check who may write"
        ) from error


@dataclass(frozen=True, slots=True)
class Aside:
    """Bytes that are being deleted: they have another name, and can be restored."""

    original: Path
    here: Path

    def put_back(self) -> None:
        """Undo the removal."""
        with suppress(OSError):  # another process has written the same bytes meanwhile
            self.here.rename(self.original)

    def remove(self) -> None:
        """Remove the bytes for good; `lamin fsck` reports as orphans those that cannot be removed."""
        _discard(self.here)


def set_aside(root: str, key: str) -> list[Aside]:
    """Take a copy, or any file or folder in a storage, out of its place, at once however large it is.

    What lies in a bucket is removed right away. Empty where nothing is left to be done. Raises
    `Conflict` for what does not lie below the root, and `Unavailable`.
    """
    if is_remote(root):
        remove(root, key)
        return []
    path = Path(own_location(root, key))
    aside = Aside(path, path.with_name(f".{secrets.token_hex(8)}.part"))
    try:
        path.rename(aside.here)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unavailable(
            f"{str(path)!r} cannot be removed: {error.strerror}", hint="check who may write"
        ) from error
    return [aside]


def bring(
    url: str, target: Path, content: Digest | None, contents: DigestCache | None = None
) -> Path:
    """Download a remote file or folder, completely or not at all; an unchanged earlier download is used again.

    `contents` remembers digests, so that what is here already need not be read again. Raises
    `Conflict` when the storage gives other bytes than those recorded.
    """
    contents = DigestCache() if contents is None else contents
    if _is_whole(target, content, contents):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # A folder that only this user may look into, so that nobody plants a link to write through.
    aside = Path(
        tempfile.mkdtemp(prefix=f".{target.name[:100]}.", suffix=".part", dir=target.parent)
    )
    fetched = aside / target.name
    try:
        check_tag(url, content)
        object_store.fetch(url, fetched, None if content is None else content.size)
        if (
            content is not None
            and content.hash_type in (FILE, FOLDER)
            and digest(fetched) != content
        ):
            raise Conflict(
                f"{url!r} does not hold the bytes that were saved there", hint="lamin fsck --deep"
            )
        # Another process may have brought it meanwhile, and be reading it.
        if not _is_whole(target, content, contents):
            _rename(fetched, target)
    except OSError as error:
        raise Unavailable(
            f"{url!r} cannot be kept at {str(target)!r}: {error.strerror}",
            hint="free some space, or choose another folder: lamin settings set --user cache_dir FOLDER",
        ) from error
    finally:
        _discard(aside)
    return target


def beside(path: Path) -> Path:
    """A hidden name in the same folder, which no other process uses."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _is_whole(here: Path, content: Digest | None, contents: DigestCache) -> bool:
    """Whether it was downloaded before, and has not changed since."""
    if here.is_symlink() or not here.exists():
        return False
    if content is None or content.hash_type not in (FILE, FOLDER):
        return True
    if not content.is_folder and here.stat().st_size != content.size:
        return False
    return contents.at(here).digest == content


def check_tag(url: str, content: Digest | None) -> None:
    """Raise `Conflict` where an object registered in place was written over: it is not this version any more."""
    if content is None or content.hash_type not in (object_store.TAG, object_store.TAGS):
        return
    if object_store.look(url).content != content:
        raise Conflict(
            f"{url!r} has changed since it was registered", hint="save it again as a new version"
        )


def _changed(source: Path) -> Unavailable:
    return Unavailable(
        f"{str(source)!r} changed while it was copied", hint="save it again when it is complete"
    )


def _make_folder(root: str, folder: str) -> None:
    if os.path.isdir(folder):
        return
    if not os.path.isdir(root):  # do not create it: it may be a mount point
        raise Unavailable(
            f"the storage {root!r} is gone",
            hint=f"mount it; if it was moved: lamin storage move {shlex.quote(root)} NEW",
        )
    os.makedirs(folder, exist_ok=True)


def _copy_local(source: Path, seen: StatDigest, target: str) -> None:
    folder, name = os.path.split(target)
    part = os.path.join(folder, f".{name}.{os.geteuid()}.part")
    with _alone(part, is_folder=seen.digest.is_folder) as was_there:
        if holds(folder, name, seen.digest):
            _discard(part)
            return  # the process that had the lock has written it
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
        descriptor, was_there = _open_part(part, is_folder=is_folder)
        try:
            with suppress(
                OSError
            ):  # some network file systems have no locks: then both write the same bytes
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_at(
                descriptor, part
            ):  # it became the copy, or was discarded, while this process waited
                continue
            yield was_there
            return
        finally:
            os.close(descriptor)


_NEW = os.O_CREAT | os.O_EXCL
"""Where something is already, a link above all, it is neither opened nor followed."""


def _open_part(part: str, *, is_folder: bool) -> tuple[int, bool]:
    """Open the part of a copy; return whether it existed. A file that is not private to this user is replaced."""
    while True:
        try:
            if not is_folder:
                return os.open(part, os.O_RDONLY | os.O_NOFOLLOW | _NEW, 0o600), False
            os.mkdir(part, 0o700)
            return os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY), False
        except FileExistsError:
            pass
        except FileNotFoundError:
            if not os.path.isdir(os.path.dirname(part)):
                raise
            continue  # another process has just removed it
        try:
            descriptor = _open_own(part, is_folder=is_folder)
        except FileNotFoundError:
            continue
        if descriptor is not None:
            return descriptor, True
        _discard(part)
        if os.path.lexists(part):
            raise PermissionError(
                errno.EACCES, f"{part!r} is in the way and belongs to somebody else"
            )


def _open_own(part: str, *, is_folder: bool) -> int | None:
    """The opened file if only this user can have written it; None for anything else, such as a link.

    Raises `FileNotFoundError` if another process has just removed it, or renamed it to the copy: a new part
    of a third process may then be at its path.
    """
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError:
        return None
    stat_result = os.fstat(descriptor)
    if stat_result.st_nlink == 0:
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "removed by another process", part)
    is_kind = stat.S_ISDIR(stat_result.st_mode) if is_folder else stat.S_ISREG(stat_result.st_mode)
    is_single = (
        is_folder or stat_result.st_nlink == 1
    )  # a second name: somebody linked a file of this user here
    is_private = stat_result.st_uid == os.geteuid() and not stat_result.st_mode & 0o022
    if is_kind and is_single and is_private:
        return descriptor
    os.close(descriptor)
    return None


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _fill(source: str, part: str, watch: Watch | None) -> None:
    umask = _umask()
    if not os.path.isdir(source):
        _fill_file(source, part, umask, watch)
        return
    files = list(files_in(source))
    folders = {os.path.dirname(name) for name, _ in files}
    for folder in sorted(folders):
        os.makedirs(os.path.join(part, folder), mode=0o700, exist_ok=True)
    # At once, so that what waits for the disk waits together.
    at_once(lambda file: _fill_file(file[1], os.path.join(part, file[0]), umask, watch), files)
    for folder, _, _ in os.walk(part):
        _narrow_folder(os.path.join(source, os.path.relpath(folder, part)), folder, umask)
        _sync(folder)


def _narrow_folder(source: str, folder: str, umask: int) -> None:
    """Let those look into a folder of a copy who may look into that of the source."""
    mode = stat.S_IMODE(os.stat(source).st_mode) & 0o777
    os.chmod(folder, (mode & ~umask) | 0o700)


def _widen(source: str, target: str) -> None:
    """Let those read a copy that is there already who may read this source of the same bytes."""
    umask = _umask()
    pairs = [(source, target)]
    if os.path.isdir(source):
        pairs += [(path, os.path.join(target, name)) for name, path in files_in(source)]
        folders = {os.path.dirname(name) for name, _ in files_in(source)}
        pairs += [(os.path.join(source, name), os.path.join(target, name)) for name in folders]
    for original, copy in pairs:
        with suppress(OSError), _opened(copy, os.O_RDONLY | os.O_NOFOLLOW) as descriptor:
            before = stat.S_IMODE(os.fstat(descriptor).st_mode)
            reading = 0o555 if os.path.isdir(original) else 0o444
            after = before | (stat.S_IMODE(os.stat(original).st_mode) & reading & ~umask)
            if after != before:
                os.fchmod(descriptor, after)


def _umask() -> int:
    """The umask of this process, where it can be read without changing it for all threads."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _fill_file(source: str, part: str, umask: int, watch: Watch | None) -> None:
    """Copy what is missing, flush it to the disk, and make it read-only against accidental changes."""
    with _opened(source, os.O_RDONLY) as reading:
        size, length = os.fstat(reading).st_size, _size(part)
        # What is whole may be read-only already.
        flags = os.O_RDONLY if length == size else os.O_RDWR | os.O_CREAT
        with _opened(part, flags | os.O_NOFOLLOW) as writing:
            done = length or 0
            if done > size:
                os.ftruncate(writing, done := 0)
            while done < size and (moved := _move(reading, writing, done, size)):
                done += moved
                if watch is not None:
                    watch(moved)
            os.fsync(writing)
            readable = stat.S_IMODE(os.fstat(reading).st_mode) & 0o444
            os.fchmod(writing, (readable & ~umask) | 0o400)


def _size(part: str) -> int | None:
    try:
        return os.lstat(part).st_size
    except FileNotFoundError:
        return None


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _move(reading: int, writing: int, offset: int, size: int) -> int:
    """Copy one piece, in the kernel and by sharing blocks if both file systems can. 0 at the end of the file."""
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
    if os.path.isdir(target) and not os.path.islink(
        target
    ):  # of another kind or size than it should be
        shutil.rmtree(target)
    os.replace(source, target)


def _discard(path: str | Path) -> None:
    """Remove a file, a link or a folder, as far as this user may."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(FileNotFoundError, PermissionError):
        os.unlink(path)
