"""Save transforms that people make: find the series and the version."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from blake3 import blake3
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.ingest import new_rows
from lamin_core.ingest.new_rows import TRANSFORM_STEM
from lamin_core.models import DeletedVersion, Run, Transform, TransformSeries, now
from lamin_core.models.arguments import TransformArguments, arguments_of
from lamin_core.models.checks import text_argument
from lamin_core.runtime.redaction import redact_text
from lamin_core.saving.records import SavingInstance, refresh_from
from lamin_core.uids import VERSION_LENGTH, random_uid, version_number, version_suffix

_FILES = ("script", "notebook")


def save_transform(instance: SavingInstance, transform: Transform) -> Transform:
    """Write the transform, or find the version that it is. Raises `Conflict` or `InvalidArgument`."""
    source = transform.source_code = masked_source(transform.source_code)
    transform.hash = None if source is None else _hash(source)
    transform.created_by_id = instance.user_id
    with instance.db.writing() as session:
        series = _series(session, transform)
        row = _version(session, series, transform)
        _complete(row, transform)
        session.flush()
    saved: Transform = transform if row is transform else refresh_from(transform, row)
    return saved


def masked_source(source: str | None) -> str | None:
    """The source as it is stored, with secrets masked."""
    return None if source is None else redact_text(source)


def _series(session: Session, transform: Transform) -> TransformSeries:
    revises = arguments_of(transform, TransformArguments).revises
    if revises is not None:
        return _moved(session, session.get_one(TransformSeries, revises.series_id), transform)
    requested_uid = arguments_of(transform, TransformArguments).uid
    if requested_uid is not None:
        return _series_asked_for(session, transform, _checked(requested_uid)[:TRANSFORM_STEM])
    return (
        _by_key(session, transform)
        or _renamed(session, transform)
        or _new_series(session, transform, None)
    )


def _checked(uid: str) -> str:
    text_argument(uid, "uid", f'ln.track("{random_uid(TRANSFORM_STEM)}")')
    if len(uid) not in (TRANSFORM_STEM, TRANSFORM_STEM + VERSION_LENGTH) or not (
        uid.isascii() and uid.isalnum()
    ):
        raise InvalidArgument(
            f"not the uid of a transform: {uid!r} (expected {TRANSFORM_STEM} letters and digits, or "
            f"{TRANSFORM_STEM + VERSION_LENGTH} with the version)",
            hint=f'ln.track("{random_uid(TRANSFORM_STEM)}")',
        )
    return uid


def _series_asked_for(session: Session, transform: Transform, stem: str) -> TransformSeries:
    series = session.scalar(select(TransformSeries).where(TransformSeries.stem == stem))
    if series is not None:
        return _moved(session, series, transform)
    other = _by_key(session, transform)
    if other is not None:
        raise Conflict(
            f"{transform.key!r} is known by the uid {other.stem}, not {stem}",
            hint=f'ln.track("{other.stem}"), or give another key: ln.track("{stem}", key=...)',
        )
    return _new_series(session, transform, stem)


def _by_key(session: Session, transform: Transform) -> TransformSeries | None:
    where = TransformSeries.namespace == transform.namespace, TransformSeries.key == transform.key
    return session.scalar(select(TransformSeries).where(*where))


def _renamed(session: Session, transform: Transform) -> TransformSeries | None:
    """The series of a script with the same source whose file no longer exists: the script was renamed.

    As long as the other file is there, this one is a copy and a transform of its own.
    """
    if transform.hash is None or transform.kind not in _FILES or transform.reference_type != "file":
        return None
    same = select(Transform).where(
        Transform.hash == transform.hash,
        Transform.is_latest,
        Transform.kind == transform.kind,
        Transform.namespace == transform.namespace,
        Transform.reference_type == "file",
    )
    gone = [row for row in session.scalars(same) if not _path(row.reference).exists()]
    return (
        _moved(session, session.get_one(TransformSeries, gone[0].series_id), transform)
        if len(gone) == 1
        else None
    )


def _path(uri: str | None) -> Path:
    return Path(unquote(urlsplit(uri or "").path))


def _moved(session: Session, series: TransformSeries, transform: Transform) -> TransformSeries:
    """The series, from now on under the key of this transform."""
    if series.key != transform.key:
        other = _by_key(session, transform)
        if other is not None:
            raise Conflict(
                f"{transform.key!r} is another transform, known by the uid {other.stem}",
                hint="give another key, or leave the uid out",
            )
        series.key = transform.key
    return series


def _new_series(session: Session, transform: Transform, stem: str | None) -> TransformSeries:
    derived = new_rows.transform_stem(transform.namespace, transform.key)
    if stem is None:  # a script that was renamed keeps the one that its old key gives
        taken = session.scalar(select(TransformSeries.id).where(TransformSeries.stem == derived))
        stem = derived if taken is None else random_uid(TRANSFORM_STEM)
    series = TransformSeries(**new_rows.transform_series(stem, transform.namespace, transform.key))
    session.add(series)
    session.flush()
    return series


def _version(session: Session, series: TransformSeries, transform: Transform) -> Transform:
    requested_uid = arguments_of(transform, TransformArguments).uid or ""
    newest = _newest_number(session, series)
    if len(requested_uid) > TRANSFORM_STEM:
        return _version_asked_for(session, series, transform, requested_uid, newest)
    return _same(session, series, transform) or _next(
        session, series, transform, 0 if newest is None else newest + 1
    )


def _newest_number(session: Session, series: TransformSeries) -> int | None:
    """Return the highest version number, permanently deleted versions included; None if there was no version."""
    last = (
        select(func.max(Transform.number)).where(Transform.series_id == series.id).scalar_subquery()
    )
    deleted = (
        select(func.max(DeletedVersion.number))
        .where(DeletedVersion.stem == series.stem)
        .scalar_subquery()
    )
    numbers = session.execute(select(last, deleted)).one()
    return max((number for number in numbers if number is not None), default=None)


def _version_asked_for(
    session: Session, series: TransformSeries, transform: Transform, uid: str, newest: int | None
) -> Transform:
    version = session.scalar(select(Transform).where(Transform.uid == uid))
    if version is not None:
        if version.hash != transform.hash and transform.hash is not None:
            following = version_suffix(0 if newest is None else newest + 1)
            raise Conflict(
                f"the source of {transform.key!r} is not that of version {uid}",
                hint=f'ln.track("{series.stem}{following}") is its next version; '
                f'ln.track("{series.stem}") counts by itself',
            )
        return version
    same = None if transform.hash is None else _same(session, series, transform)
    if same is not None:
        raise Conflict(f"this source is version {same.uid} already", hint=f'ln.track("{same.uid}")')
    number = version_number(uid[TRANSFORM_STEM:])
    if newest is not None and number <= newest:
        following = version_suffix(newest + 1)
        raise InvalidArgument(
            f"{uid} would be older than what is there", hint=f'ln.track("{series.stem}{following}")'
        )
    return _next(session, series, transform, number)


def _same(session: Session, series: TransformSeries, transform: Transform) -> Transform | None:
    """The version with this source; where no source is given, the one with this tag, or the latest."""
    rows = select(Transform).where(Transform.series_id == series.id)
    if transform.hash is not None:
        return session.scalar(rows.where(Transform.hash == transform.hash))
    if transform.version_tag is not None:
        return session.scalar(rows.where(Transform.version_tag == transform.version_tag))
    return session.scalar(rows.where(Transform.is_latest))


def _next(
    session: Session, series: TransformSeries, transform: Transform, number: int
) -> Transform:
    head = session.scalar(
        select(Transform).where(Transform.series_id == series.id, Transform.is_latest)
    )
    if head is not None:
        head.is_latest = False
        session.flush()
    for name, value in new_rows.numbered(series.stem, number).items():
        setattr(transform, name, value)
    transform.series_id, transform.is_latest = series.id, True
    transform.created_at, transform.origin = now(), "api"
    session.add(transform)
    session.flush()
    return transform


def _complete(row: Transform, transform: Transform) -> None:
    """The new values of a version that already exists."""
    row.origin, row.created_by_id = "api", row.created_by_id or transform.created_by_id
    row.key = transform.key
    for field in ("description", "version_tag", "reference", "reference_type", "language"):
        value: Any = getattr(transform, field)
        if value is not None:
            setattr(row, field, value)


def amend(database: Database, run: Run, source: str) -> None:
    """The run was of this source in the end: its version becomes that, or, where it has other runs, another one is."""
    with database.writing() as session:
        version = session.get_one(Transform, run.transform_id)
        query = select(Transform).where(
            Transform.series_id == version.series_id, Transform.hash == _hash(source)
        )
        replacement = session.scalar(query)
        if replacement is None and not session.scalar(
            _OTHERS, {"transform": version.id, "run": run.id}
        ):
            version.source_code, version.hash = source, _hash(source)
        elif replacement is None:
            replacement = _successor(session, version, source)
        row = session.get_one(Run, run.id)
        row.transform_id = version.id if replacement is None else replacement.id
    run.transform_id = row.transform_id
    Run.transform.forget(run)


_OTHERS = (
    select(Run.id)
    .where(Run.transform_id == bindparam("transform"), Run.id != bindparam("run"))
    .limit(1)
)


def _successor(session: Session, version: Transform, source: str) -> Transform:
    successor = Transform(
        key=version.key,
        kind=version.kind or "notebook",
        description=version.description,
        source_code=source,
        language=version.language,
        reference=version.reference,
        reference_type=version.reference_type,
        namespace=version.namespace,
    )
    successor.hash, successor.created_by_id = _hash(source), version.created_by_id
    series = session.get_one(TransformSeries, version.series_id)
    return _next(session, series, successor, 1 + (_newest_number(session, series) or 0))


def _hash(source: str) -> str:
    return blake3(source.encode("utf-8", "surrogatepass")).hexdigest()
