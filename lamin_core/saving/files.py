"""The bytes of an artifact: find, cache, load, open; and the source of a new one."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lamin_core.db.database import Database
from lamin_core.errors import Conflict, Hint, InvalidArgument, LaminError, NotFound, Unavailable
from lamin_core.ingest.datasets import roots
from lamin_core.ingest.inputs import Reader, note_input
from lamin_core.models import Artifact, Storage, blank
from lamin_core.models.arguments import ArtifactArguments, Source, arguments_of, keep_arguments
from lamin_core.models.checks import shown
from lamin_core.runtime.settings import settings
from lamin_core.storage import blobs, formats, object_store
from lamin_core.storage.digest_cache import DigestCache, state_of
from lamin_core.storage.hashing import FILE, FOLDER, Digest, files_in
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
    spare_key,
    suffix_of,
)
from lamin_core.storage.rooted_paths import copy_location, location
from lamin_core.watching import opening
from lamin_core.watching.accesses import READ, WRITE


class _Records(Protocol):
    def by_id(self, registry: Any, identity: int) -> Any: ...


class _Unsaved(NamedTuple):
    """The local file of an artifact that is not saved yet."""

    path: Path
    suffix: str
    name: str


class Files:
    """The files of one instance."""

    def __init__(self, database: Database, storage: str, cache: Path, records: _Records) -> None:
        self._database = database
        self._storage = storage
        self._cache = cache
        self._records = records
        self._contents = DigestCache(cache / "digests.db", shown=True)
        self._roots: dict[int, str] = {}
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
            return self._contents.at(local_path(path)).digest
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
            seen = self._contents.at(path)
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

    def path(self, artifact: Artifact) -> Any:
        """The location of the bytes: a `Path`, or a URL as text. Raises `Conflict` if it is outside of the storage."""
        root, key = self.where(artifact)
        text = copy_location(root, key) if artifact.is_copy else location(root, key)
        return text if is_remote(root) else Path(text)

    def where(self, artifact: Artifact) -> tuple[str, str]:
        """The root of the storage that has the bytes, and their key in it."""
        if artifact.storage_id is None:
            raise InvalidArgument(
                f"{artifact!r} is not saved, so its bytes are in no storage", hint="call .save()"
            )
        if artifact.storage_id not in self._roots:
            self._roots[artifact.storage_id] = self._records.by_id(
                Storage, artifact.storage_id
            ).root
        return self._roots[artifact.storage_id], artifact.real_key or artifact.key or ""

    def cache(self, artifact: Artifact, *, reader: Reader = None) -> Path:
        """A local path to the bytes, fetched once; the current run has then read them. Raises `NotFound`."""
        if artifact.storage_id is None:
            return self._unsaved(artifact).path
        path = self._here(artifact)
        note_input(self._database, reader, artifact)
        return path

    def load(self, artifact: Artifact, *, reader: Reader = None, trust: bool = False) -> Any:
        """The content in memory; the current run has then read it."""
        if artifact.storage_id is None:
            return self._load_unsaved(artifact, trust=trust)
        formats.check_trusted(artifact.suffix, trust=trust)
        path = self._here(artifact)
        with opening.unwatched(), formats.understood(artifact.key or path.name, artifact.suffix):
            loaded = formats.load(path, artifact.suffix, trust=trust)
        note_input(self._database, reader, artifact)
        return loaded

    def _load_unsaved(self, artifact: Artifact, *, trust: bool) -> object:
        """The content of the local file that is to be saved."""
        source = self._unsaved(artifact)
        formats.check_trusted(source.suffix, trust=trust)
        with opening.unwatched(), formats.understood(source.name, source.suffix):
            return formats.load(source.path, source.suffix, trust=trust)

    def _open_unsaved(self, artifact: Artifact) -> object:
        """A handle on the local file that is to be saved."""
        source = self._unsaved(artifact)
        with formats.understood(source.name, source.suffix):
            return formats.open_stream(source.path, source.suffix)

    def _unsaved(self, artifact: Artifact) -> _Unsaved:
        """The local file that is to be saved; no run has then read an artifact. Raises `NotFound`."""
        source = arguments_of(artifact, ArtifactArguments).source
        if source is None or is_remote(source.path):
            self.where(artifact)  # says that it is not saved
        assert source is not None
        path = Path(source.path)
        if not path.exists():
            raise NotFound(f"no file or folder at {source.path!r}")
        return _Unsaved(path, source.suffix, artifact.key or path.name)

    def open(self, artifact: Artifact, *, reader: Reader = None) -> Any:
        """A handle for streaming; the current run has then read it."""
        if artifact.storage_id is None:
            return self._open_unsaved(artifact)
        path = self.path(artifact)
        handle = self._opened_there(path, artifact) if isinstance(path, str) else None
        if handle is None:
            here = self._here(artifact)
            with formats.understood(artifact.key or here.name, artifact.suffix):
                handle = formats.open_stream(here, artifact.suffix)
        note_input(self._database, reader, artifact)
        return handle

    def _opened_there(self, url: str, artifact: Artifact) -> object:
        """Read from the storage itself, as far as it is used; None where the file must be fetched."""
        blobs.check_tag(url, artifact.content_digest)
        if artifact.is_copy and not self._stands(url, artifact):
            return None
        # What is no error of the way there is one of the file.
        with (
            object_store.reaching(url),
            formats.understood(artifact.key or url, artifact.suffix, OSError),
        ):
            return formats.open_remote(*object_store.filesystem(url), artifact.suffix)

    def _stands(self, url: str, artifact: Artifact) -> bool:
        """Whether one request to the store shows no change of a copy: its size, and no later write.

        What was written since is fetched, which compares every byte. Of a folder of more objects
        than the store lists at once, nothing is asked.
        """
        content = artifact.content_digest
        if content is None or (content.n_files or 0) > _LISTED_AT_ONCE:
            return True
        observed = object_store.look(url)
        if observed.size is not None and observed.size != content.size:
            raise _damaged(url)
        return observed.written is None or observed.written <= artifact.created_at.timestamp()

    def _here(self, artifact: Artifact) -> Path:
        path = self.path(artifact)
        opening.declare(str(path), READ)
        if isinstance(path, str):
            target = self._cache / artifact.uid / name_of(path)
            self._make_cache()
            return blobs.bring(path, target, artifact.content_digest, self._contents)
        try:
            return self._in_place(artifact, Path(path))
        except (Conflict, NotFound):
            spare = self._spare(artifact)
            if spare is None:
                raise
            return spare

    def _spare(self, artifact: Artifact) -> Path | None:
        """The copy of bytes that have been changed or removed in place, if a storage has one."""
        if artifact.is_copy:
            return None
        content = artifact.content_digest
        if content is None:
            return None
        key = spare_key(content, artifact.suffix)
        for root in self.storages():
            if not root.is_managed or not blobs.holds(root.root, key, content):
                continue
            path = copy_location(root.root, key)
            opening.declare(path, READ)
            if is_remote(path):
                self._make_cache()
                target = self._cache / artifact.uid / name_of(path)
                return blobs.bring(path, target, content, self._contents)
            if self.holds(Path(path), content, artifact.created_at):
                return Path(path)
        return None

    def _in_place(self, artifact: Artifact, local: Path) -> Path:
        """The path itself. Raises `NotFound`, `Conflict` or `Unavailable` unless this version can be read there."""
        path = str(local)
        try:
            self._check_unchanged(artifact, local)
        except (FileNotFoundError, NotADirectoryError) as error:
            gone = f"the bytes of {artifact.uid} are gone: nothing at {path!s}"
            raise NotFound(gone, hint=_remedy(artifact, path, self.storages())) from error
        except OSError as error:
            message = f"{str(path)!r} cannot be read: {error.strerror or error}"
            raise Unavailable(message, hint="check who may read it: ls -l") from error
        if artifact.is_copy and not os.access(local, os.R_OK):
            raise Unavailable(
                f"the copy at {str(path)!r} is not readable for you, as its source was not",
                hint="let whoever saved it do so again from a file that you may read",
            )
        return local

    def _make_cache(self) -> None:
        """Make the cache this user's alone: what a bucket keeps private stays so. One that is there stays as it is."""
        try:
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            self._cache.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"{str(self._cache)!r} cannot be made: {error.strerror}",
                hint="choose another folder: lamin settings set --user cache_dir FOLDER",
            ) from error

    def check_unchanged(self, artifact: Artifact) -> None:
        """Raise `Conflict` if the path has other bytes than this version, `NotFound` if it does not exist."""
        path = self.path(artifact)
        if isinstance(path, str):
            blobs.check_tag(path, artifact.content_digest)
        else:
            self._in_place(artifact, path)

    def holds(self, path: Path, content: Digest, since: datetime) -> bool:
        """Return whether these bytes are there; they are read only if they may have changed since then."""
        return _is_untouched(path, content, since) or self._contents.at(path).digest == content

    def _check_unchanged(self, artifact: Artifact, path: Path) -> None:
        """Raise `Conflict` unless these are the bytes of this version; they are read only if they may be others.

        Nobody changes a copy, but it may be damaged; a file registered in place may be written
        over. Raises `OSError` where nothing is, or this user may not look.
        """
        path.stat()  # before the database is asked: of an artifact that was erased, both are gone
        content = artifact.content_digest
        if content is None or content.hash_type not in (FILE, FOLDER):
            return
        if self.holds(path, content, artifact.created_at):
            return
        if artifact.is_copy:
            raise _damaged(str(path))
        raise Conflict(
            f"{str(path)!r} has changed: it no longer holds version {artifact.version} of {artifact.key!r}",
            hint=Hint(
                f"save it again as a new version; {_KEEPS_COPIES}",
                command=f"save it again as a new version; {_KEEPS_COPIES.command}",
            ),
        )


_LISTED_AT_ONCE = 1_000
"""Objects that a bucket lists in one answer."""


def _damaged(path: str) -> Conflict:
    return Conflict(
        f"the copy at {path!r} is damaged: these are not the bytes that were saved",
        hint="lamin fsck --deep --delete-damaged, then save the original again",
    )


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


def _is_untouched(path: Path, content: Digest, cutoff: datetime) -> bool:
    """Whether nothing there was written, moved or removed since; then it need not be read to know that it is the same.

    One look at each file. Whoever writes to a file changes its times; only `ctime` cannot be put
    back. What changes within one tick of the file system's clock (4 to 10 ms) after the save, and
    keeps the size, is not seen.
    """
    state = state_of(path)
    size = sum(entry[3] for entry in state)
    n_files = 1 if content.n_files is None else content.n_files
    if (len(state), size) != (n_files, content.size):
        return False
    at = cutoff.timestamp() * 1e9
    return all(max(modified, changed) < at for _, modified, changed, *_ in state)


def _check_suffix(suffix: str, of_key: str, key: str, name: str) -> None:
    if of_key != suffix:
        raise InvalidArgument(
            f"the suffix of {name!r} is {suffix!r}, that of key {key!r} is {of_key!r}",
            hint=f"end the key in {suffix!r}" if suffix else "leave the suffix of the key out",
        )


_KEEPS_COPIES = Hint(
    "ln.Artifact(PATH, key=KEY).save() keeps a copy of each version",
    command="lamin save PATH --key KEY keeps a copy of each version",
)


def _remedy(artifact: Artifact, path: str | os.PathLike[str], storages: Sequence[Root]) -> str:
    """The hint for an artifact whose bytes are not at this path."""
    root = locate(os.fspath(path), storages).root
    if root is not None and not os.path.isdir(root.root):
        return (
            f"mount {root.root!r}; if it was moved: lamin storage move {shlex.quote(root.root)} NEW"
        )
    if artifact.is_copy:
        return "restore the file"
    return Hint(
        f"restore the file, which was registered in place; {_KEEPS_COPIES}",
        command=f"restore the file, which was registered in place; {_KEEPS_COPIES.command}",
    )
