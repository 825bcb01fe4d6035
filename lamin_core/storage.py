"""Storages: which root a path belongs to, what a key may be, and how bytes get in and out."""

from __future__ import annotations

import os
import posixpath
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamin_core.errors import InvalidArgument, InvalidKey, MissingExtra, NotFound, Unavailable
from lamin_core.hashing import Digest, digest
from lamin_core.uids import derived_uid

MANAGED = ".lamindb"
"""The folder inside a managed storage that holds copies, named by their digest."""


@dataclass(frozen=True, slots=True)
class Root:
    """A storage as the resolver sees it."""

    id: int
    uid: str
    root: str
    is_managed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A path, as a storage root and a key under it; `root` is None where no known storage holds it."""

    root: Root | None
    path: str
    key: str


def is_remote(path: str) -> bool:
    """Whether the path is a URL.

    >>> is_remote("s3://bucket/a"), is_remote("/a")
    (True, False)
    """
    return "://" in path


def locate(path: str, roots: Sequence[Root]) -> Place:
    """The place of an absolute path or URL under the longest root that holds it.

    >>> locate("/data/raw/a.csv", [Root(1, "u", "/"), Root(2, "v", "/data")]).key
    'raw/a.csv'
    """
    holding = [root for root in roots if _holds(root.root, path)]
    best = max(holding, key=lambda root: len(root.root), default=None)
    key = path if best is None else path[len(best.root.rstrip("/")) + 1 :]
    return Place(best, path, key)


def _holds(root: str, path: str) -> bool:
    return path.startswith(root.rstrip("/") + "/")


def outer_root(path: str) -> str:
    """The root that a path outside every known storage gets: the file system, the bucket, the server.

    >>> outer_root("/tmp/a.csv"), outer_root("s3://bucket/a/b"), outer_root("postgres://db:5432/x.y.z")
    ('/', 's3://bucket', 'postgres://db:5432')
    """
    if not is_remote(path):
        return "/"
    scheme, _, rest = path.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def root_type(root: str) -> str:
    """`local`, or the URL's scheme.

    >>> root_type("/data"), root_type("s3://bucket")
    ('local', 's3')
    """
    return root.partition("://")[0] if is_remote(root) else "local"


def check_key(key: str) -> str:
    """The key itself. Raises `InvalidKey` when it is empty, absolute, climbs, or has a backslash or a NUL in it.

    >>> check_key("my data/a (1).csv")
    'my data/a (1).csv'
    """
    parts = key.split("/")
    if not key or key.startswith("/") or {".", ".."} & set(parts) or "" in parts[:-1] or "\\" in key or "\0" in key:
        raise InvalidKey(f"{key!r} cannot be a key", hint="a relative path such as 'raw/a.csv', without '..' or '\\\\'")
    if MANAGED in parts:
        raise InvalidKey(f"{key!r} goes into {MANAGED!r}, which is the registry's own", hint="choose another key")
    return key


def suffix_of(name: str) -> str:
    """The suffix of a file name, with the compound ones kept whole.

    >>> suffix_of("a/b.csv"), suffix_of("b.fastq.gz"), suffix_of("v1.0 notes"), suffix_of("x.anndata.zarr")
    ('.csv', '.fastq.gz', '', '.anndata.zarr')
    """
    name = posixpath.basename(name.rstrip("/"))
    stem, suffix = posixpath.splitext(name)
    if " " in suffix or len(suffix) > 32:
        return ""
    inner = posixpath.splitext(stem)[1]
    if suffix in (".gz", ".bz2", ".zst", ".xz", ".zip", ".zarr") and inner and inner[1:].isalpha():
        return inner + suffix
    return suffix


def local_path(path: str | os.PathLike[str]) -> Path:
    """The absolute path, links kept. Raises `NotFound` when nothing is there, `InvalidArgument` when it is no data."""
    text = os.path.abspath(os.path.expanduser(os.fspath(path)))
    if not os.path.lexists(text):
        raise NotFound(f"no file or folder at {text!r}", hint="check the path; `ls` shows what is there")
    if not os.path.exists(text):
        raise NotFound(f"{text!r} is a broken link to {os.readlink(text)!r}")
    if not (os.path.isfile(text) or os.path.isdir(text)):
        raise InvalidArgument(f"{text!r} is neither a file nor a folder")
    return Path(text)


def read_digest(path: Path) -> Digest:
    """The digest of what is at this path. Raises `Unavailable` when it cannot be read."""
    try:
        return digest(path)
    except OSError as error:
        raise Unavailable(f"{str(path)!r} cannot be read: {error.strerror or error}") from error


def managed_key(content: Digest, suffix: str) -> str:
    """Where a managed storage keeps this content: by digest, so that equal bytes are kept once.

    >>> managed_key(Digest("blake3", "ab" * 32, 3), ".csv").startswith(".lamindb/")
    True
    """
    return f"{MANAGED}/{derived_uid(20, content.hash_type, content.hash, str(content.size))}{suffix}"


def copy_in(source: Path, root: str, key: str, content: Digest) -> None:
    """Copy a file or folder under a storage root so that it is there whole or not at all; kept if it is there already.

    Raises `Unavailable` when the storage cannot take it, or when the source changed while it was copied.
    """
    if is_remote(root):
        _upload(source, f"{root.rstrip('/')}/{key}")
        return
    target = Path(root, key)
    if target.exists():
        return
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy_synced(source, temporary)
        if content.size != _size(temporary):
            raise Unavailable(f"{str(source)!r} changed while it was copied", hint="save it again when it is complete")
        _rename(temporary, target)
    except OSError as error:
        raise Unavailable(f"{str(source)!r} cannot be copied to {str(target)!r}: {error.strerror or error}") from error
    finally:
        _remove(temporary)


def _copy_synced(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
        return
    with source.open("rb") as reading, target.open("xb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if not target.exists():  # another process may have put the same folder there meanwhile
            raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _upload(source: Path, url: str) -> None:
    fs, target = filesystem(url)
    try:
        if not fs.exists(target):
            fs.put(str(source), target, recursive=source.is_dir())
    except Exception as error:
        raise Unavailable(f"{str(source)!r} cannot be copied to {url!r}: {error}") from error


def download(url: str, target: Path) -> Path:
    """Bring a remote file or folder here, whole or not at all; kept if it is there already."""
    if target.exists():
        return target
    fs, source = filesystem(url)
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        fs.get(source, str(temporary), recursive=fs.isdir(source))
        _rename(temporary, target)
    except FileNotFoundError as error:
        raise NotFound(f"nothing at {url!r} any more") from error
    except Exception as error:
        raise Unavailable(f"{url!r} cannot be fetched: {error}") from error
    finally:
        _remove(temporary)
    return target


def remote_digest(url: str) -> tuple[int | None, str | None]:
    """Size and entity tag of a remote object, as its store tells them. Raises `NotFound` or `Unavailable`."""
    fs, target = filesystem(url)
    try:
        facts = fs.info(target)
    except FileNotFoundError as error:
        raise NotFound(f"nothing at {url!r}") from error
    except Exception as error:
        raise Unavailable(f"{url!r} cannot be reached: {error}") from error
    tag = facts.get("ETag")
    return facts.get("size"), None if tag is None else str(tag).strip('"')


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, without its cache of listings, and the path in it."""
    import fsspec  # heavy, and only remote storages need it

    try:
        fs, target = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        scheme = url.partition("://")[0]
        raise MissingExtra(f"the library for {scheme}:// URLs", scheme if scheme == "s3" else "all") from error
    except ValueError as error:
        raise InvalidArgument(f"{url!r}: {error}") from error
    return fs, target
