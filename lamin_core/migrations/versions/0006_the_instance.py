"""The database says which instance it is, and where copies go"""

import hashlib

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
        sa.ForeignKeyConstraint(
            ["storage_id"], ["storage.id"], name="fk_instance_storage_id_storage"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
    )
    columns = (
        sa.column("id", sa.Integer),
        sa.column("uid", sa.String),
        sa.column("is_managed", sa.Boolean),
    )
    storage = sa.table("storage", *columns)
    first = (
        sa.select(storage.c.id, storage.c.uid)
        .where(storage.c.is_managed)
        .order_by(storage.c.id)
        .limit(1)
    )
    managed = op.get_bind().execute(first).first()
    if managed is not None:
        # What it was called in its folder; where nobody knows that, the same name whoever migrates
        # it, and how often.
        config = op.get_context().config
        configured_uid = None if config is None else config.attributes.get("uid")
        derived = hashlib.sha256(managed.uid.encode()).hexdigest()[:12]
        op.bulk_insert(
            table, [{"id": 1, "uid": configured_uid or derived, "storage_id": managed.id}]
        )
