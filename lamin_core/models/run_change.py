"""Status changes of runs in the order of commits, for listeners.

Triggers write it, so that no way of writing a run can forget to.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, ForeignKey, String, event
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.tables import Base, Identity


class RunChange(Base):
    """A run came to be, or came into another status."""

    __tablename__ = "run_change"
    # A number is never given twice, whatever was deleted: listeners go on from the last that they
    # saw.
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]


KEPT = 100_000
"""Changes that are kept: each new one drops what is that far behind it."""
_SQLITE = [
    statement
    for name, happened in (
        ("inserted", "INSERT ON run"),
        ("updated", "UPDATE OF status ON run WHEN OLD.status <> NEW.status"),
    )
    for statement in (
        f"DROP TRIGGER IF EXISTS run_change_{name}",
        f"""CREATE TRIGGER run_change_{name} AFTER {happened} BEGIN
            INSERT INTO run_change (run_id, status, at)
            VALUES (NEW.id, NEW.status, strftime('%Y-%m-%d %H:%M:%f', 'now') || '000');
            DELETE FROM run_change WHERE id <= last_insert_rowid() - {KEPT};
        END""",  # noqa: S608 - constants
    )
]
_POSTGRESQL = [
    f"""CREATE OR REPLACE FUNCTION run_change() RETURNS trigger AS $$ DECLARE made bigint; BEGIN
        INSERT INTO run_change (run_id, status, at) VALUES (NEW.id, NEW.status, clock_timestamp())
        RETURNING id INTO made;
        DELETE FROM run_change WHERE id <= made - {KEPT};
        RETURN NULL;
    END $$ LANGUAGE plpgsql""",  # noqa: S608 - constants
    "DROP TRIGGER IF EXISTS run_change_inserted ON run",
    "CREATE TRIGGER run_change_inserted AFTER INSERT ON run FOR EACH ROW EXECUTE FUNCTION run_change()",
    "DROP TRIGGER IF EXISTS run_change_updated ON run",
    """CREATE TRIGGER run_change_updated AFTER UPDATE OF status ON run FOR EACH ROW
        WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION run_change()""",
]


def note_changes(connection: Connection) -> None:
    """Have every change of a run noted from now on, as this version does it."""
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        connection.exec_driver_sql(statement)


@event.listens_for(RunChange.__table__, "after_create")
def _after_create(target: object, connection: Connection, **_: object) -> None:
    note_changes(connection)
