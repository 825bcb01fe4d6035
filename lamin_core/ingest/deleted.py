"""Numbers of versions that were deleted for good, which no other version gets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import select_in
from lamin_core.models import DeletedVersion


def deleted_numbers(session: Session, stems: Collection[str]) -> defaultdict[str, set[int]]:
    """Return the numbers of the deleted versions, by the stem of their series."""
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for row in select_in(session, _NUMBERS, DeletedVersion.stem, stems):
        numbers[row.stem].add(row.number)
    return numbers


_NUMBERS = select(DeletedVersion.stem, DeletedVersion.number)


def free_numbers(deleted: Collection[int], start: int = 0) -> Iterator[int]:
    """Yield the numbers from `start` that no deleted version had.

    >>> numbers = free_numbers({1, 2})
    >>> next(numbers), next(numbers)
    (0, 3)
    """
    return (number for number in count(start) if number not in deleted)
