"""Storages in a project are relative to it; where it has been, and what people changed, is remembered"""

import sqlalchemy as sa
from alembic import op

from lamin_core.db.database import project_of
from lamin_core.models.root_path import Root, relative_to
from lamin_core.models.tables import UTC_DateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Up to this schema."""
    op.create_table(
        "relocation",
        sa.Column("old", KEY, nullable=False),
        sa.Column("new", Root, nullable=False),
        sa.Column("until", UTC_DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("old", name="pk_relocation"),
    )
    op.add_column("instance", sa.Column("folder", sa.Text(), nullable=True))
    op.create_table(
        "deleted_run",
        sa.Column("external_id", sa.String(length=128), nullable=False),
        sa.Column("deleted_at", UTC_DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("external_id", name="pk_deleted_run"),
    )
    op.add_column("deleted_version", sa.Column("hash", sa.String(length=128), nullable=True))
    op.add_column("deleted_version", sa.Column("made_at", UTC_DateTime(), nullable=True))
    for table in ("ulabel", "feature", "project", "reference"):
        op.add_column(table, sa.Column("deleted_at", UTC_DateTime(), nullable=True))
    for table in ("artifact", "run", "transform"):
        op.add_column(table, sa.Column("edited", sa.JSON(none_as_null=True), nullable=True))
    project = project_of(op.get_bind().engine.url)
    if project is not None:
        _make_relative(op.get_bind(), project)


def _make_relative(connection: sa.Connection, project: str) -> None:
    storage = sa.table("storage", sa.column("id", sa.Integer), sa.column("root", sa.Text))
    for identity, root in connection.execute(sa.select(storage.c.id, storage.c.root)).all():
        stored = relative_to(project, root)
        if stored != root:
            row = sa.update(storage).where(storage.c.id == identity)
            connection.execute(row.values(root=stored))
    instance = sa.table("instance", sa.column("folder", sa.Text))
    connection.execute(sa.update(instance).values(folder=project))
