"""Storages: which root a path belongs to, what a key may be, and under which key a copy is kept. Touches no file."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from lamin_core.enums import MANAGED as MANAGED
from lamin_core.errors import InvalidArgument, InvalidKey
from lamin_core.runtime.url_credentials import shows_secret
from lamin_core.storage.canonical_urls import canonical_url, check_host, file_host
from lamin_core.storage.hashing import Digest
from lamin_core.uids import derived_uid

KEY_BYTES = 2_600
"""The longest text in bytes that fits an index of PostgreSQL; the same on SQLite, so that an instance can move."""


@dataclass(frozen=True, slots=True)
class Root:
    """A storage as the resolver sees it."""

    id: int
    uid: str
    root: str
    is_managed: bool = False


@dataclass(frozen=True, slots=True)
class Location:
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


def locate(path: str, roots: Sequence[Root]) -> Location:
    """The place of an absolute path or URL under the longest root that holds it.

    >>> locate("/data/raw/a.csv", [Root(1, "u", "/"), Root(2, "v", "/data")]).key
    'raw/a.csv'
    """
    holding = [root for root in roots if _holds(root.root, path)]
    best = max(holding, key=lambda root: len(root.root), default=None)
    key = path if best is None else path[len(best.root.rstrip("/")) + 1 :]
    return Location(best, path, key)


def _holds(root: str, path: str) -> bool:
    """Whether the path is below the root, with each `..` in it resolved."""
    prefix = root.rstrip("/") + "/"
    if not path.startswith(prefix):
        return False
    return "/../" not in f"{path}/" or root == outer_root(path) or is_below(path[len(prefix) :])


def is_below(key: str) -> bool:
    """Whether a key stays below the root that it is joined to, as far as its text says.

    >>> is_below("raw/a.csv"), is_below("raw/../a.csv"), is_below("../a.csv"), is_below("raw/../../a.csv")
    (True, True, False, False)
    """
    if "\0" in key:
        return False
    depth = 0
    for part in key.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return False
    return True


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


def checked_root(root: str | os.PathLike[str], base: str | os.PathLike[str] = ".") -> str:
    """The root as it is stored: an absolute path (of a relative one, below `base`), or a URL without secrets.

    Raises `InvalidArgument` for a URL that holds a password or options: the registry is shared,
    they are not.

    >>> checked_root("s3://bucket/data/"), checked_root("file:///data"), checked_root("data", "/projects")
    ('s3://bucket/data', '/data', '/projects/data')
    """
    text = os.fspath(root)
    if not text or "\0" in text:
        raise InvalidArgument(
            f"not a storage: {text!r}", hint="a folder, or a URL such as s3://bucket/data"
        )
    if not is_remote(text):
        return os.path.abspath(os.path.join(base, os.path.expanduser(text)))
    if is_file_url(text):
        return os.path.abspath(path_of(text))
    url = check_url(text)
    if "?" in url:
        raise _with_secrets(text)
    return url


def check_url(url: str) -> str:
    """The URL in the spelling by which the registry knows it, see `canonical_urls`.

    Raises `InvalidArgument` when it shows a password, a token or a signature, which would be
    stored, and for a file of another machine.

    >>> check_url("https://example.org/a.csv?download=1"), check_url("s3a://bucket/a.csv")
    ('https://example.org/a.csv?download=1', 's3://bucket/a.csv')
    """
    if "\0" in url or not _is_text(url):
        raise InvalidArgument(
            f"not a URL: {url!r}", hint="there are characters in it that no URL has"
        )
    user = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    if shows_secret(url) or ":" in user:
        raise _with_secrets(url)
    check_host(url)
    return canonical_url(url)


def _with_secrets(url: str) -> InvalidArgument:
    scheme, _, rest = url.partition("://")
    shown = f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
    return InvalidArgument(
        f"the URL {shown!r} comes with a password or options, and would be stored with them",
        hint="keep those in the environment, or in lamin/storages.toml of your configuration folder",
    )


def is_file_url(path: str) -> bool:
    """Whether it is the URL of a file of this machine.

    >>> is_file_url("file:///a"), is_file_url("/a"), is_file_url("file://node1/a")
    (True, False, False)
    """
    return path.startswith("file://") and file_host(path) is None


def path_of(url: str) -> str:
    """The path that a `file://` URL means.

    >>> path_of("file:///my%20data/a.csv")
    '/my data/a.csv'
    """
    return unquote(urlsplit(url).path, errors="surrogateescape")


def name_of(path: str) -> str:
    """The name of a file that is downloaded from here; without the query of a web address.

    >>> name_of("https://example.org/files/a.csv.gz?download=1"), name_of("s3://bucket/a?.csv")
    ('a.csv.gz', 'a?.csv')
    """
    path = path.partition("?")[0] if root_type(path) in ON_THE_WEB else path
    return posixpath.basename(path.rstrip("/"))


ON_THE_WEB = {"http", "https"}
"""Schemes of locations that can be read, but not written."""


def check_key(key: str) -> str:
    """The key itself. Raises `InvalidKey` when it is empty, absolute, too long, climbs, or has a `\\` or a NUL in it.

    >>> check_key("my data/a (1).csv")
    'my data/a (1).csv'
    """
    if not isinstance(key, str):
        raise InvalidKey(f"{key!r} cannot be a key", hint="a key is text, such as 'raw/a.csv'")
    parts = key.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in key or "\0" in key:
        raise InvalidKey(
            f"{key!r} cannot be a key",
            hint="a relative path such as 'raw/a.csv', without '..' or '\\\\'",
        )
    if MANAGED in parts:
        raise InvalidKey(
            f"{key!r} goes into {MANAGED!r}, which is the registry's own", hint="choose another key"
        )
    return check_name(key)


def check_name(key: str) -> str:
    """A key, or the path of a file that is its own key. Raises `InvalidKey` for what a database does not take.

    >>> check_name("new\\nline.csv")
    'new\\nline.csv'
    """
    if not _is_text(key):
        raise InvalidKey(f"not text in UTF-8: {key!r}", hint="rename the file, or give it a `key`")
    if len(key.encode()) > KEY_BYTES:
        raise InvalidKey(
            f"a key of {len(key)} characters is too long: {key[:40]!r}...",
            hint="choose a shorter one",
        )
    return key


def _is_text(name: str) -> bool:
    """Whether it can be written in UTF-8; a file of Linux may be called by any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_copy_key(key: str | None) -> bool:
    """Whether only the registry writes there: a name directly in the folder of copies.

    >>> is_copy_key(".lamindb/Ab3dEf5hIj7l.csv"), is_copy_key(".lamindb/../a.csv"), is_copy_key("raw/a.csv")
    (True, False, False)
    """
    prefix = f"{MANAGED}/"
    if key is None or not key.startswith(prefix):
        return False
    name = key[len(prefix) :]
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name and "\0" not in name


def is_place(real_key: str) -> bool:
    """Whether this is a valid location of the bytes of a row: a copy, or a file below the root that is not a copy.

    >>> is_place(".lamindb/Ab3dEf5hIj7l.csv"), is_place("raw/old.csv"), is_place(".lamindb"), is_place("/etc/passwd")
    (True, True, False, False)
    """
    parts = real_key.split("/")
    if is_copy_key(real_key):
        return True
    return not ({"", ".", "..", MANAGED} & set(parts) or "\0" in real_key)


def suffix_of(name: str, *, is_folder: bool = False) -> str:
    """The suffix of a file name, with the compound ones kept whole; of a folder only those that say what is in it.

    >>> suffix_of("a/b.csv"), suffix_of("b.fastq.gz"), suffix_of("v1.0 notes"), suffix_of("x.anndata.zarr")
    ('.csv', '.fastq.gz', '', '.anndata.zarr')
    >>> suffix_of("run.2026", is_folder=True), suffix_of("cells.zarr", is_folder=True)
    ('', '.zarr')
    """
    name = posixpath.basename(name.rstrip("/"))
    stem, suffix = posixpath.splitext(name)
    if " " in suffix or len(suffix) > 32 or (is_folder and suffix not in _OF_FOLDERS):
        return ""
    inner = posixpath.splitext(stem)[1]
    whole = suffix in _OUTER and (inner[1:].isalpha() or inner in _WITH_DIGITS)
    return inner + suffix if whole or inner == ".ome" else suffix


_OUTER = {".gz", ".bgz", ".bz2", ".zst", ".xz", ".zip", ".zarr"}
_WITH_DIGITS = {".h5", ".h5ad", ".gff3", ".mp4"}
_OF_FOLDERS = {".zarr", ".n5", ".tiledbsoma", ".lance", ".parquet"}


def spare_key(content: Digest, suffix: str) -> str:
    """The key at which a managed storage has a second copy of bytes that are registered in place.

    >>> spare_key(Digest("blake3", "ab" * 32, 3), ".csv") == managed_key(Digest("blake3", "ab" * 32, 3), ".csv")
    False
    """
    identity = ("spare", content.hash_type, content.hash, str(content.size))
    return f"{MANAGED}/{derived_uid(20, *identity)}{suffix}"


def managed_key(content: Digest, suffix: str) -> str:
    """The key of this content in a managed storage: by digest, so that equal bytes are stored once.

    >>> managed_key(Digest("blake3", "ab" * 32, 3), ".csv").startswith(".lamindb/")
    True
    """
    return (
        f"{MANAGED}/{derived_uid(20, content.hash_type, content.hash, str(content.size))}{suffix}"
    )
