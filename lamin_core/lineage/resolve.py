"""Find the artifact or run that a name means.

A name is a uid or its first characters, an OpenLineage run id, a key, or a path. A path names what
is at that path and nothing else, whatever keys end like it. A path at which this machine has
nothing, and the registry nothing of this machine, names the file that another host has at it. A
file at no known path can still be known by its bytes. `match` says which of these it is.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from lamin_core.errors import Hint, InvalidArgument, LaminError, MultipleFound, NotFound
from lamin_core.lineage.path_lookup import (
    artifacts_at,
    artifacts_of_other_hosts,
    is_path,
    is_present,
    latest,
)
from lamin_core.lineage.unregistered import not_registered
from lamin_core.models import Artifact, Content, Run, Transform
from lamin_core.models.checks import is_storable
from lamin_core.models.deleted import deleted_at
from lamin_core.storage.hashing import Digest
from lamin_core.uids import attempt_id

Record = Artifact | Run
DigestOf = Callable[[str], Digest | None]
"""The digest of the file or folder at a path; None where nothing can be read."""
LIST_ARTIFACTS = Hint(
    "ln.Artifact.df() lists what is there", command="`lamin artifacts` lists what is there"
)
LIST_RUNS = Hint("ln.Run.df() lists them", command="`lamin runs` lists them")
_SAVE_IT = Hint(
    f"ln.Artifact(PATH).save() makes an artifact of a file; {LIST_ARTIFACTS}",
    command=f"`lamin save` makes an artifact of a file; {LIST_ARTIFACTS.command}",
)
_ATTEMPTS = 100
"""Attempts of a run that are looked for by the id of the first."""
UID_PREFIX = 8
"""The first characters of a uid that name a record, at least."""


@dataclass(frozen=True, slots=True)
class Match:
    """The meaning of a name: one record, or the artifacts with the bytes of a file."""

    name: str
    records: tuple[Record, ...]
    same_bytes: bool = False
    """Whether the name is a file that is not an artifact itself, but has the same bytes as these."""
    url: str | None = None
    """The host and path of the artifact, if the name is its path on another host."""

    @property
    def record(self) -> Record:
        """The only record. Raises `MultipleFound`."""
        return only(self.records, self.name)

    @property
    def artifacts(self) -> str:
        """The artifacts among the records in words: keys and versions."""
        artifacts = [record for record in self.records if isinstance(record, Artifact)]
        return ", ".join(
            f"{artifact.key or artifact.uid} v{artifact.version}" for artifact in artifacts
        )


def match(
    session: Session, name: str, as_of: datetime | None = None, digest_of: DigestOf | None = None
) -> Match:
    """The meaning of this name; with `digest_of`, also the artifacts with the bytes of a file of this name.

    Raises `NotFound`, and `MultipleFound` when several records have this name.
    """
    if not is_storable(name):
        raise _not_storable(name)
    record = _only_or_none(_named(session, name, as_of), name) or _by_external_id(session, name)
    if record is not None:
        return Match(name, (record,))
    elsewhere = artifacts_of_other_hosts(session, name, as_of) if is_path(name) else {}
    if elsewhere:
        return _of_other_host(name, elsewhere)
    digest = digest_of(name) if digest_of is not None and is_present(name) else None
    if digest is not None and (copies := _of_bytes(session, digest, as_of)):
        return Match(name, tuple(copies), same_bytes=True)
    raise _not_found(session, name, as_of)


def _of_other_host(name: str, elsewhere: dict[str, Artifact]) -> Match:
    """The artifact that another host has at this path. Raises `MultipleFound` where several hosts have one."""
    urls = list(elsewhere)
    if len(urls) > 1:
        listed = ", ".join(urls[:5])
        raise MultipleFound(
            f"{name!r} is on {len(urls)} other hosts: {listed}", hint="name it with its host"
        )
    return Match(name, (elsewhere[urls[0]],), url=urls[0])


def _not_storable(name: str) -> LaminError:
    """The error for a name that no database can hold, and that nothing has therefore."""
    if "\0" in name:
        return NotFound(f"no artifact or run is called {name!a}", hint=LIST_ARTIFACTS)
    return InvalidArgument(f"not text in UTF-8: {name!r}", hint="rename the file")


def find(session: Session, name: str, as_of: datetime | None = None) -> Record:
    """The artifact or run with this uid (or its first characters), or the artifact with this key or path.

    Of several versions the latest, or the latest there was at a moment. Raises `NotFound`, and
    `MultipleFound` when several records have this name.
    """
    return match(session, name, as_of).record


def find_run(session: Session, name: str) -> Run:
    """The run with this uid (or its first characters) or OpenLineage run id, or the newest run of what has this key.

    Raises `NotFound`, and `MultipleFound` when several answer.
    """
    run: Run | None = (
        _only_or_none(_runs_by_uid(session, name), name)
        or _by_external_id(session, name)
        or _newest_of(session, name)
    )
    if run is None:
        raise NotFound(f"no run is called {name!r}", hint=LIST_RUNS)
    return run


def external_ids(name: str) -> set[str]:
    """The OpenLineage run ids that a name can be: itself, a UUID in lower case, and those of its further attempts.

    >>> "0194e0a0-0000-7000-8000-000000000000" in external_ids("0194E0A0-0000-7000-8000-000000000000")
    True
    >>> external_ids("Scheduled__1")
    {'Scheduled__1'}
    """
    is_uuid = len(name) == 36 and name.count("-") == 4 and name.replace("-", "").isalnum()
    if not is_uuid:
        return {name}
    attempts = {attempt_id(name.lower(), attempt) for attempt in range(1, _ATTEMPTS + 1)}
    return {name} | attempts


def _named(session: Session, name: str, as_of: datetime | None) -> list[Record]:
    """All records that this name can mean, each once."""
    at_path = artifacts_at(session, name, as_of)
    if is_path(name):
        return list(at_path)
    by_key = [] if at_path and is_present(name) else latest(session, Artifact.key == name, as_of)
    records = [*_by_uid(session, name, as_of), *by_key, *at_path]
    return list({(type(record), record.id): record for record in records}.values())


def _by_uid(session: Session, name: str, as_of: datetime | None) -> list[Record]:
    if not _may_be_uid(name, 20):
        return []
    begins = _begins(Artifact.uid, name)
    if len(name) > 16:
        return list(session.scalars(select(Artifact).where(begins)))
    return [*latest(session, begins, as_of), *_runs_by_uid(session, name)]


def _runs_by_uid(session: Session, name: str) -> list[Run]:
    if not _may_be_uid(name, 16):
        return []
    return list(session.scalars(select(Run).where(_begins(Run.uid, name))))


def _may_be_uid(name: str, length: int) -> bool:
    return UID_PREFIX <= len(name) <= length and name.isascii() and name.isalnum()


def _begins(column: Any, prefix: str) -> ColumnElement[bool]:
    after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return and_(column >= prefix, column < after)


def _by_external_id(session: Session, name: str) -> Run | None:
    """The run with this id of an engine; of several attempts, the last."""
    runs = select(Run).where(Run.external_id.in_(external_ids(name)))
    return session.scalar(runs.order_by(Run.attempt.desc(), Run.id.desc()).limit(1))


def _newest_of(session: Session, key: str) -> Run | None:
    of_key = (
        select(Run).join(Transform, Run.transform_id == Transform.id).where(Transform.key == key)
    )
    return session.scalar(of_key.order_by(Run.created_at.desc(), Run.id.desc()).limit(1))


def _of_bytes(session: Session, digest: Digest, as_of: datetime | None) -> list[Artifact]:
    """The last version with these bytes, for each series."""
    conditions = [
        Content.hash == digest.hash,
        Content.hash_type == digest.hash_type,
        Content.size == digest.size,
        Artifact.deleted_at.is_(None),
    ]
    if as_of is not None:
        conditions.append(Artifact.created_at <= as_of)
    query = select(Artifact).join(Content, Artifact.content_id == Content.id).where(*conditions)
    rows = session.scalars(query.order_by(Artifact.series_id, Artifact.number))
    return list({artifact.series_id: artifact for artifact in rows}.values())


def only(records: Iterable[Record], name: str) -> Record:
    """The only one of these records, which all have this name. Raises `MultipleFound`."""
    record = _only_or_none(records, name)
    if record is None:
        raise NotFound(f"no artifact or run is called {name!r}", hint=LIST_ARTIFACTS)
    only: Record = record
    return only


def _only_or_none(records: Iterable[Any], name: str) -> Any:
    answers = list(records)
    if len(answers) > 1:
        listed = ", ".join(_called(record) for record in answers[:5])
        raise MultipleFound(
            f"{name!r} names {len(answers)} records: {listed}", hint="name one by its uid"
        )
    return answers[0] if answers else None


def _called(record: Record) -> str:
    if isinstance(record, Run):
        return f"{record.uid} ({record.name})"
    return f"{record.uid} ({record.key})"


def _not_found(session: Session, name: str, as_of: datetime | None) -> NotFound:
    if as_of is not None and match(session, name):
        return NotFound(
            f"there was no {name!r} at {as_of.isoformat(timespec='seconds')}",
            hint="ask for a later time",
        )
    deletion = deleted_at(session, Artifact, name)
    if deletion is not None:
        return NotFound(
            f"Artifact {name} was deleted for good on {deletion:%Y-%m-%d at %H:%M} UTC",
            hint=Hint(
                f"no other version gets its uid; {LIST_ARTIFACTS}",
                command=f"no other version gets its uid; {LIST_ARTIFACTS.command}",
            ),
        )
    trashed = session.scalar(
        select(Artifact.uid).where(Artifact.key == name, Artifact.deleted_at.is_not(None)).limit(1)
    )
    if trashed is not None:
        return NotFound(
            f"{name!r} is in the trash, as {trashed}",
            hint=Hint(
                f"ln.Artifact.trash().get({trashed!r}).restore()",
                command=f"lamin undelete {trashed}",
            ),
        )
    if is_path(name):
        hint = _hint(session, name) or _SAVE_IT
        error = NotFound(f"no artifact is at {name!r}", hint=hint)
    else:
        hint = _hint(session, name) or LIST_ARTIFACTS
        error = NotFound(f"no artifact or run is called {name!r}", hint=hint)
    is_file = as_of is None and os.path.isfile(name)
    return not_registered(session, name, error) if is_file else error


def _hint(session: Session, name: str) -> str | None:
    """The keys that are spelled most like this name."""
    keys = [key for key in session.scalars(select(Artifact.key).distinct().limit(5000)) if key]
    ends = {key.rsplit("/", 1)[-1]: key for key in keys}
    near = difflib.get_close_matches(name, keys, n=3) or [
        ends[end] for end in difflib.get_close_matches(name.rsplit("/", 1)[-1], list(ends), n=3)
    ]
    return f"nearest: {', '.join(near)}" if near else None
