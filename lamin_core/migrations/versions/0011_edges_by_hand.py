"""Which edges Python code has made, that no event speaks of"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Up to this schema."""
    op.add_column(
        "run_artifact",
        sa.Column("origin", sa.String(length=8), nullable=False, server_default="event"),
    )
