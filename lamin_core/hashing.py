"""Content identity: BLAKE3 over every byte of a file, or over the sorted entries of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

FILE = "blake3"
FOLDER = "blake3-dir"
# Below this a plain read is faster than a memory map; above it BLAKE3's threads pay off.
_MMAP_FROM = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """What some bytes are: hash type, digest in hex, size in bytes; for folders the number of files."""

    hash_type: str
    hash: str
    size: int
    n_files: int | None = None

    @property
    def is_folder(self) -> bool:
        """Whether this describes a folder."""
        return self.n_files is not None


def digest(path: str | os.PathLike[str]) -> Digest:
    """The digest of the file or folder at this path; links are followed. Raises `OSError` if it cannot be read.

    >>> import tempfile; folder = Path(tempfile.mkdtemp()); _ = (folder / "a.txt").write_bytes(b"abc")
    >>> digest(folder / "a.txt").hash[:8], digest(folder).n_files
    ('6437b3ac', 1)
    """
    path = Path(path)
    return _folder(path) if path.is_dir() else _file(path)


def digest_bytes(data: bytes) -> Digest:
    """The digest of bytes in memory.

    >>> digest_bytes(b"abc").size
    3
    """
    return Digest(FILE, blake3(data).hexdigest(), len(data))


def _file(path: Path) -> Digest:
    size = path.stat().st_size
    if size < _MMAP_FROM:
        return digest_bytes(path.read_bytes())
    hasher = blake3(max_threads=blake3.AUTO)
    hasher.update_mmap(path)
    return Digest(FILE, hasher.hexdigest(), size)


def _folder(root: Path) -> Digest:
    """Over `path NUL size NUL digest LF` of every file, sorted by the UTF-8 bytes of the relative path."""
    entries = sorted((os.fsencode(file.relative_to(root).as_posix()), _file(file)) for file in _files(root))
    hasher, size = blake3(), 0
    for name, entry in entries:
        hasher.update(b"%s\0%d\0%s\n" % (name, entry.size, entry.hash.encode()))
        size += entry.size
    return Digest(FOLDER, hasher.hexdigest(), size, len(entries))


def _files(root: Path) -> Iterator[Path]:
    seen = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in seen:  # a link back up: the files below it are known already
            subfolders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        yield from (path for name in names if (path := Path(folder, name)).is_file())
