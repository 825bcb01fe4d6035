"""Keep the newest changes of runs (their triggers are made anew after every migration); runs by engine"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Up to this schema."""
    op.create_index("ix_run_engine", "run", ["engine", "created_at", "id"])
