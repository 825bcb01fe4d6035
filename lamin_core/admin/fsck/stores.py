"""Measure or hash the file or folder at a path, on this machine or in a bucket."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from blake3 import blake3

from lamin_core.enums import MANAGED
from lamin_core.errors import LaminError, NotFound, Unavailable
from lamin_core.storage import s3_multipart
from lamin_core.storage.hashing import FILE, FOLDER, Digest, digest, files_in
from lamin_core.storage.locations import is_remote
from lamin_core.storage.object_store import filesystem
from lamin_core.storage.rooted_paths import own_location

REACHABLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory", "file", "http", "https")
_PIECE = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """A file in a storage: its path, its size in bytes, and the time of its last change (seconds since 1970)."""

    path: str
    size: int
    written: float
    upload: str | None = None
    """The id of an unfinished multipart upload in the bucket."""


class Store(Protocol):
    """The operations of a local file system or a bucket that the checks use."""

    def measure(self, path: str, expected: Digest) -> Digest:
        """Size, number of files, and what else is known without reading. Raises `NotFound` or `Unavailable`."""

    def digest(self, path: str, expected: Digest) -> Digest:
        """The digest of all bytes, with the algorithm of the recorded one. Raises `NotFound` or `Unavailable`."""

    def copies(self, root: str) -> Iterator[Found]:
        """Every file in the folder of this storage that belongs to the registry."""

    def remove(self, file: Found) -> None:
        """Remove this file, or what was uploaded of it."""


def store_at(root: str) -> Store:
    """The store of this root."""
    return Remote() if is_remote(root) else Local()


class Local:
    """Files and folders of this machine."""

    def measure(self, path: str, expected: Digest) -> Digest:
        """Compare by the sizes that the file system reports."""
        here = self._existing_path(path)
        if not here.is_dir():
            return Digest("", "", here.stat().st_size)
        sizes = [os.stat(path).st_size for _, path in files_in(str(here))]
        return Digest("", "", sum(sizes), len(sizes))

    def digest(self, path: str, expected: Digest) -> Digest:
        """Compare all bytes, also if the times of the file are unchanged."""
        here = self._existing_path(path)
        try:
            return (
                digest(here)
                if expected.hash_type in (FILE, FOLDER)
                else self.measure(path, expected)
            )
        except OSError as error:
            raise Unavailable(f"{path!r} cannot be read: {error.strerror or error}") from error

    def _existing_path(self, path: str) -> Path:
        if not os.path.exists(path):
            raise NotFound(f"nothing at {path!r}")
        if not (os.path.isfile(path) or os.path.isdir(path)):
            raise Unavailable(f"{path!r} is neither a file nor a folder any more")
        return Path(path)

    def copies(self, root: str) -> Iterator[Found]:
        """Below `.lamindb/`; a link in there is not followed, but an orphan itself."""
        own_location(root, f"{MANAGED}/any")
        yield from _walked(Path(root, MANAGED))

    def remove(self, file: Found) -> None:
        """Remove the file, and the folders that are empty then."""
        path = Path(file.path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(
                f"{file.path!r} cannot be removed: {error.strerror}",
                hint="check who may write: ls -l",
            ) from error
        for folder in path.parents:
            if folder.name == MANAGED or any(folder.iterdir()):
                return
            folder.rmdir()


def _walked(root: Path) -> Iterator[Found]:
    for folder, subfolders, names in os.walk(root):
        links = [name for name in subfolders if os.path.islink(os.path.join(folder, name))]
        for name in [*names, *links]:
            path = Path(folder, name)
            with suppress(FileNotFoundError):
                facts = path.lstat()
                yield Found(str(path), facts.st_size, facts.st_mtime)


class Remote:
    """Objects behind fsspec: what a bucket says of them costs nothing, their bytes are read only when asked for."""

    def measure(self, path: str, expected: Digest) -> Digest:
        """The size that the bucket reports, and the entity tag if this is a single object."""
        fs, target = _filesystem(path)
        facts = _translate_errors(path, lambda: fs.info(target))
        if facts.get("type") != "directory":
            tag = str(facts.get("ETag") or "").strip('"')
            return Digest("etag" if tag else "", tag, facts.get("size") or 0)
        sizes = [
            entry["size"] or 0
            for entry in _translate_errors(path, lambda: fs.find(target, detail=True)).values()
        ]
        return Digest("", "", sum(sizes), len(sizes))

    def digest(self, path: str, expected: Digest) -> Digest:
        """The digest of all bytes, read in pieces."""
        if expected.hash_type not in (FILE, FOLDER):
            return self.measure(path, expected)
        fs, target = _filesystem(path)
        if expected.hash_type == FILE:
            return _translate_errors(path, lambda: _read(fs, target))
        return _translate_errors(path, lambda: _read_folder(fs, target))

    def copies(self, root: str) -> Iterator[Found]:
        """Yield every object below `.lamindb/`."""
        url = f"{root.rstrip('/')}/{MANAGED}"
        fs, target = _filesystem(url)
        scheme = root.partition("://")[0]
        try:
            listed = fs.find(target, detail=True)
        except FileNotFoundError:
            return
        except Exception as error:
            raise Unavailable(f"{url!r} cannot be listed: {error}") from error
        for name, facts in listed.items():
            written = facts.get("LastModified") or facts.get("created")
            yield Found(
                f"{scheme}://{name.lstrip('/')}",
                facts["size"] or 0,
                written.timestamp() if written else 0.0,
            )
        if scheme in ("s3", "s3a"):
            for upload in _translate_errors(url, lambda: s3_multipart.unfinished(fs, target)):
                yield Found(f"{scheme}://{upload.path}", upload.size, upload.written, upload.name)

    def remove(self, file: Found) -> None:
        """Remove the object, or the parts of it."""
        fs, target = _filesystem(file.path)
        if file.upload is None:
            _translate_errors(file.path, lambda: fs.rm_file(target))
        else:
            _translate_errors(
                file.path, lambda: s3_multipart.give_up(fs, target, file.upload or "")
            )


@cache
def _opened(root: str) -> Any:
    return filesystem(root)[0]


def _filesystem(url: str) -> tuple[Any, str]:
    """One file system for each bucket, and the path in it."""
    scheme, _, rest = url.partition("://")
    fs = _opened(f"{scheme}://{rest.partition('/')[0]}")
    return fs, fs._strip_protocol(url)


def _translate_errors(path: str, question: Callable[[], T]) -> T:
    try:
        return question()
    except LaminError:
        raise
    except FileNotFoundError as error:
        raise NotFound(f"nothing at {path!r}") from error
    except Exception as error:
        raise Unavailable(f"{path!r} cannot be read: {error}") from error


def _read(fs: Any, target: str) -> Digest:
    hasher, size = blake3(), 0
    with fs.open(target, "rb", cache_type="none", block_size=_PIECE) as stream:
        while piece := stream.read(_PIECE):
            hasher.update(piece)
            size += len(piece)
    return Digest(FILE, hasher.hexdigest(), size)


def _read_folder(fs: Any, target: str) -> Digest:
    """Hash it as `hashing` does a local folder: over path, size and digest of all files, in the order of the paths."""
    names = fs.find(target)
    entries = sorted(
        (name[len(target.rstrip("/")) + 1 :].encode(), _read(fs, name)) for name in names
    )
    hasher, size = blake3(), 0
    for name, entry in entries:
        hasher.update(b"%s\0%d\0%s\n" % (name, entry.size, entry.hash.encode()))
        size += entry.size
    return Digest(FOLDER, hasher.hexdigest(), size, len(entries))
