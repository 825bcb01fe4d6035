"""Find the artifact at a path or URL, also if the path leads through other folders or links.

The folders of a path are resolved, its last name is not: `/home/me/a.csv` and `/gpfs/me/a.csv` are
one file where `/home/me` is a link, while `latest.csv` that links to `a.csv` is a file of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from lamin_core.models import Artifact, DatasetAlias, Storage
from lamin_core.runtime.url_credentials import without_credentials
from lamin_core.storage.canonical_urls import file_host
from lamin_core.storage.locations import is_file_url, is_remote, path_of

Candidate = tuple[int, str]
"""The primary key of a storage and a key below its root."""


def is_path(name: str) -> bool:
    """Whether a name can only be a path or a URL.

    >>> is_path("/data/a.csv"), is_path("../a.csv"), is_path("s3://b/a.csv"), is_path("raw/a.csv")
    (True, True, True, False)
    """
    return name in (".", "..") or is_remote(name) or name.startswith(("/", "./", "../", "~"))


def is_present(name: str) -> bool:
    """Whether a file, folder or link is at this path, seen from the working directory."""
    return os.path.lexists(os.path.expanduser(name))


def artifacts_at(session: Session, name: str, as_of: datetime | None = None) -> list[Artifact]:
    """The artifact at this path or URL, under the longest root of a storage that has one; usually one or none.

    Several where artifacts share the copy at this path.
    """
    if not name or "\0" in name:
        return []
    spellings = _spellings(absolute(name))
    roots = _roots(session)
    artifacts = _first_of(session, _candidates(spellings, roots), as_of)
    if artifacts:
        return artifacts
    aliases = session.scalars(
        select(DatasetAlias.canonical).where(DatasetAlias.path.in_(spellings))
    ).all()
    if aliases:
        return _first_of(session, _candidates(aliases, roots), as_of)
    return _through_links(session, spellings[-1], dict(roots), as_of)


def artifacts_of_other_hosts(
    session: Session, name: str, as_of: datetime | None = None
) -> dict[str, Artifact]:
    """The artifacts with this path on other hosts, by their URLs: `file://node1/data/a.csv` for `/data/a.csv`.

    None for a URL, and for a path at which this machine has something: that is another file.
    """
    if not name or "\0" in name or is_remote(name) or is_present(name):
        return {}
    path = absolute(name)
    artifacts: dict[str, Artifact] = {}
    for identity, root in _roots(session):
        host = file_host(root)
        keys = [] if host is None else _keys([path], [path_of(root)])
        for artifact in _first_of(session, [(identity, key) for key in keys], as_of):
            artifacts[f"file://{host}{path}"] = artifact
    return artifacts


def absolute(name: str) -> str:
    """The absolute path of a name as people type it; a URL stays one.

    >>> absolute("/data/raw/../a.csv"), absolute("file:///my%20data"), absolute("s3://b/folder/")
    ('/data/a.csv', '/my data', 's3://b/folder')
    """
    if is_file_url(name):
        return os.path.abspath(path_of(name))
    if is_remote(name):
        return without_credentials(name).rstrip("/")
    return os.path.abspath(os.path.expanduser(name))


def latest(
    session: Session, condition: ColumnElement[bool], as_of: datetime | None
) -> list[Artifact]:
    """The latest version of each series, now or at a time."""
    if as_of is None:
        return list(session.scalars(select(Artifact).where(condition, Artifact.is_latest)))
    not_deleted = or_(Artifact.deleted_at.is_(None), Artifact.deleted_at > as_of)
    query = (
        select(Artifact)
        .where(condition, not_deleted, Artifact.created_at <= as_of)
        .order_by(Artifact.number)
    )
    return list({artifact.series_id: artifact for artifact in session.scalars(query)}.values())


def _roots(session: Session) -> list[Candidate]:
    """The storages with their roots, the longest root first."""
    rows = session.execute(select(Storage.id, Storage.root))
    roots = [(identity, without_credentials(root)) for identity, root in rows]
    return sorted(roots, key=lambda root: -len(root[1]))


def _spellings(path: str) -> list[str]:
    """The path, and the path through its real folder."""
    if is_remote(path):
        return [path]
    return list(dict.fromkeys((path, _with_real_folder(path))))


def _with_real_folder(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def _candidates(paths: Iterable[str], roots: Iterable[Candidate]) -> list[Candidate]:
    """Every storage and key that one of these paths can have, the longest root first."""
    listed = list(paths)
    candidates = [
        (identity, key)
        for identity, root in roots
        for key in _keys(listed, [root] if is_remote(root) else [root, os.path.realpath(root)])
    ]
    return list(dict.fromkeys(candidates))


def _keys(paths: Iterable[str], roots: Iterable[str]) -> Iterator[str]:
    prefixes = [f"{root.rstrip('/')}/" for root in roots]
    for path in paths:
        for prefix in prefixes:
            if path.startswith(prefix) and path != prefix:
                yield path[len(prefix) :]


def _first_of(
    session: Session, candidates: list[Candidate], as_of: datetime | None
) -> list[Artifact]:
    places = [
        and_(Artifact.storage_id == storage, or_(Artifact.key == key, Artifact.real_key == key))
        for storage, key in candidates
    ]
    artifacts = latest(session, or_(false(), *places), as_of)
    for storage, key in candidates:
        here = [artifact for artifact in artifacts if artifact.storage_id == storage]
        matches = [artifact for artifact in here if key in (artifact.key, artifact.real_key)]
        if matches:
            return matches
    return []


def _through_links(
    session: Session, path: str, roots: dict[int, str], as_of: datetime | None
) -> list[Artifact]:
    """Artifacts whose own folder is a link to the folder of this path; reads all keys of its last name."""
    if is_remote(path) or not os.path.isdir(os.path.dirname(path)):
        return []
    name = os.path.basename(path)
    ends = func.substr(Artifact.key, func.length(Artifact.key) - len(name) + 1) == name
    local = [identity for identity, root in roots.items() if not is_remote(root)]
    same_name = latest(session, and_(ends, Artifact.storage_id.in_(local)), as_of)
    return [
        artifact
        for artifact in same_name
        if _with_real_folder(os.path.join(roots[artifact.storage_id], artifact.key or "")) == path
    ]
