"""Answer which records have a label from the index alone"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

LINKS = [
    *((thing, "ulabel") for thing in ("artifact", "run", "transform", "collection")),
    *((thing, "project") for thing in ("artifact", "run", "transform")),
    *((thing, "reference") for thing in ("artifact", "transform")),
]


def upgrade() -> None:
    """Up to this schema."""
    for thing, label in LINKS:
        table = f"{thing}_{label}"
        op.create_index(f"ix_{table}_of", table, [f"{label}_id", f"{thing}_id"])
        op.drop_index(f"ix_{table}_{label}_id", table)
