"""Changes of runs, for who listens; indexes for lists by time"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Up to this schema."""
    op.create_table(
        "run_change",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("run_id", IDENTITY, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name="fk_run_change_run_id_run", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_run_change"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_run_change_run_id", "run_change", ["run_id"])
    for name, column in (("ix_run_transform_id", "transform_id"), ("ix_run_status", "status")):
        op.drop_index(name, "run")
        op.create_index(name, "run", [column, "created_at", "id"])
    op.create_index("ix_run_created_at", "run", ["created_at", "id"])
    op.create_index("ix_transform_series_namespace", "transform_series", ["namespace", "key"])
    placed = sa.text("kind <> 'quarantined'")
    op.create_index(
        "ix_event_time", "event", ["event_time", "id"], postgresql_where=placed, sqlite_where=placed
    )
