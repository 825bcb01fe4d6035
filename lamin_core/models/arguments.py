"""Arguments of constructors that are not columns: they are stored with the record until it is saved.

A record has one of these at most, in one attribute; `arguments_of` finds it, or an empty one where
the record was made without its constructor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import Location, Root

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from lamin_core.models.artifact import Artifact
    from lamin_core.models.feature import Feature
    from lamin_core.models.run import Run
    from lamin_core.models.schema import Schema
    from lamin_core.models.transform import Transform
    from lamin_core.runtime.process import Process
    from lamin_core.storage.digest_cache import StatDigest


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a new artifact: the location and digest of its bytes, and the target of the copy on saving."""

    path: str
    suffix: str
    location: Location
    content: Digest | None
    target: Root | None = None
    """None if the bytes are registered in place."""
    seen: StatDigest | None = None
    spare: Root | None = None
    """The storage that gets a second copy of bytes that are registered in place, if any."""

    @property
    def key(self) -> str:
        """The key that the place itself gives."""
        return self.location.key


@dataclass(slots=True)
class Arguments:
    """Arguments of any record that are not columns, before it is saved."""

    is_tried: bool = False
    """Whether saving began: from then on the record may have fields that savers derive."""


@dataclass(slots=True)
class ArtifactArguments(Arguments):
    """Arguments of an artifact."""

    source: Source | None = None
    prepared: tuple[str | None] | None = None
    """The key that the source was prepared for, which must not change; None where any key will do."""
    revises: Artifact | None = None
    run: Run | bool | None = None
    """The run that creates it: this run, none (False), or the current run."""
    discard: Callable[[], object] | None = None
    """Removes the temporary file that the artifact is made of."""
    features: Mapping[str, object] | None = None
    """Values of features by name, written in the transaction that saves it."""
    annotate: Callable[[Session, int], object] | None = None
    """Ties the version with this primary key to what it was found to hold, in the transaction that saves it."""


@dataclass(slots=True)
class TransformArguments(Arguments):
    """Arguments of a transform."""

    revises: Transform | None = None
    uid: str | None = None
    """The stem or the uid that it is to have."""


@dataclass(slots=True)
class SchemaArguments(Arguments):
    """Arguments of a schema."""

    members: list[tuple[Feature, bool]] = field(default_factory=list)
    """Each feature, and whether it may be missing."""
    slots: dict[str, Schema] = field(default_factory=dict)
    index: Feature | None = None


@dataclass(slots=True)
class CollectionArguments(Arguments):
    """Arguments of a collection."""

    members: list[Artifact] = field(default_factory=list)


@dataclass(slots=True)
class RunArguments(Arguments):
    """Arguments of a run."""

    process: Process | None = None
    """The process that it is; None for this one."""


A = TypeVar("A", bound=Arguments)


def arguments_of(record: object, kind: type[A]) -> A:
    """Return the arguments of a record, which are of this kind."""
    arguments = vars(record).get("_arguments")
    if isinstance(arguments, kind):
        return arguments
    return keep_arguments(record, kind())


def keep_arguments(record: object, arguments: A) -> A:
    """Let the record have these arguments until it is saved; returns them."""
    vars(record)["_arguments"] = arguments
    return arguments
