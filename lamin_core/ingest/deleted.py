"""Numbers of permanently deleted versions, which are not used again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import select_in
from lamin_core.ingest.versions import Version
from lamin_core.models import DeletedRun, DeletedVersion


def deleted_numbers(session: Session, stems: Collection[str]) -> defaultdict[str, set[int]]:
    """Return the numbers of the deleted versions, by the stem of their series."""
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for row in select_in(session, _NUMBERS, DeletedVersion.stem, stems):
        numbers[row.stem].add(row.number)
    return numbers


_NUMBERS = select(DeletedVersion.stem, DeletedVersion.number)


@dataclass(frozen=True, slots=True)
class DeletedContent:
    """A version that was deleted permanently."""

    hash: str | None
    made_at: datetime
    deleted_at: datetime


@dataclass(slots=True)
class Deletions:
    """The deleted versions of a series of artifacts."""

    numbers: set[int] = field(default_factory=set)
    contents: list[DeletedContent] = field(default_factory=list)
    """The identities of deleted versions, if they are stored: older releases stored only the numbers."""


def deletions_of(session: Session, stems: Collection[str]) -> defaultdict[str, Deletions]:
    """Return the deleted versions of artifacts, by the stem of their series, in one statement."""
    deletions: defaultdict[str, Deletions] = defaultdict(Deletions)
    for row in select_in(session, _DELETIONS, DeletedVersion.stem, stems):
        deletions[row.stem].numbers.add(row.number)
        if row.made_at is not None:
            content = DeletedContent(row.hash, row.made_at, row.deleted_at)
            deletions[row.stem].contents.append(content)
    return deletions


_DELETIONS = select(
    *(DeletedVersion.stem, DeletedVersion.number, DeletedVersion.hash),
    *(DeletedVersion.made_at, DeletedVersion.deleted_at),
)


def deleted_versions(
    versions: Sequence[Version],
    hashes: Mapping[int | None, str | None],
    deleted: Iterable[DeletedContent],
) -> set[int]:
    """Return the positions of those folded versions that were deleted permanently.

    What was written once more after that is another version.
    """
    positions: set[int] = set()
    for content in deleted:
        candidates = [
            position
            for position, version in enumerate(versions)
            if position not in positions and _is_deleted(version, hashes, content)
        ]
        nearest = min(
            candidates, key=lambda at: abs(versions[at].at - content.made_at), default=None
        )
        positions |= set() if nearest is None else {nearest}
    return positions


def _is_deleted(
    version: Version, hashes: Mapping[int | None, str | None], content: DeletedContent
) -> bool:
    is_written_later = any(seen.wrote and seen.at > content.deleted_at for seen in version.seen_by)
    is_same = version.pinned is None and hashes.get(version.content_id) == content.hash
    return is_same and version.at <= content.deleted_at and not is_written_later


def deleted_runs(session: Session, run_ids: Collection[str]) -> set[str]:
    """Return those of these runs that were deleted permanently."""
    rows = select_in(session, _RUNS, DeletedRun.external_id, run_ids)
    return {row.external_id for row in rows}


_RUNS = select(DeletedRun.external_id)


def free_numbers(deleted: Collection[int], start: int = 0) -> Iterator[int]:
    """Yield the numbers from `start` that no deleted version had.

    >>> numbers = free_numbers({1, 2})
    >>> next(numbers), next(numbers)
    (0, 3)
    """
    return (number for number in count(start) if number not in deleted)
