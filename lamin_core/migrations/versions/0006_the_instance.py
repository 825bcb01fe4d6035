"""The database says which instance it is, and where copies go"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Up to this schema."""
    table = op.create_table(
        "instance",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("uid", sa.String(length=12), nullable=False),
        sa.Column("storage_id", IDENTITY, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_instance_only_one"),
        sa.ForeignKeyConstraint(["storage_id"], ["storage.id"], name="fk_instance_storage_id_storage"),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
    )
    storage = sa.table("storage", sa.column("id", sa.Integer), sa.column("is_managed", sa.Boolean))
    managed = op.get_bind().scalar(sa.select(sa.func.min(storage.c.id)).where(storage.c.is_managed))
    if managed is not None:
        op.bulk_insert(table, [{"id": 1, "uid": secrets.token_hex(6), "storage_id": managed}])
