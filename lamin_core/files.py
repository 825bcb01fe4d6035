"""What can be done with an artifact's bytes: find, cache, load, open; and what a new one is made of."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lamin_core import formats
from lamin_core.db import Database
from lamin_core.errors import Conflict, InvalidArgument, NotFound
from lamin_core.hashing import FILE, FOLDER, Digest
from lamin_core.lineage.series import roots
from lamin_core.lineage.usage import Reader, note_input
from lamin_core.models import Artifact, Storage
from lamin_core.storage import (
    Place,
    Root,
    check_key,
    download,
    is_remote,
    local_path,
    locate,
    read_digest,
    remote_digest,
    suffix_of,
)


@dataclass(frozen=True, slots=True)
class Source:
    """What a new artifact is made of: where its bytes are, what they are, and whether they are copied on saving."""

    path: str
    suffix: str
    place: Place
    copies: bool
    content: Digest | None

    @property
    def key(self) -> str:
        """The key that the place itself gives."""
        return self.place.key


class _Users(Protocol):
    def by_id(self, registry: Any, identity: int) -> Any: ...


class Files:
    """The files of one instance."""

    def __init__(self, database: Database, storage: str, cache: Path, records: _Users) -> None:
        self._database = database
        self._storage = storage
        self._cache = cache
        self._records = records
        self._roots: dict[int, str] = {}
        self._storages: list[Root] = []
        self._storages_until = 0.0

    def storages(self) -> list[Root]:
        """All storages, as they were at most a second ago: a loop of saves need not ask for them each time."""
        if time.monotonic() > self._storages_until:
            with self._database.reading() as session:
                self._storages = roots(session)
            self._storages_until = time.monotonic() + 1.0
        return self._storages

    def managed(self) -> Root:
        """The storage that copies go into."""
        return next(root for root in self.storages() if root.root == self._storage)

    def prepare(self, path: str | os.PathLike[str], *, key: str | None, revises: Artifact | None) -> Source:
        """Look at what is to be saved; reads all of its bytes once. Raises what is wrong with path or key."""
        text = os.fspath(path)
        if is_remote(text):
            return self._remote(text, key)
        local = local_path(path)
        if revises is not None and key not in (None, revises.key):
            raise InvalidArgument(f"a revision of {revises.key!r} cannot have the key {key!r}", hint="leave `key` out")
        place = locate(str(local), [root for root in self.storages() if root.root != "/"])
        suffix = suffix_of(local.name)
        if key is not None:
            check_key(key)
            _check_suffix(suffix, key, local)
        copies = place.root is None or (key is not None and key != place.key)
        return Source(str(local), suffix, place, copies, read_digest(local))

    def _remote(self, url: str, key: str | None) -> Source:
        place = locate(url, self.storages())
        if key is not None and key != place.key:
            raise InvalidArgument(
                f"{url!r} is registered where it lies", hint="leave `key` out; it is the object's own"
            )
        size, tag = remote_digest(url)
        content = None if tag is None else Digest("etag", tag, size or 0)
        return Source(url, suffix_of(url), place, copies=False, content=content)

    def from_object(
        self, kind: type[Artifact], data: Any, *, key: str | None, description: str | None, **kwargs: Any
    ) -> Artifact:
        """An artifact of an object in memory, written to a temporary file that is gone after saving."""
        suffix = formats.suffix_for(data, key, suffix_of(key or ""))
        folder = tempfile.mkdtemp(prefix="lamin-")
        path = Path(folder, f"data{suffix}")
        formats.write(data, path, suffix)
        artifact = kind(path, key=key, description=description, **kwargs)
        artifact.otype, artifact.n_observations = formats.otype(data), formats.n_observations(data)
        artifact.kind = artifact.kind or "dataset"
        # The file is there as long as the artifact may still be saved.
        artifact.__dict__["_temporary"] = weakref.finalize(artifact, shutil.rmtree, folder, ignore_errors=True)
        return artifact

    def path(self, artifact: Artifact) -> Any:
        """Where the bytes are: a `Path`, or a URL as text."""
        root = self._root(artifact.storage_id)
        key = artifact.real_key or artifact.key or ""
        return f"{root.rstrip('/')}/{key}" if is_remote(root) else Path(root, key)

    def _root(self, storage_id: int) -> str:
        if storage_id not in self._roots:
            self._roots[storage_id] = self._records.by_id(Storage, storage_id).root
        return self._roots[storage_id]

    def cache(self, artifact: Artifact, *, reader: Reader = None) -> Path:
        """A local path to the bytes, fetched once; the current run has then read them. Raises `NotFound`."""
        path = self._local(artifact)
        note_input(self._database, reader, artifact)
        return path

    def load(self, artifact: Artifact, *, reader: Reader = None) -> Any:
        """The content in memory; the current run has then read it."""
        loaded = formats.load(self._local(artifact), artifact.suffix)
        note_input(self._database, reader, artifact)
        return loaded

    def open(self, artifact: Artifact, *, reader: Reader = None) -> Any:
        """A handle for streaming; the current run has then read it."""
        handle = formats.open_stream(self._local(artifact), artifact.suffix)
        note_input(self._database, reader, artifact)
        return handle

    def _local(self, artifact: Artifact) -> Path:
        path = self.path(artifact)
        if isinstance(path, str):
            return download(path, self._cache / artifact.uid / Path(path).name)
        local = Path(path)
        if not local.exists():
            raise NotFound(f"the bytes of {artifact.uid} are gone: nothing at {path!s}", hint="restore the file")
        if artifact.real_key is None:
            _check_unchanged(artifact, local)
        return local


def _check_unchanged(artifact: Artifact, path: Path) -> None:
    """A file registered in place may be written over: then these are not the bytes of this version."""
    if artifact.content is None or path.stat().st_mtime < artifact.created_at.timestamp():
        return
    if read_digest(path).hash != artifact.hash and artifact.hash_type in (FILE, FOLDER):
        raise Conflict(
            f"{str(path)!r} has changed: it no longer holds version {artifact.version} of {artifact.key!r}",
            hint="save it again as a new version; give a `key` to keep copies of all versions",
        )


def _check_suffix(suffix: str, key: str, path: Path) -> None:
    if suffix_of(key) != suffix:
        raise InvalidArgument(
            f"the suffix of {path.name!r} is {suffix!r}, that of key {key!r} is {suffix_of(key)!r}",
            hint=f"end the key in {suffix!r}" if suffix else "leave the suffix of the key out",
        )
