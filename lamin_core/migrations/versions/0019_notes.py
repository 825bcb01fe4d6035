"""Notes on records"""

import sqlalchemy as sa
from alembic import op

from lamin_core.models.tables import Identity, Uid, UTC_DateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Up to this schema."""
    op.create_table(
        "note",
        sa.Column("table_name", sa.String(length=32), nullable=False),
        sa.Column("record_uid", Uid, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("updated_at", UTC_DateTime(), nullable=False),
        sa.Column("updated_by_id", Identity, nullable=True),
        sa.ForeignKeyConstraint(["updated_by_id"], ["user.id"], name="fk_note_updated_by_id_user"),
        sa.PrimaryKeyConstraint("table_name", "record_uid", name="pk_note"),
    )
