"""The source of a new artifact: the file, folder, object or URL, and the storage that its bytes go into."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lamin_core.db.database import Database
from lamin_core.errors import Hint, InvalidArgument, LaminError, NotFound, Unavailable
from lamin_core.ingest.datasets import roots
from lamin_core.models import Artifact, Storage, blank
from lamin_core.models.arguments import ArtifactArguments, Source, arguments_of, keep_arguments
from lamin_core.models.checks import shown
from lamin_core.runtime.settings import settings
from lamin_core.storage import formats, object_store
from lamin_core.storage.digest_cache import DigestCache
from lamin_core.storage.hashing import Digest, files_in
from lamin_core.storage.locations import (
    Location,
    Root,
    check_key,
    check_name,
    check_url,
    checked_root,
    is_file_url,
    is_remote,
    locate,
    name_of,
    path_of,
    suffix_of,
)
from lamin_core.watching import opening
from lamin_core.watching.accesses import WRITE


class Files:
    """The sources of artifacts of one instance, and its storages."""

    def __init__(self, database: Database, storage: str, digests: DigestCache) -> None:
        self._database = database
        self._storage = storage
        self._digests = digests
        self._storages: list[Root] = []
        self._chosen: Any = None
        """The storage that a file of settings names, as it was at most a second ago."""
        self._storages_until = 0.0

    def storages(self) -> list[Root]:
        """All storages, as they were at most a second ago: a loop of saves need not ask for them each time."""
        if time.monotonic() > self._storages_until:
            self.forget_storages()
        return self._storages

    def forget_storages(self) -> None:
        """Read the storages again: there is a new one."""
        with self._database.reading() as session:
            self._storages = roots(session)
        self._chosen = settings.look_up("storage").value
        self._storages_until = time.monotonic() + 1.0

    def managed(self, storage: str | Storage | None = None) -> Root:
        """The storage that copies go into: this one, by default that of the instance. Raises `NotFound`."""
        if storage is not None and not isinstance(storage, str | os.PathLike | Storage):
            raise InvalidArgument(
                f"not a storage: {shown(storage)}", hint="storage=ln.Storage(root).save()"
            )
        storages, setting = self.storages(), settings.process_value("storage")
        requested = storage or (self._chosen if setting is None else setting.value)
        target_root = (
            self._storage
            if requested is None
            else requested.root
            if isinstance(requested, Storage)
            else checked_root(str(requested))
        )
        match = next((root for root in storages if root.root == target_root), None)
        if match is None or not match.is_managed:
            raise NotFound(
                f"not a managed storage: {target_root!r}",
                hint=Hint(
                    f"ln.Storage({target_root!r}).save()",
                    command="lamin settings unset storage; `lamin list storage` shows those there are",
                ),
            )
        return match

    def digest_of(self, path: str) -> Digest | None:
        """The digest of a local file or folder; None for anything else, and for unreadable files."""
        try:
            return self._digests.at(local_path(path)).digest
        except LaminError:
            return None

    def prepare(
        self,
        path: str | os.PathLike[str],
        *,
        key: str | None = None,
        revises: Artifact | None = None,
        storage: str | Storage | None = None,
    ) -> Source:
        """Look at what is to be saved; reads all of its bytes once. Raises what is wrong with path or key."""
        if revises is not None:
            _check_revised(revises, key)
        if key is not None:
            check_key(key)
        text = _path_text(path)
        if is_remote(text) and not is_file_url(text):
            return self._remote(check_url(text.rstrip("/")), key)
        return self._local(local_path(text), key, storage)

    def _local(self, path: Path, key: str | None, storage: str | Storage | None) -> Source:
        is_folder = path.is_dir()
        suffix = suffix_of(path.name, is_folder=is_folder)
        if key is not None:
            _check_suffix(suffix, suffix_of(key, is_folder=is_folder), key, path.name)
        location = locate(str(path), [root for root in self.storages() if root.root != "/"])
        stays = location.root is not None and key in (None, location.key) and storage is None
        target = None if stays else self.managed(storage)
        spare = self._spare_storage(path, location) if stays and key is not None else None
        if target is None:
            check_name(location.key)
        elif is_folder:
            _check_apart(path, target)
        opening.declare(str(path), WRITE)
        with opening.unwatched():
            seen = self._digests.at(path)
        return Source(str(path), suffix, location, seen.digest, target, seen, spare)

    def _spare_storage(self, path: Path, location: Location) -> Root | None:
        """The storage for the bytes of a project file with a key, if its folder was not declared as a storage.

        None for a file of a storage, and for a folder that would be copied into itself.
        """
        if location.root is None or location.root.is_managed:
            return None
        target = self.managed()
        return None if path.is_dir() and _holds_storage(path, target) else target

    def _remote(self, url: str, key: str | None) -> Source:
        location = locate(url, self.storages())
        if key is not None and key != location.key:
            raise InvalidArgument(
                f"{url!r} is registered where it lies",
                hint="leave `key` out; it is the object's own",
            )
        blob = object_store.look(url)
        return Source(
            url, suffix_of(name_of(url), is_folder=blob.is_folder), location, blob.content
        )

    def from_folder(
        self,
        kind: type[Artifact],
        folder: str | os.PathLike[str],
        key: str | None,
        storage: str | Storage | None,
    ) -> list[Artifact]:
        """An artifact of every file below a local folder, in the order of their paths, not yet saved."""
        if not isinstance(folder, str | os.PathLike):
            raise InvalidArgument(
                f"not a folder: {shown(folder)}", hint='Artifact.from_dir("./data")'
            )
        root = local_path(os.fspath(folder))
        if not root.is_dir():
            raise InvalidArgument(
                f"not a folder: {str(root)!r}", hint="Artifact(path) for a single file"
            )
        location = locate(
            str(root), [candidate for candidate in self.storages() if candidate.root != "/"]
        )
        prefix = root.name if key is None else key.rstrip("/")
        in_place = location.root is not None and key in (None, location.key) and storage is None
        artifacts = []
        for name, path in sorted(files_in(str(root))):
            source = self.prepare(
                path, key=None if in_place else f"{prefix}/{name}", storage=storage
            )
            artifacts.append(blank(kind, key=source.key if in_place else f"{prefix}/{name}"))
            keep_arguments(artifacts[-1], ArtifactArguments(source=source))
        return artifacts

    def from_object(
        self,
        kind: type[Artifact],
        data: Any,
        *,
        key: str | None,
        description: str | None,
        **kwargs: Any,
    ) -> Artifact:
        """An artifact of an object in memory, written to a temporary file that is removed after saving."""
        path = self.written(data, key)
        artifact = kind(path, key=key, description=description, **kwargs)
        artifact.otype, artifact.n_observations = formats.otype(data), formats.n_observations(data)
        artifact.kind = artifact.kind or "dataset"
        # The file is there as long as the artifact may still be saved.
        arguments_of(artifact, ArtifactArguments).discard = weakref.finalize(
            artifact, shutil.rmtree, path.parent, ignore_errors=True
        )
        return artifact

    def written(self, data: object, key: str | None) -> Path:
        """A temporary file, alone in its folder, with this object in it; the key says in which format."""
        suffix = formats.suffix_for(data, key, suffix_of(key or ""))
        folder = tempfile.mkdtemp(prefix="lamin-")
        try:
            formats.write(data, Path(folder, f"data{suffix}"), suffix)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in object_store.FULL:
                raise Unavailable(
                    f"there is no room for a {suffix} file in {tempfile.gettempdir()!r}",
                    hint="free some space there, or let TMPDIR name another folder",
                ) from error
            raise
        return Path(folder, f"data{suffix}")

    @contextmanager
    def as_path(self, data: object, suffix: str) -> Iterator[str | os.PathLike[str]]:
        """The path itself; for an object, a temporary file in the format of this suffix, removed afterwards."""
        if isinstance(data, str | os.PathLike):
            yield data
            return
        path = self.written(data, f"data{suffix}")
        try:
            yield path
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)


def local_path(path: str) -> Path:
    """The absolute path, links kept. Raises `NotFound` if it is missing, `InvalidArgument` for another kind."""
    text = path_of(path) if is_file_url(path) else path
    if not text or "\0" in text:
        raise InvalidArgument(
            f"not a path: {text!r}", hint="a file or a folder, such as 'raw/counts.csv'"
        )
    text = os.path.abspath(os.path.expanduser(text))
    if not (os.path.isfile(text) or os.path.isdir(text)):
        raise _no_data(text)
    return Path(text)


def _no_data(path: str) -> LaminError:
    if not os.path.lexists(path):
        return NotFound(
            f"no file or folder at {path!r}", hint="check the path; `ls` shows what is there"
        )
    if not os.path.exists(path):
        return NotFound(
            f"{path!r} is a broken link to {os.readlink(path)!r}",
            hint="ls -l shows where links lead",
        )
    return InvalidArgument(
        f"{path!r} is neither a file nor a folder", hint="write it to a file and save that"
    )


def _path_text(path: object) -> str:
    """The path as text. Raises `InvalidArgument` for another object, with a hint what to call instead."""
    if isinstance(path, str | os.PathLike):
        text = os.fspath(path)
        if isinstance(text, str):
            return text
    kind = type(path).__name__
    makers = {
        "DataFrame": "ln.Artifact.from_df(df, key=...)",
        "AnnData": "ln.Artifact.from_anndata(adata, key=...)",
    }
    raise InvalidArgument(
        f"not a path: a {kind}", hint=makers.get(kind, "a path or a URL, as text or pathlib.Path")
    )


def _check_revised(revises: object, key: str | None) -> None:
    if not isinstance(revises, Artifact) or revises.id is None:
        raise InvalidArgument(
            f"not a saved artifact: {revises!r}", hint="revises=ln.Artifact.get(...)"
        )
    if key not in (None, revises.key):
        raise InvalidArgument(
            f"a revision of {revises.key!r} cannot have the key {key!r}", hint="leave `key` out"
        )


def _holds_storage(folder: Path, target: Root) -> bool:
    return not is_remote(target.root) and Path(os.path.realpath(target.root)).is_relative_to(
        os.path.realpath(folder)
    )


def _check_apart(folder: Path, target: Root) -> None:
    """Raise `InvalidArgument` for a folder that would be copied into itself."""
    if _holds_storage(folder, target):
        raise InvalidArgument(
            f"{str(folder)!r} holds the storage that it would be copied into",
            hint="save the folders in it that hold data, or give another `storage`",
        )


def _check_suffix(suffix: str, of_key: str, key: str, name: str) -> None:
    if of_key != suffix:
        raise InvalidArgument(
            f"the suffix of {name!r} is {suffix!r}, that of key {key!r} is {of_key!r}",
            hint=f"end the key in {suffix!r}" if suffix else "leave the suffix of the key out",
        )
