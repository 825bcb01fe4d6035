"""The bytes of a saved artifact: where they are, fetched, loaded, opened, and compared with its digest."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lamin_core.db.database import Database
from lamin_core.errors import Conflict, Hint, InvalidArgument, NotFound, Unavailable
from lamin_core.ingest.inputs import Reader, note_input
from lamin_core.models import Artifact, Storage
from lamin_core.models.arguments import ArtifactArguments, arguments_of
from lamin_core.storage import blobs, formats, object_store
from lamin_core.storage.digest_cache import DigestCache, state_of
from lamin_core.storage.hashing import FILE, FOLDER, Digest
from lamin_core.storage.locations import Root, is_remote, locate, name_of, spare_key
from lamin_core.storage.rooted_paths import copy_location, location
from lamin_core.watching import opening
from lamin_core.watching.accesses import READ


class _Records(Protocol):
    def by_id(self, registry: Any, identity: int) -> Any: ...


class _Unsaved(NamedTuple):
    """The local file of an artifact that is not saved yet."""

    path: Path
    suffix: str
    name: str


class Contents:
    """The bytes of the artifacts of one instance."""

    def __init__(
        self,
        database: Database,
        cache: Path,
        records: _Records,
        digests: DigestCache,
        storages: Callable[[], Sequence[Root]],
    ) -> None:
        self._database = database
        self._cache = cache
        self._records = records
        self._digests = digests
        self._storages = storages
        self._roots: dict[int, str] = {}

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
        path = self._local_path(artifact)
        note_input(self._database, reader, artifact)
        return path

    def load(self, artifact: Artifact, *, reader: Reader = None, trust: bool = False) -> Any:
        """The content in memory; the current run has then read it."""
        if artifact.storage_id is None:
            return self._load_unsaved(artifact, trust=trust)
        formats.check_trusted(artifact.suffix, trust=trust)
        path = self._local_path(artifact)
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
        handle = self._open_remote(path, artifact) if isinstance(path, str) else None
        if handle is None:
            local = self._local_path(artifact)
            with formats.understood(artifact.key or local.name, artifact.suffix):
                handle = formats.open_stream(local, artifact.suffix)
        note_input(self._database, reader, artifact)
        return handle

    def _open_remote(self, url: str, artifact: Artifact) -> object:
        """Read from the storage itself, as far as it is used; None where the file must be fetched."""
        blobs.check_tag(url, artifact.content_digest)
        if artifact.is_copy and not self._is_unchanged(url, artifact):
            return None
        # What is no error of the way there is one of the file.
        with (
            object_store.reaching(url),
            formats.understood(artifact.key or url, artifact.suffix, OSError),
        ):
            return formats.open_remote(*object_store.filesystem(url), artifact.suffix)

    def _is_unchanged(self, url: str, artifact: Artifact) -> bool:
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

    def _local_path(self, artifact: Artifact) -> Path:
        path = self.path(artifact)
        opening.declare(str(path), READ)
        if isinstance(path, str):
            target = self._cache / artifact.uid / name_of(path)
            self._make_cache()
            return blobs.bring(path, target, artifact.content_digest, self._digests)
        try:
            return self._in_place(artifact, Path(path))
        except (Conflict, NotFound):
            spare = self._spare_copy(artifact)
            if spare is None:
                raise
            return spare

    def _spare_copy(self, artifact: Artifact) -> Path | None:
        """The copy of bytes that have been changed or removed in place, if a storage has one."""
        if artifact.is_copy:
            return None
        content = artifact.content_digest
        if content is None:
            return None
        key = spare_key(content, artifact.suffix)
        for root in self._storages():
            if not root.is_managed or not blobs.holds(root.root, key, content):
                continue
            path = copy_location(root.root, key)
            opening.declare(path, READ)
            if is_remote(path):
                self._make_cache()
                target = self._cache / artifact.uid / name_of(path)
                return blobs.bring(path, target, content, self._digests)
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
            raise NotFound(gone, hint=_remedy(artifact, path, self._storages())) from error
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
        return _is_untouched(path, content, since) or self._digests.at(path).digest == content

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
