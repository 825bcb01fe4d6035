"""Jobs that have another name now: the series goes on, with its versions and uids, under the new one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import select_in, update_rows
from lamin_core.models import Transform, TransformSeries

Key = tuple[str, str]
"""Namespace and key of a job."""


@dataclass(frozen=True, slots=True)
class Renaming:
    """A job with its earlier names, and the hashes of its code."""

    key: Key
    previous_key: str
    hashes: frozenset[str]

    @property
    def ending(self) -> str:
        """The previous key without its first part, which was the folder of the project.

        >>> Renaming(("snakemake", "Snakefile:map"), "align/Snakefile:map", frozenset()).ending
        'Snakefile:map'
        """
        return self.previous_key.partition("/")[2]


def stems(session: Session, keys: Collection[Key]) -> dict[str, Key]:
    """The stems of the series that bear these keys although they were made under others."""
    query = select(TransformSeries.stem, TransformSeries.namespace, TransformSeries.key)
    rows = select_in(session, query, TransformSeries.key, sorted({key for _, key in keys}))
    return {row.stem: (row.namespace, row.key) for row in rows if (row.namespace, row.key) in keys}


def rename(session: Session, renamings: Collection[Renaming]) -> dict[str, Key]:
    """Give each job the series that it had before, and the series its new key; the stems of those series."""
    renamed: dict[str, Key] = {}
    for renaming in renamings:
        series = _predecessor(session, renaming)
        if series is None or series.stem in renamed:
            continue
        renamed[series.stem] = renaming.key
        update_rows(session, TransformSeries, [{"id": series.id, "key": renaming.key[1]}])
        versions = select(Transform.id).where(Transform.series_id == series.id)
        ids = session.scalars(versions).all()
        update_rows(session, Transform, [{"id": i, "key": renaming.key[1]} for i in ids])
    return renamed


def _predecessor(session: Session, renaming: Renaming) -> TransformSeries | None:
    """The series with the previous key; else, where the folder had another name then, the only one with this code."""
    namespace, key = renaming.key
    of_engine = select(TransformSeries).where(TransformSeries.namespace == namespace)
    named = session.scalar(of_engine.where(TransformSeries.key == renaming.previous_key))
    if named is not None or not renaming.ending:
        return named
    alike = of_engine.where(
        TransformSeries.key.endswith(f"/{renaming.ending}", autoescape=True),
        TransformSeries.key != key,
        TransformSeries.id.in_(
            select(Transform.series_id).where(Transform.hash.in_(sorted(renaming.hashes)))
        ),
    )
    candidates = [
        series
        for series in session.scalars(alike)
        if series.key.partition("/")[2] == renaming.ending
    ]
    return candidates[0] if len(candidates) == 1 else None


def shared_names(series_ids: Mapping[Key, int], current: Mapping[int, str]) -> dict[Key, Key]:
    """Keys that their series no longer have, each with the current key.

    >>> shared_names({("snakemake", "a/Snakefile"): 7, ("snakemake", "Snakefile"): 7}, {7: "Snakefile"})
    {('snakemake', 'a/Snakefile'): ('snakemake', 'Snakefile')}
    """
    return {
        key: (key[0], current[identity])
        for key, identity in series_ids.items()
        if key[1] != current[identity]
    }
