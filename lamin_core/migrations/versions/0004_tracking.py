"""What tracking keeps: the birth of a run's process, its report and references; tags of versions; lock files"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Up to this schema."""
    for name in ("process_birth", "description", "reference"):
        op.add_column("run", sa.Column(name, sa.Text()))
    op.add_column("run", sa.Column("reference_type", sa.String(length=32)))
    op.add_column("transform", sa.Column("version_tag", sa.String(length=64)))
    for name in ("conda", "locks"):
        op.add_column("environment", sa.Column(name, sa.JSON(none_as_null=True)))
    op.create_table(
        "run_report",
        sa.Column("run_id", IDENTITY, nullable=False),
        sa.Column("artifact_id", IDENTITY, nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [f"{name}_id"],
                [f"{name}.id"],
                name=f"fk_run_report_{name}_id_{name}",
                ondelete="CASCADE",
            )
            for name in ("run", "artifact")
        ),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_report"),
    )
    op.create_index("ix_run_report_artifact_id", "run_report", ["artifact_id"])
