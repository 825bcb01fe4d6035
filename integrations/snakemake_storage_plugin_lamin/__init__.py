"""`storage.lamin("raw/a.csv@0001")`: artifacts of a registry as inputs and outputs of rules.

Snakemake imports this package on every call, used or not, so that nothing heavy is imported here: the
registry is opened when the first query is looked up.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_storage_plugins.io import (
    IOCacheStorageInterface,
    Mtime,
    get_constant_prefix,
)
from snakemake_interface_storage_plugins.settings import StorageProviderSettingsBase
from snakemake_interface_storage_plugins.storage_object import (
    StorageObjectGlob,
    StorageObjectRead,
    StorageObjectTouch,
    StorageObjectWrite,
)
from snakemake_interface_storage_plugins.storage_provider import (
    ExampleQuery,
    QueryType,
    StorageProviderBase,
    StorageQueryValidationResult,
)

from snakemake_storage_plugin_lamin.queries import SCHEME, Query, problem_of

if TYPE_CHECKING:
    from lamin_core.models import Artifact

_CHECKSUM_LIMIT = 1_000_000
"""Bytes up to which a checksum is computed: Snakemake's own limit for local files.

The digests that the registry has are BLAKE3, which is no algorithm of `hashlib`, as the interface requires.
A larger file is identified by its version alone: its time is the one when this version was made.
"""


@dataclass
class StorageProviderSettings(StorageProviderSettingsBase):
    """What can be set: as `--storage-lamin-...`, in a profile, or as `SNAKEMAKE_STORAGE_LAMIN_...`."""

    instance: str | None = field(
        default=None,
        metadata={
            "help": "The instance: its folder, or the URL of its database. Default: the one at or above "
            "the working directory, or the one that LAMIN_INSTANCE names.",
            "env_var": True,
            "type": str,
        },
    )


class StorageProvider(StorageProviderBase):
    """The artifacts of one instance."""

    def __post_init__(self) -> None:
        self._is_open = False

    def open(self) -> None:
        """Open the instance, once. Raises `InstanceNotFound`."""
        instance = getattr(self.settings, "instance", None)
        if instance is not None and not self._is_open:
            import lamin_core as ln

            ln.connect(instance)
        self._is_open = True

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        """Queries for the documentation of the plugin."""
        return [
            ExampleQuery("raw/a.csv@0001", "this version of an artifact", QueryType.INPUT),
            ExampleQuery("raw/a.csv", "the latest version; as output, a new one", QueryType.ANY),
            ExampleQuery("raw/{sample}.csv", "an artifact for each sample", QueryType.ANY),
            ExampleQuery("aRAmhYEzfVu8JHDx0001", "the uid of a version", QueryType.INPUT),
        ]

    def rate_limiter_key(self, query: str, operation: object) -> str:
        """One database, one limit."""
        return "lamin"

    def default_max_requests_per_second(self) -> float:
        """Not used, as there is no limit."""
        return 1000.0

    def use_rate_limiter(self) -> bool:
        """A database needs no limit."""
        return False

    @classmethod
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        """Whether this is a key, `key@version` or a uid; wildcards may be in it."""
        problem = problem_of(query)
        return StorageQueryValidationResult(query, problem is None, problem)

    def postprocess_query(self, query: str) -> str:
        """`lamin://key` means `key`."""
        return query.removeprefix(SCHEME)


class StorageObject(StorageObjectRead, StorageObjectWrite, StorageObjectGlob, StorageObjectTouch):
    """One query, and the artifact that it names."""

    def __post_init__(self) -> None:
        self._parsed = Query.parse(self.query)

    def _artifact(self) -> Artifact | None:
        from lamin_core.errors import NotFound
        from lamin_snakemake.records import artifact_named

        self.provider.open()
        try:
            return artifact_named(self._parsed.name)
        except NotFound:
            return None

    def _existing(self) -> Artifact:
        from lamin_snakemake.records import artifact_named

        self.provider.open()
        return artifact_named(self._parsed.name)

    @property
    def dataset_address(self) -> str:
        """The path or URL by which lineage knows the artifact; of one that is not there yet, where it will be."""
        from lamin_snakemake.records import address_of

        return address_of(self._artifact(), self._parsed.key)

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        """Look up whether it exists, its time and size, in one query."""
        key = self.cache_key()
        if key in cache.exists_in_storage:
            return
        artifact = self._artifact()
        cache.exists_in_storage[key] = artifact is not None and not self._is_removed(artifact)
        if artifact is not None:
            cache.mtime[key] = Mtime(storage=self._modified(artifact))
            cache.size[key] = _size(artifact)

    def get_inventory_parent(self) -> str | None:
        """Return None: a query names one artifact."""
        return None

    def local_suffix(self) -> str:
        """The path below Snakemake's folder for this storage."""
        return self._parsed.local_path

    def cleanup(self) -> None:
        """Do nothing: no temporary files exist."""

    def exists(self) -> bool:
        """Whether the registry has it, and this workflow has not removed it."""
        artifact = self._artifact()
        return artifact is not None and not self._is_removed(artifact)

    def mtime(self) -> float:
        """The time at which this version was created, or last rewritten with the same bytes from this folder."""
        return self._modified(self._existing())

    def size(self) -> int:
        """Bytes; 0 for a folder, and where nobody knows."""
        return _size(self._existing())

    def local_footprint(self) -> int:
        """Bytes that it takes here: none where its bytes are local, as it is linked."""
        artifact = self._existing()
        return 0 if isinstance(artifact.path, Path) else artifact.size or 0

    def checksum(self) -> str | None:
        """`sha256:...` of a small file whose bytes are local, else None."""
        artifact = self._existing()
        path = artifact.path
        if artifact.n_files is not None or not isinstance(path, Path):
            return None
        if artifact.size is None or artifact.size > _CHECKSUM_LIMIT:
            return None
        local = artifact.cache(is_run_input=False)
        return f"sha256:{hashlib.sha256(local.read_bytes()).hexdigest()}"

    def retrieve_object(self) -> None:
        """Link it where Snakemake looks for it; from a bucket, it is fetched once for all workflows.

        Raises `Conflict` where the file no longer holds this version.
        """
        from lamin_snakemake.records import put_at

        _remove_local(self.local_path())
        put_at(self._existing(), self.local_path(), reader=False)

    def store_object(self) -> None:
        """Save what the job wrote: as a new version, if it is not the latest one.

        The run of the job is tied to it by `--logger lamin`. Raises `InvalidArgument` for a pinned
        version.
        """
        from lamin_core.errors import InvalidArgument
        from lamin_snakemake.records import saved

        key = self._parsed.key
        if key is None or self._parsed.version is not None:
            raise InvalidArgument(
                f"{self.query!r} names a version, which never changes", hint="storage.lamin(key)"
            )
        self.provider.open()
        # The same bytes make no new version, but the job that wrote them is up to date from now on.
        self._note(saved(self.local_path(), key, run=False), str(time.time()))

    def remove(self) -> None:
        """Forget this version in this folder, until a job writes it again; the registry keeps it.

        Snakemake removes what a failed job was going to write over, and what is `temp()`.
        """
        self._note(self._existing(), _REMOVED)

    def touch(self) -> None:
        """Make it as new as now for this folder; the registry stays as it is."""
        self._note(self._existing(), str(time.time()))

    def list_candidate_matches(self) -> Iterable[str]:
        """The keys that begin as the query does before its first wildcard."""
        import lamin_core as ln

        self.provider.open()
        prefix = get_constant_prefix(self.query)
        artifacts = ln.Artifact.filter(key__startswith=prefix, is_latest=True)
        return [str(key) for key in artifacts.list("key")]

    def _note(self, artifact: Artifact, state: str) -> None:
        """Note what this folder did with a version: when it was written, or that it was removed."""
        path = self._note_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{artifact.uid} {state}", encoding="ascii")

    def _noted(self, artifact: Artifact) -> str | None:
        try:
            uid, _, state = self._note_path.read_text(encoding="ascii").partition(" ")
        except OSError:
            return None
        return state if uid == artifact.uid else None

    @property
    def _note_path(self) -> Path:
        name = hashlib.sha256(self.query.encode()).hexdigest()[:32]
        return Path(self.provider.local_prefix) / ".written" / name

    def _is_removed(self, artifact: Artifact) -> bool:
        return self._noted(artifact) == _REMOVED

    def _modified(self, artifact: Artifact) -> float:
        """The time when it was made, or written again with the same bytes."""
        created = artifact.created_at.timestamp()
        state = self._noted(artifact)
        return created if state in (None, _REMOVED) else max(created, float(str(state)))


_REMOVED = "removed"


def _size(artifact: Artifact) -> int:
    return 0 if artifact.n_files is not None else artifact.size or 0


def _remove_local(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
