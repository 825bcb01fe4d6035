"""Which version of a dataset each run saw: a fold over everything observed of it, in the order of time.

A run that writes other bytes than the newest version makes a new version; the same bytes are the
same version; old bytes written again are a new version. A reader belongs to the version with the
bytes it saw, or, if it did not say, to the newest at that time: never to a version written after it
read, nor to one that the same run wrote. Who reported first makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from lamin_core.enums import Direction


@dataclass(frozen=True, slots=True)
class Observation:
    """A run read or wrote the dataset (`edge` is the row of that edge), or a person saved it (`pinned` is its row)."""

    at: datetime
    direction: Direction | Literal["dataset"]
    content_id: int | None
    run_id: int | None = None
    edge_id: int | None = None
    pinned: int | None = None
    run_uid: str = ""
    """Orders what happened at one moment: primary keys would follow the order of arrival."""
    traits: Mapping[str, Any] | None = None
    """The facts about the version except its content."""
    own_write: datetime | None = None
    """When the run itself first wrote the dataset."""

    @property
    def order(self) -> tuple[datetime, int, str, int]:
        """The order at equal times: readers that saw the bytes, then writers, then readers that did not look.

        A reader that wrote the dataset itself comes before what it wrote.
        """
        rank = 1 if self.wrote else 0 if self.content_id is not None or self._reads_first else 2
        return self.counts_at, rank, self.run_uid, self.edge_id or self.pinned or 0

    @property
    def counts_at(self) -> datetime:
        """The time of the observation: a read without a known content comes before the write of the same run."""
        return self.own_write if self.own_write is not None and self._reads_first else self.at

    @property
    def _reads_first(self) -> bool:
        return self.is_blind and self.own_write is not None and self.own_write <= self.at

    @property
    def is_blind(self) -> bool:
        """Whether a run read the dataset without saying which bytes it saw."""
        return self.direction == "input" and self.content_id is None

    @property
    def wrote(self) -> bool:
        """Whether the bytes were written at that time: by a run, or by a save without a run."""
        return self.direction == "output" or bool((self.traits or {}).get("saved"))


@dataclass(slots=True)
class Version:
    """A stretch of time with the same bytes, and who saw it."""

    at: datetime
    content_id: int | None
    writer: int | None
    pinned: int | None = None
    seen_by: list[Observation] = field(default_factory=list)
    traits: dict[str, Any] = field(default_factory=dict)


def fold(observations: Iterable[Observation]) -> list[Version]:
    """The versions that follow from these observations, oldest first; the order of the observations does not matter.

    >>> from datetime import UTC; t = lambda n: datetime(2026, 1, n, tzinfo=UTC)
    >>> written, read = Observation(t(1), "output", 7, 1, 1), Observation(t(2), "input", 7, 2, 2)
    >>> [(v.content_id, len(v.seen_by)) for v in fold([read, written])]
    [(7, 2)]
    """
    versions: list[Version] = []
    for observation in in_order(observations):
        version = matching_version(observation, versions)
        if version is None:
            version = Version(observation.at, observation.content_id, None)
            versions.append(version)
        _join(version, observation)
    return versions


def in_order(observations: Iterable[Observation]) -> list[Observation]:
    """The observations of one dataset in the order in which they count.

    >>> from datetime import UTC; t = datetime(2026, 1, 1, tzinfo=UTC)
    >>> both = [Observation(t, "output", None, 1), Observation(t, "input", None, 1)]
    >>> [observation.direction for observation in in_order(both)]
    ['input', 'output']
    """
    observations = list(observations)
    written_at = _first_writes(observations)
    dated = []
    for observation in observations:
        own_write = None if observation.run_id is None else written_at.get(observation.run_id)
        dated.append(replace(observation, own_write=own_write))
    return sorted(dated, key=lambda observation: observation.order)


def _first_writes(observations: Iterable[Observation]) -> dict[int, datetime]:
    """The time at which each run first wrote the dataset, by the primary key of the run."""
    written_at: dict[int, datetime] = {}
    for observation in observations:
        if observation.direction == "output" and observation.run_id is not None:
            previous = written_at.get(observation.run_id, observation.at)
            written_at[observation.run_id] = min(previous, observation.at)
    return written_at


def matching_version(observation: Observation, versions: Sequence[Version]) -> Version | None:
    """The version that an observation made after all others belongs to; None where it shows a new one."""
    head = versions[-1] if versions else None
    if head is None:
        return None
    if observation.pinned is not None:
        return head if head.pinned is None and head.content_id == observation.content_id else None
    if observation.wrote:
        if observation.content_id is None:  # unverified: one version for each run that wrote it
            return head if head.content_id is None and head.writer == observation.run_id else None
        return head if head.content_id == observation.content_id else None
    if observation.content_id is None or head.content_id is None:
        return head  # the newest at that time; a reader that looked tells what an unverified one is
    return next((v for v in reversed(versions) if v.content_id == observation.content_id), None)


def _join(version: Version, observation: Observation) -> None:
    version.seen_by.append(observation)
    version.traits.update(observation.traits or {})
    if version.content_id is None:
        version.content_id = observation.content_id
    if observation.direction == "output" and version.writer is None:
        version.writer = observation.run_id
    if observation.pinned is not None:
        version.pinned = observation.pinned
