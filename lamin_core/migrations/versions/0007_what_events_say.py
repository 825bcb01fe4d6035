"""What events say beside runs: jobs and datasets by themselves, names of one dataset, traits of versions"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Up to this schema."""
    op.create_table(
        "dataset_alias",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("canonical", KEY, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_alias"),
        sa.UniqueConstraint("path", name="uq_dataset_alias_path"),
    )
    op.create_index("ix_dataset_alias_canonical", "dataset_alias", ["canonical"])
    op.add_column(
        "transform_series", sa.Column("declared_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "transform_series", sa.Column("facets", sa.JSON(none_as_null=True), nullable=True)
    )
    op.add_column("transform", sa.Column("stamp", sa.Text(), nullable=True))
    op.add_column("run", sa.Column("root_run_id", sa.String(length=128), nullable=True))
    op.create_index("ix_run_root_run_id", "run", ["root_run_id"])
    with op.batch_alter_table("run_artifact") as batch:
        batch.alter_column("run_id", existing_type=IDENTITY, nullable=True)
        batch.add_column(sa.Column("traits", sa.JSON(none_as_null=True), nullable=True))
        batch.add_column(sa.Column("event_hash", sa.String(length=64), nullable=True))
        batch.create_unique_constraint("uq_run_artifact_event_hash", ["event_hash"])
    op.drop_index("ix_event_run_id", "event")
    op.create_index("ix_event_run_id", "event", ["run_id", "id"])
