"""Finding datasets: the series of each path, the content of each digest, made where they are new."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_missing, insert_rows, reserve, select_in
from lamin_core.ingest import aliases, new_rows
from lamin_core.ingest.facts import DatasetFacts
from lamin_core.ingest.new_rows import artifact_stem
from lamin_core.models import Artifact, ArtifactSeries, Content, DeletedVersion, Storage
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.models.tables import table_of
from lamin_core.runtime.url_credentials import without_credentials
from lamin_core.storage.canonical_urls import canonical_url
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import MANAGED, Location, Root, locate, outer_root, root_type
from lamin_core.uids import random_uid

Bytes = tuple[str, str, int]
"""Hash, type of the hash, and size of a content."""


@dataclass(slots=True)
class Series:
    """A series as the writing of versions sees it."""

    id: int
    stem: str
    storage_id: int
    key: str | None
    last_observed_at: datetime | None
    is_new: bool = False
    """Whether it was made just now, and has no version yet."""


def find_series(session: Session, paths: Collection[str]) -> dict[str, Series]:
    """The series of the file, object or table at each path, by whichever of its names."""
    names = aliases.canonical(session, paths)
    places = _places(session, {names.get(path, path) for path in paths})
    copied_series_ids = _kept_copies(session, places)
    stems = {
        artifact_stem(location.root.uid, location.key): location
        for path, location in places.items()
        if path not in copied_series_ids and location.root is not None
    }
    existing = series_where(session, ArtifactSeries.stem, stems)
    by_stem = {series.stem: series for series in existing.values()}
    by_stem |= _make_series_at(
        session, {stem: location for stem, location in stems.items() if stem not in by_stem}
    )
    copies = series_where(session, ArtifactSeries.id, set(copied_series_ids.values()))

    def series_of(path: str) -> Series:
        name = names.get(path, path)
        if name in copied_series_ids:
            return copies[copied_series_ids[name]]
        location = places[name]
        assert location.root is not None
        return by_stem[artifact_stem(location.root.uid, location.key)]

    return {path: series_of(path) for path in paths}


def _places(session: Session, paths: Iterable[str]) -> dict[str, Location]:
    storage_roots = roots(session)
    locations: dict[str, Location] = {}
    for path in sorted(paths):
        location = locate(path, storage_roots)
        if location.root is None:
            storage_roots.append(storage_for(session, outer_root(path)))
            location = locate(path, storage_roots)
        locations[path] = location
    return locations


def _kept_copies(session: Session, places: Mapping[str, Location]) -> dict[str, int]:
    """Copies that the registry keeps: the reader means the artifact, not the copy. The series of that, by path.

    Of several artifacts that share a copy it is the oldest: `shared_copies` knows more of the run.
    """
    copies = {
        (location.root.id, location.key): path
        for path, location in places.items()
        if location.root is not None and location.key.startswith(MANAGED + "/")
    }
    rows = select_in(session, _COPIES, Artifact.real_key, {key for _, key in copies})
    return {
        copies[row.storage_id, row.real_key]: row.series_id
        for row in rows
        if (row.storage_id, row.real_key) in copies
    }


# The last one of each copy counts.
_COPIES = select(Artifact.storage_id, Artifact.real_key, Artifact.series_id).order_by(
    Artifact.created_at.desc(), Artifact.id.desc()
)


def series_where(session: Session, column: object, values: Collection[object]) -> dict[int, Series]:
    """The series that have one of these values in this column, by primary key."""
    return {row.id: Series(*row) for row in select_in(session, _SERIES, column, values)}


_SERIES = select(
    ArtifactSeries.id,
    ArtifactSeries.stem,
    ArtifactSeries.storage_id,
    ArtifactSeries.key,
    ArtifactSeries.last_observed_at,
)


def load_series(session: Session, ids: Collection[int]) -> dict[int, Series]:
    """The series with these primary keys."""
    return series_where(session, ArtifactSeries.id, ids)


def _make_series_at(session: Session, places: Mapping[str, Location]) -> dict[str, Series]:
    new = [
        (stem, location.root.id, location.key)
        for stem, location in places.items()
        if location.root is not None
    ]
    return {series.stem: series for series in make_series(session, new)}


def make_series(
    session: Session, new: Sequence[tuple[str, int, str | None]], at: datetime | None = None
) -> list[Series]:
    """New series by their stem, storage and key, which are not there; with `at`, observed then."""
    new_series = [
        Series(i, *fields, at, is_new=True)
        for i, fields in zip(reserve(session, ArtifactSeries, len(new)), new, strict=True)
    ]
    rows = [
        {"id": series.id, **new_rows.artifact_series(*fields, at)}
        for series, fields in zip(new_series, new, strict=True)
    ]
    insert_rows(session, ArtifactSeries, rows)
    return new_series


def bytes_of(dataset: DatasetFacts) -> Bytes | None:
    """The facts that identify the content of this dataset; None if unknown."""
    if dataset.hash is None:
        return None
    return (
        dataset.hash,
        dataset.hash_type or "unknown",
        UNKNOWN_SIZE if dataset.size is None else dataset.size,
    )


class Kept(NamedTuple):
    """A content as the registry has it; `n_files` where it is a folder's."""

    id: int
    n_files: int | None


def find_contents(session: Session, datasets: Iterable[DatasetFacts]) -> dict[Bytes, Kept]:
    """The content that each of these datasets has, made where it is new."""
    return contents_of(
        session,
        {
            content: dataset.n_files
            for dataset in datasets
            if (content := bytes_of(dataset)) is not None
        },
    )


def contents_of(session: Session, file_counts: Mapping[Bytes, int | None]) -> dict[Bytes, Kept]:
    """These contents, each with how many files it has if it is a folder's; made where they are new."""
    rows = select_in(session, _CONTENTS, Content.hash, {content[0] for content in file_counts})
    existing = {(row.hash, row.hash_type, row.size): Kept(row.id, row.n_files) for row in rows}
    missing = sorted(content for content in file_counts if content not in existing)
    ids = reserve(session, Content, len(missing))
    created = {
        content: Kept(identity, file_counts[content])
        for content, identity in zip(missing, ids, strict=True)
    }
    insert_rows(
        session,
        Content,
        [
            {"id": row.id, **new_rows.content(*content, row.n_files)}
            for content, row in created.items()
        ],
    )
    return {content: existing.get(content) or created[content] for content in file_counts}


_CONTENTS = select(Content.id, Content.hash, Content.hash_type, Content.size, Content.n_files)


def last_numbers(session: Session, series: Collection[int]) -> dict[int, int]:
    """Return the highest version number of each of these series, permanently deleted versions included."""
    highest = {}
    for series_id, *numbers in select_in(session, _LAST_NUMBERS, ArtifactSeries.id, series):
        highest[series_id] = max((number for number in numbers if number is not None), default=-1)
    return highest


_LAST_NUMBERS = select(
    ArtifactSeries.id,
    select(func.max(Artifact.number))
    .where(Artifact.series_id == ArtifactSeries.id)
    .scalar_subquery(),
    select(func.max(DeletedVersion.number))
    .where(DeletedVersion.stem == ArtifactSeries.stem)
    .scalar_subquery(),
)


def known_series(session: Session, paths: Collection[str]) -> dict[str, Series]:
    """The series with exactly these paths, whether or not they have other names."""
    if not paths:
        return {}
    storage_roots = roots(session)
    places = {path: locate(path, storage_roots) for path in paths}
    stems = {
        artifact_stem(location.root.uid, location.key): path
        for path, location in places.items()
        if location.root is not None
    }
    return {
        stems[series.stem]: series
        for series in series_where(session, ArtifactSeries.stem, stems).values()
    }


def roots(session: Session) -> list[Root]:
    """Return all storages as the resolver sees them: without credentials, and in the spelling of today.

    Older releases have written roots with both as they came.
    """
    columns = select(Storage.id, Storage.uid, Storage.root, Storage.is_managed)
    return [
        Root(row.id, row.uid, canonical_url(without_credentials(row.root)), row.is_managed)
        for row in session.execute(columns)
    ]


def storage_for(session: Session, root: str, *, is_managed: bool = False) -> Root:
    """The storage with this root, made if it is new."""
    storage = session.scalar(select(Storage).where(Storage.root == root))
    if storage is None:
        storage = Storage(
            uid=random_uid(12), root=root, type=root_type(root), is_managed=is_managed
        )
        session.add(storage)
        session.flush()
    return Root(storage.id, storage.uid, storage.root, storage.is_managed)


def copied_series(session: Session, path: str, storage_roots: list[Root]) -> int | None:
    """The series whose copy the registry keeps at this path: who reads that means the artifact, not the copy.

    The oldest of several that share it.
    """
    location = locate(path, storage_roots)
    if location.root is None:
        return None
    query = select(Artifact.series_id).where(
        Artifact.real_key == location.key, Artifact.storage_id == location.root.id
    )
    return session.scalar(query.order_by(Artifact.created_at, Artifact.id).limit(1))


def content_for(session: Session, digest: Digest) -> int:
    """The primary key of this content, made if it is new."""
    row = new_rows.content(digest.hash, digest.hash_type, digest.size, digest.n_files)
    identity = insert_missing(session, table_of(Content), row)
    if identity is not None:
        return identity
    same = {name: row[name] for name in ("hash", "hash_type", "size")}
    return session.scalars(select(Content.id).filter_by(**same)).one()
