"""A trash for artifacts"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Up to this schema."""
    op.add_column("artifact", sa.Column("deleted_at", sa.DateTime(timezone=True)))
