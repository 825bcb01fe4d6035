"""Rows that were derived before a rule of redaction was known, masked by it: a part of rebuilding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blake3 import blake3
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lamin_core.models import Run, Storage, Transform
from lamin_core.runtime.redaction import redact, redact_text
from lamin_core.runtime.url_credentials import without_credentials

_BATCH = 500


def mask_derived(session: Session) -> int:
    """Mask sources of transforms, what is recorded of runs, and roots of storages; how many rows that changed."""
    return _mask_sources(session) + _mask_runs(session) + _mask_roots(session)


def _mask_sources(session: Session) -> int:
    changed = last = 0
    columns = select(Transform.id, Transform.series_id, Transform.hash, Transform.source_code)
    with_source = (
        columns.where(Transform.source_code.is_not(None)).order_by(Transform.id).limit(_BATCH)
    )
    while rows := session.execute(with_source.where(Transform.id > last)).all():
        last = rows[-1].id
        changed += _mask_rows(session, rows)
    return changed


def _mask_rows(session: Session, rows: Sequence[Any]) -> int:
    changed = 0
    for row in rows:
        masked = redact_text(row.source_code)
        if masked != row.source_code:
            _store_source(session, row, masked)
            changed += 1
    return changed


def _store_source(session: Session, row: Any, source: str) -> None:
    digest = blake3(source.encode("utf-8", "surrogatepass")).hexdigest()
    alike = select(Transform.id).where(
        Transform.series_id == row.series_id, Transform.hash == digest
    )
    other = session.scalar(alike.where(Transform.id != row.id).limit(1))
    if other is None:
        values = {"source_code": source, "hash": digest}
        session.execute(update(Transform).where(Transform.id == row.id).values(values))
        return
    # A version that differs from the other in nothing but a secret. It keeps its uid, which
    # somebody may have noted.
    session.execute(update(Run).where(Run.transform_id == row.id).values(transform_id=other))
    session.execute(update(Transform).where(Transform.id == row.id).values(source_code=source))


def _mask_runs(session: Session) -> int:
    changed = last = 0
    columns = select(Run.id, Run.params, Run.details, Run.error).order_by(Run.id).limit(_BATCH)
    while rows := session.execute(columns.where(Run.id > last)).all():
        last = rows[-1].id
        for row in rows:
            facts = {"params": row.params, "details": row.details, "error": row.error}
            masked = {name: redact(value) for name, value in facts.items()}
            if masked != facts:
                session.execute(update(Run).where(Run.id == row.id).values(masked))
                changed += 1
    return changed


def _mask_roots(session: Session) -> int:
    changed = 0
    roots = {row.root: row.id for row in session.execute(select(Storage.id, Storage.root))}
    for root, identity in list(roots.items()):
        public = without_credentials(root)
        if public != root and public not in roots:
            session.execute(update(Storage).where(Storage.id == identity).values(root=public))
            roots[public] = identity
            changed += 1
        elif public != root:
            # Two users of one server: the rows stay apart, neither shows a password.
            session.execute(
                update(Storage).where(Storage.id == identity).values(root=redact_text(root))
            )
            changed += 1
    return changed
