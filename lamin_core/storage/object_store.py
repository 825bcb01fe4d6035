"""Objects in remote storages through fsspec: list, read, write.

Where a storage is and who may use it comes from the environment, as for any client of that storage,
or from a table per root in `lamin/storages.toml` of the user's configuration folder. The registry
keeps neither.
"""

from __future__ import annotations

import errno
import os
import posixpath
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lamin_core.errors import InvalidArgument, LaminError, MissingExtra, NotFound, Unavailable
from lamin_core.runtime.parallel import at_once
from lamin_core.runtime.paths import user_config
from lamin_core.runtime.progress import Watch, progress
from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.settings import read_toml
from lamin_core.storage.canonical_urls import check_host
from lamin_core.storage.hashing import Digest, digest_entries, files_in
from lamin_core.storage.locations import ON_THE_WEB, root_type
from lamin_core.storage.s3_multipart import PART, upload_parts

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The error numbers of a full disk."""
TAG, TAGS = "etag", "etag-dir"
"""Hash types of what only the storage has read: the entity tag of an object, and of all objects below a prefix."""
_OF_BUCKETS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
"""Stores in which an upload appears when it is complete; in others it is first written under another name."""


@dataclass(frozen=True, slots=True)
class Found:
    """The metadata of an object, or of all objects below a prefix."""

    size: int | None
    content: Digest | None
    is_folder: bool
    written: float | None = None
    """When the last of it was written (seconds since 1970); None where the storage does not say."""


def look(url: str) -> Found:
    """The metadata of the object at this URL, without a download. Raises `NotFound` or `Unavailable`."""
    with reaching(url):
        fs, path = filesystem(url)
        info = fs.info(path)
        if info["type"] != "directory":
            size, tag = info.get("size"), _tag(info)
            content = None if tag is None else Digest(TAG, tag, size or 0)
            return Found(size, content, is_folder=False, written=_written(info))
        below = fs.find(path, detail=True)
        if not below:
            raise NotFound(f"nothing at {url!r}", hint="check the path, and that you may list it")
    return _folder(path, below)


def _folder(path: str, below: dict[str, Any]) -> Found:
    entries = [
        (os.fsencode(posixpath.relpath(name, path)), info.get("size") or 0, _tag(info))
        for name, info in below.items()
    ]
    size = sum(size for _, size, _ in entries)
    tagged = [(name, size, tag) for name, size, tag in entries if tag is not None]
    content = digest_entries(TAGS, tagged) if len(tagged) == len(entries) else None
    moments = [written_at for info in below.values() if (written_at := _written(info)) is not None]
    return Found(size, content, is_folder=True, written=max(moments, default=None))


def _written(info: dict[str, Any]) -> float | None:
    """The time at which an object was written, under whichever name its file system has for it."""
    for name in ("LastModified", "last_modified", "mtime", "modified", "created"):
        value = info.get(name)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None


def _tag(info: dict[str, Any]) -> str | None:
    tag = info.get("ETag") or info.get("etag") or info.get("md5Hash")
    return str(tag).strip('"') if tag else None


def exists(url: str) -> bool:
    """Whether there is an object, or a prefix with objects. Raises `Unavailable` if the store cannot be reached."""
    with reaching(url):
        fs, path = filesystem(url)
        return bool(fs.exists(path))


def ensure(url: str) -> None:
    """Raise `InvalidArgument`, `NotFound` or `Unavailable` unless things can be written here; folders are made."""
    if root_type(url) in ON_THE_WEB:
        raise InvalidArgument(f"{url!r} can only be read", hint="a storage is a folder or a bucket")
    with reaching(url):
        fs, path = filesystem(url)
        if _protocols(fs) & _OF_BUCKETS:
            fs.info(path.split("/")[0])  # only its owner creates a bucket
        else:
            fs.makedirs(path, exist_ok=True)


def remove(url: str) -> None:
    """Remove the object, or everything below the prefix; nothing happens where nothing is."""
    with reaching(url):
        fs, path = filesystem(url)
        if fs.exists(path):
            fs.rm(path, recursive=True)


def upload(source: Path, url: str, size: int) -> None:
    """Bring a local file or folder there; an upload that was cut short is taken up again.

    A file shows when it is complete. Of a folder, files show one by one, so nobody may be told its
    name before.
    """
    with reaching(url), progress(f"uploading {source.name}", size) as watch:
        fs, path = filesystem(url)
        if not source.is_dir():
            _put(fs, source, path, watch)
            return
        remote_sizes = {name: info.get("size") for name, info in fs.find(path, detail=True).items()}
        files = [(Path(file), posixpath.join(path, name)) for name, file in files_in(str(source))]
        missing = [
            (file, target)
            for file, target in files
            if remote_sizes.get(target) != file.stat().st_size
        ]
        at_once(lambda pair: _put(fs, *pair, watch), missing)


def _put(fs: Any, source: Path, path: str, watch: Watch | None) -> None:
    size = source.stat().st_size
    protocols = _protocols(fs)
    if "s3" in protocols and size > PART:
        upload_parts(fs, source, path, watch)
    elif protocols & _OF_BUCKETS:
        fs.put_file(str(source), path, callback=_callback(watch))
    else:
        _put_aside(fs, source, path, watch)
    if fs.size(path) != size:
        raise Unavailable(
            f"{source.name!r} arrived with {fs.size(path)} bytes of {size}", hint="save it again"
        )


def _protocols(fs: Any) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


def _put_aside(fs: Any, source: Path, path: str, watch: Watch | None) -> None:
    parent, name = posixpath.split(path)
    aside = posixpath.join(parent, f".{name}.{secrets.token_hex(4)}.part")
    fs.makedirs(parent, exist_ok=True)
    try:
        fs.put_file(str(source), aside, callback=_callback(watch))
        fs.mv(aside, path)
    except BaseException:
        if fs.exists(aside):
            fs.rm_file(aside)
        raise


def fetch(url: str, target: Path, size: int | None) -> None:
    """Bring an object, or everything below a prefix, to this local path, which may be half written when it fails."""
    with reaching(url), progress(f"fetching {target.name.lstrip('.')}", size or 0) as watch:
        fs, path = filesystem(url)
        if fs.info(path)["type"] != "directory":
            fs.get_file(path, str(target), callback=_callback(watch))
            return
        for name in fs.find(path):
            file = target / _below(posixpath.relpath(name, path))
            file.parent.mkdir(parents=True, exist_ok=True)
            fs.get_file(name, str(file), callback=_callback(watch))


def _below(name: str) -> str:
    # An object may be called `a/../../b`; a file may not.
    if ".." in name.split("/") or name.startswith("/"):
        raise InvalidArgument(f"the object {name!r} cannot be a file below a folder")
    return name


def _callback(watch: Watch | None) -> Any:
    from fsspec.callbacks import DEFAULT_CALLBACK, Callback

    if watch is None:
        return DEFAULT_CALLBACK
    report = watch

    class Watched(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            report(inc)

    return Watched()


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, without its cache of listings, and the path in it.

    Raises `MissingExtra` or `InvalidArgument` where there is none for that scheme, or another machine
    has the file.
    """
    import fsspec  # heavy, and only remote storages need it

    check_host(url)
    try:
        fs, target = fsspec.core.url_to_fs(url, use_listings_cache=False, **options_for(url))
    except ImportError as error:
        library = getattr(error.__cause__ or error, "name", None) or "the library of that scheme"
        raise MissingExtra(library, "s3" if library in ("s3fs", "aiobotocore") else None) from error
    except ValueError as error:
        raise InvalidArgument(
            f"{redact_text(url)!r}: {error}", hint="is the scheme one that fsspec knows?"
        ) from error
    return fs, target


def options_for(url: str) -> dict[str, object]:
    """The options in the user's `storages.toml` for the longest root of this URL; see `fsspec` for the names.

    >>> options_for("s3://bucket/of/somebody/else")
    {}
    """
    tables = read_toml(user_config() / "storages.toml")
    roots = [root for root in tables if url == root or url.startswith(root.rstrip("/") + "/")]
    return dict(tables[max(roots, key=len)]) if roots else {}


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Raise our errors for the errors of the libraries of storages."""
    shown = redact_text(url)
    try:
        yield
    except LaminError:
        raise
    except FileNotFoundError as error:
        raise NotFound(f"nothing at {shown!r}", hint="was it removed, or never there?") from error
    except PermissionError as error:
        raise Unavailable(
            f"{shown!r} is refused: {error}", hint="check your credentials for this storage"
        ) from error
    except Exception as error:  # each library has its own
        if getattr(error, "errno", None) in FULL:
            raise Unavailable(f"there is no room for {shown!r}", hint="free some space") from error
        reason = redact_text(f"{type(error).__name__}: {error}")
        raise Unavailable(
            f"{shown!r} cannot be reached: {reason}",
            hint="check the network, the endpoint and your credentials",
        ) from error
