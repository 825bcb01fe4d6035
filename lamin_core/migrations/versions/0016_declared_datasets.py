"""What jobs are declared to read and write without a run; which collections a run made"""

import sqlalchemy as sa
from alembic import op

from lamin_core.models.tables import Identity

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Up to this schema."""
    op.create_table(
        "job_dataset",
        sa.Column("job_id", Identity, nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("series_id", Identity, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["transform_series.id"],
            name="fk_job_dataset_job_id_transform_series",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["artifact_series.id"],
            name="fk_job_dataset_series_id_artifact_series",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "direction", "series_id", name="pk_job_dataset"),
    )
    op.create_index("ix_job_dataset_series_id", "job_dataset", ["series_id"])
    op.create_index("ix_collection_run_id", "collection", ["run_id"])
