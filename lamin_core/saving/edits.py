"""Edits of a record in a form: description, notes, labels and values of features, all in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.models import Feature, Note, Registry, ULabel
from lamin_core.models.dtypes import parse
from lamin_core.models.guards import check_edit
from lamin_core.models.relations import annotation_of
from lamin_core.query.annotations import values_of
from lamin_core.query.operators import OPERATORS
from lamin_core.saving.annotations import change_labels, change_values
from lamin_core.saving.named_records import write_named

MAX_NOTE = 100_000
"""Characters of a note."""


@dataclass(frozen=True, slots=True)
class Editable:
    """What a form shows of a record, and what it is to be.

    Args:
        description: None for a record that has none.
        notes: Markdown.
        labels: the names of its labels, those that are values of a feature left out; None where it has none.
        features: values as text, several as JSON, by the name of the feature; None where it has none.
    """

    description: str | None
    notes: str = ""
    labels: tuple[str, ...] | None = None
    features: Mapping[str, str] | None = field(default=None)

    @property
    def digest(self) -> str:
        """Whether another process has changed it in the meantime."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def editable(session: Session, record: Registry) -> Editable:
    """The current values of the parts of this record that can be edited."""
    kind = type(record)
    note = session.get(Note, (kind.__tablename__, record.uid))
    has_values = kind._feature_values is not None
    values = values_of(session, kind, [record.id]) if has_values else {}
    return Editable(
        (getattr(record, "description") or "") if "description" in kind._editable else None,  # noqa: B009
        "" if note is None else note.text,
        tuple(sorted(_labels(session, record))) if annotation_of(kind, ULabel) else None,
        {name: _text(by_record[record.id]) for name, by_record in values.items()}
        if has_values
        else None,
    )


def _labels(session: Session, record: Registry) -> dict[str, ULabel]:
    """The labels of the record that are values of no feature, by name."""
    relation = annotation_of(type(record), ULabel)
    if relation is None or relation.link is None:
        return {}
    link: Any = relation.link
    query = (
        select(ULabel)
        .join(link, getattr(link, relation.other) == ULabel.id)
        .where(getattr(link, relation.own) == record.id, link.feature_id.is_(None))
    )
    return {label.name: label for label in session.scalars(query)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def apply(session: Session, record: Registry, before: str, after: Editable, user: int) -> None:
    """Write what differs, in this transaction.

    Args:
        session: of a transaction that writes.
        record: a row of it.
        before: the digest of what the form showed.
        after: what it is to be.
        user: the primary key of who writes.

    Raises:
        Conflict: somebody else has changed it since the form was shown.
        InvalidArgument: a note that is too long.
        ValidationError: a feature that does not exist, or a value of another type.
    """
    current = editable(session, record)
    if current.digest != before:
        raise Conflict("somebody has changed this record meanwhile", hint="open the form again")
    if after.description is not None and after.description != current.description:
        description = check_edit(session, record, "description", after.description or None)
        _assign(record, "description", description)
    if after.notes != current.notes:
        _write_note(session, record, after.notes, user)
    if after.labels is not None and current.labels is not None:
        _write_labels(session, record, after.labels, user)
    if after.features is not None and current.features is not None:
        _write_features(session, record, current.features, after.features)


def _assign(record: Any, name: str, value: object) -> None:
    setattr(record, name, value)
    if getattr(record, "origin", "api") != "api":  # events leave it alone from now on
        record.edited = sorted({*(record.edited or ()), name})


def _write_note(session: Session, record: Registry, text: str, user: int) -> None:
    if len(text) > MAX_NOTE:
        raise InvalidArgument(
            f"the note has {len(text):,} characters, at most {MAX_NOTE:,} fit",
            hint="put it into a file, and register that",
        )
    key = (type(record).__tablename__, record.uid)
    note = session.get(Note, key)
    if not text.strip():
        if note is not None:
            session.delete(note)
    elif note is None:
        session.add(Note(table_name=key[0], record_uid=key[1], text=text, updated_by_id=user))
    else:
        note.text, note.updated_by_id = text, user


def _write_labels(session: Session, record: Registry, names: tuple[str, ...], user: int) -> None:
    """Labels that are new are made."""
    current = _labels(session, record)
    new = [name for name in dict.fromkeys(names) if name not in current]
    if new:
        write_named(session, ULabel, [ULabel(name=name) for name in new], user)
    query = select(ULabel).where(OPERATORS["in"](ULabel.name, new), ULabel.type_id.is_(None))
    added = list(session.scalars(query))
    change_labels(session, record, added, [current[name] for name in current if name not in names])


def _write_features(
    session: Session, record: Registry, current: Mapping[str, str], after: Mapping[str, str]
) -> None:
    changed = {name: text for name, text in after.items() if current.get(name) != text}
    removed = [name for name in current if name not in after]
    if not changed and not removed:
        return
    query = select(Feature).where(OPERATORS["in"](Feature.name, list(changed)))
    dtypes = {feature.name: feature.dtype for feature in session.scalars(query)}
    values = {name: _value(text, dtypes.get(name)) for name, text in changed.items()}
    change_values(session, record, values, removed)


def _value(text: str, dtype: str | None) -> object:
    """JSON where it is some, else text; for a feature of text always text, unless it is a list."""
    if dtype is not None and parse(dtype).plain == "str" and not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
