"""Records, such as samples, their values, and the artifacts that belong to them"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UID = sa.String(24).with_variant(sa.String(24, collation="C"), "postgresql")


def upgrade() -> None:
    """Up to this schema."""
    _records()
    _values()
    _labels()


def _records() -> None:
    op.create_table(
        "record",
        sa.Column("name", KEY, nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("is_type", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("type_id", IDENTITY),
        sa.Column("created_by_id", IDENTITY),
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("uid", UID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["type_id"], ["record.id"], name="fk_record_type_id_record"),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["user.id"], name="fk_record_created_by_id_user"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_record"),
        sa.UniqueConstraint("uid", name="uq_record_uid"),
        sa.UniqueConstraint("name", "type_id", name="uq_record_name_type_id"),
    )
    untyped = sa.text("type_id IS NULL")
    op.create_index(
        "ix_record_untyped",
        "record",
        ["name"],
        unique=True,
        postgresql_where=untyped,
        sqlite_where=untyped,
    )
    op.create_index("ix_record_type_id", "record", ["type_id"])


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{target}"
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE")


def _values() -> None:
    table = "record_feature_value"
    op.create_table(
        table,
        sa.Column("record_id", IDENTITY, nullable=False),
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("feature_id", IDENTITY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("number", sa.Double()),
        sa.Column("string", KEY),
        sa.Column("hash", sa.String(length=22), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False, server_default="api"),
        _foreign(table, "record_id", "record"),
        _foreign(table, "feature_id", "feature"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint(
            *("record_id", "feature_id", "position", "hash", "origin"), name=f"uq_{table}_once"
        ),
    )
    op.create_index(f"ix_{table}_number", table, ["feature_id", "number"])
    op.create_index(f"ix_{table}_string", table, ["feature_id", "string"])


def _labels() -> None:
    table = "artifact_record"
    columns = ["artifact_id", "record_id", "origin"]
    op.create_table(
        table,
        sa.Column("artifact_id", IDENTITY, nullable=False),
        sa.Column("record_id", IDENTITY, nullable=False),
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("feature_id", IDENTITY),
        sa.Column("origin", sa.String(length=8), nullable=False, server_default="api"),
        _foreign(table, "artifact_id", "artifact"),
        _foreign(table, "record_id", "record"),
        _foreign(table, "feature_id", "feature"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint(*columns, "feature_id", name=f"uq_{table}_once"),
    )
    alone = sa.text("feature_id IS NULL")
    op.create_index(
        f"ix_{table}_once", table, columns, unique=True, postgresql_where=alone, sqlite_where=alone
    )
    op.create_index(f"ix_{table}_of", table, ["record_id", "artifact_id"])
    op.create_index(f"ix_{table}_feature_id", table, ["feature_id"])
