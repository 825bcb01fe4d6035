"""Numbers of versions that were deleted for good, which no other version gets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    """What a version was that somebody deleted for good."""

    hash: str | None
    made_at: datetime
    deleted_at: datetime


def deleted_contents(
    session: Session, stems: Collection[str]
) -> defaultdict[str, list[DeletedContent]]:
    """Return what the deleted versions of artifacts were, by the stem of their series."""
    contents: defaultdict[str, list[DeletedContent]] = defaultdict(list)
    for row in select_in(session, _CONTENTS, DeletedVersion.stem, stems):
        contents[row.stem].append(DeletedContent(row.hash, row.made_at, row.deleted_at))
    return contents


_CONTENTS = select(
    DeletedVersion.stem, DeletedVersion.hash, DeletedVersion.made_at, DeletedVersion.deleted_at
).where(DeletedVersion.made_at.is_not(None))


def deleted_versions(
    versions: Sequence[Version],
    hashes: Mapping[int | None, str | None],
    deleted: Iterable[DeletedContent],
) -> set[int]:
    """Return the positions of those folded versions that somebody deleted for good.

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
    """Return those of these runs that somebody deleted."""
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
