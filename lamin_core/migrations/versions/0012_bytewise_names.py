"""Uids and names in the order of their bytes: by their beginnings an index finds them, whatever the locale"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

REGISTRIES = (
    *(
        "artifact",
        "collection",
        "environment",
        "feature",
        "project",
        "reference",
        "run",
        "schema",
        "storage",
    ),
    *("transform", "ulabel", "user"),
)
NAMED = ("feature", "project", "reference", "ulabel")


def upgrade() -> None:
    """Up to this schema; SQLite compares bytes anyway."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in REGISTRIES:
        op.alter_column(table, "uid", type_=sa.String(24, collation="C"))
    for table in NAMED:
        op.alter_column(table, "name", type_=sa.Text(collation="C"))
