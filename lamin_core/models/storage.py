"""Storages, and contents: bytes identified by their digest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Registry
from lamin_core.models.checks import shown
from lamin_core.models.relations import ToMany
from lamin_core.models.root_path import Root
from lamin_core.models.tables import Base, Identity
from lamin_core.storage.locations import is_remote

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact

UNKNOWN_SIZE = -1
"""The size of content that a producer named without saying how large it is."""


class Storage(Registry):
    """A folder (absolute path), a bucket (`s3://bucket`) or a database. Keys are paths below its root.

    `ln.Storage("s3://bucket/data").save()` creates a storage for copies. The registry never stores
    the endpoint or the credentials. They come from the environment, or from `lamin/storages.toml` in
    the configuration folder of the user.
    """

    __tablename__ = "storage"
    _name_field = "root"
    _search_fields = ("root",)
    _initial = ("root",)
    _instead = {
        "root": "ln.Storage(root).save() is another storage",
        "is_managed": "ln.Storage(root).save() makes it one that copies go into",
    }

    root: Mapped[str] = mapped_column(Root, unique=True)
    type: Mapped[str] = mapped_column(String(32))
    is_managed: Mapped[bool] = mapped_column(default=False)
    """Whether `save()` copies files into it; others are only registered in place."""

    artifacts: ClassVar[ToMany[Artifact]] = ToMany("Artifact", own="storage_id")
    """Those whose bytes are in it."""

    def __init__(self, root: str | os.PathLike[str], **values: object) -> None:
        """A folder, which is made on saving, or a URL that fsspec understands."""
        if not isinstance(root, str | os.PathLike):
            raise InvalidArgument(
                f"not the root of a storage: {shown(root)}", hint='ln.Storage("./data")'
            )
        super().__init__(root=os.fspath(root), **values)

    @property
    def path(self) -> Path | str:
        """The root as a `pathlib.Path`, or the URL as text."""
        return str(self.root) if is_remote(self.root) else Path(self.root)

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ("type",)


class Content(Base):
    """Bytes, by their digest: records are many, content is one."""

    __tablename__ = "content"
    __table_args__ = (UniqueConstraint("hash", "hash_type", "size"),)
    _aliases: ClassVar[dict[str, str]] = {}
    _name_field = "hash"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    hash: Mapped[str] = mapped_column(String(128))
    hash_type: Mapped[str] = mapped_column(String(32))
    size: Mapped[int] = mapped_column(BigInteger)
    n_files: Mapped[int | None]
    """How many files a folder holds; None for a single file."""
