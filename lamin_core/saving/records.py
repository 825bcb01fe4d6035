"""What saving needs of an instance, and the steps that all kinds of records share."""

from collections.abc import Iterable
from typing import Any, Protocol

from sqlalchemy import inspect
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from lamin_core.db.database import Database
from lamin_core.db.presence import not_found
from lamin_core.errors import InvalidArgument
from lamin_core.models import (
    Registry,
)
from lamin_core.saving.contents import Contents
from lamin_core.saving.files import Files


class SavingInstance(Protocol):
    """What saving needs of an instance."""

    db: Database

    @property
    def storage(self) -> str:
        """Root of the storage that copies go into."""

    @property
    def files(self) -> Files:
        """The sources of new artifacts."""

    @property
    def contents(self) -> Contents:
        """The bytes of saved artifacts."""

    @property
    def user_id(self) -> int:
        """The current user."""


def refresh_from(record: Any, row: Any) -> Any:
    """Make the object that the user holds the saved one, with the values of the row."""
    for attribute in inspect(type(record)).column_attrs:
        record.__dict__[attribute.key] = getattr(row, attribute.key)
    make_transient_to_detached(record)
    return record


def assign_row(record: object, row: dict[str, object]) -> None:
    """Make the object that the user holds the saved one, with the values of all its columns."""
    record.__dict__.update(row)
    make_transient_to_detached(record)


def row_of(session: Session, record: Any) -> Any:
    """Return the row of a saved record. Raises `NotFound`, also where its primary key is another record's by now."""
    row = None if record.id is None else session.get(type(record), record.id)
    if row is None or row.uid != _saved_uid(record):
        raise not_found(record)
    return row


def _saved_uid(record: Registry) -> object:
    """The uid that the record was read with: one that was set since is refused later, by its own error."""
    replaced = inspect(record).attrs.uid.history.deleted
    return replaced[0] if replaced else record.uid


def show(record: Any, row: Any) -> None:
    """Let the object that the user holds, and that is saved, say what the row says now."""
    for attribute in inspect(type(record)).column_attrs:
        set_committed_value(record, attribute.key, getattr(row, attribute.key))


def check_saved(members: Iterable[Registry]) -> None:
    """Raise `InvalidArgument` unless all of them are saved."""
    for member in members:
        if member.id is None:
            raise InvalidArgument(f"{member!r} is not saved", hint="call .save() first")
