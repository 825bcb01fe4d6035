"""The SQL statements that reach a database, with their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import event

from lamin_core.db.database import Database

KEYRING = ("api_key",)
"""The server reads its keys once in a while, whatever it is asked."""


class Statement(NamedTuple):
    """A statement and its parameters, as the driver gets them."""

    text: str
    parameters: Any


@contextmanager
def statements(database: Database, *, without: Sequence[str] = ()) -> Iterator[list[Statement]]:
    """The statements of the block, without the start of transactions and without those that have one of these texts."""
    sent: list[Statement] = []

    def note(
        _connection: object, _cursor: object, text: str, parameters: object, *_rest: object
    ) -> None:
        if not text.startswith("BEGIN") and not any(word in text for word in without):
            sent.append(Statement(text, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
