"""Versions that were deleted for good are remembered, so that their uids are not given again"""

import sqlalchemy as sa
from alembic import op

from lamin_core.models.tables import Identity, Uid, UTC_DateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Up to this schema."""
    op.create_table(
        "deleted_version",
        sa.Column("id", Identity, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("stem", Uid, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("deleted_at", UTC_DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deleted_version"),
    )
    if op.get_bind().dialect.name == "postgresql":  # SQLite's integers have 64 bits anyway
        op.alter_column("artifact", "n_observations", type_=sa.BigInteger())
    op.create_index("ix_deleted_version_stem", "deleted_version", ["stem", "number"])
