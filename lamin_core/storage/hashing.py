"""Content identity: BLAKE3 over every byte of a file, or over the sorted entries of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3

from lamin_core.runtime.progress import Watch

FILE = "blake3"
FOLDER = "blake3-dir"
_BUFFER = 4 << 20
# Below this one read is faster than a buffer, and one thread than several.
_LARGE = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """The identity of bytes: hash type, digest in hex, size in bytes; for folders the number of files."""

    hash_type: str
    hash: str
    size: int
    n_files: int | None = None

    @property
    def is_folder(self) -> bool:
        """Whether this describes a folder."""
        return self.n_files is not None


def digest(path: str | os.PathLike[str], watch: Watch | None = None) -> Digest:
    """The digest of the file or folder at this path; links are followed. Raises `OSError` if it cannot be read.

    >>> import pathlib, tempfile; folder = pathlib.Path(tempfile.mkdtemp()); _ = (folder / "a.txt").write_bytes(b"abc")
    >>> digest(folder / "a.txt").hash[:8], digest(folder).n_files
    ('6437b3ac', 1)
    """
    text = os.fspath(path)
    return _folder(text, watch) if os.path.isdir(text) else _file(text, watch)


def digest_bytes(data: bytes) -> Digest:
    """The digest of bytes in memory.

    >>> digest_bytes(b"abc").size
    3
    """
    return Digest(FILE, blake3(data).hexdigest(), len(data))


def digest_entries(hash_type: str, entries: list[tuple[bytes, int, str]]) -> Digest:
    """The digest of a folder: over `path NUL size NUL digest LF` of every file, sorted by the bytes of the path.

    >>> digest_entries(FOLDER, [(b"b", 2, "01"), (b"a", 1, "02")]).size
    3
    """
    hasher = blake3()
    for name, size, hash_ in sorted(entries):
        hasher.update(b"%s\0%d\0%s\n" % (name, size, hash_.encode()))
    return Digest(hash_type, hasher.hexdigest(), sum(size for _, size, _ in entries), len(entries))


def files_in(folder: str) -> Iterator[tuple[str, str]]:
    """The relative and the absolute path of every file below; other objects and broken links are left out.

    Links are followed; one that leads back up is not entered again. Raises `OSError` for a folder
    that cannot be read.
    """
    seen = set()
    for here, subfolders, names in os.walk(folder, followlinks=True, onerror=_raise):
        stat_result = os.stat(here)
        if (stat_result.st_dev, stat_result.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((stat_result.st_dev, stat_result.st_ino))
        below = "" if here == folder else f"{os.path.relpath(here, folder)}/"
        yield from (
            (below + name, path)
            for name in names
            if os.path.isfile(path := os.path.join(here, name))
        )


def _raise(error: OSError) -> None:
    raise error


def _file(path: str, watch: Watch | None) -> Digest:
    # Not by a memory map: a file that is cut short while it is mapped kills the process.
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < _LARGE:
            data = file.read()
            if watch is not None:
                watch(len(data))
            return digest_bytes(data)
        hasher, buffer, size = blake3(max_threads=blake3.AUTO), memoryview(bytearray(_BUFFER)), 0
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
            size += count
            if watch is not None:
                watch(count)
    return Digest(FILE, hasher.hexdigest(), size)


def _folder(root: str, watch: Watch | None) -> Digest:
    entries = []
    for name, path in files_in(root):
        content = _file(path, watch)
        entries.append((os.fsencode(name), content.size, content.hash))
    return digest_entries(FOLDER, entries)
