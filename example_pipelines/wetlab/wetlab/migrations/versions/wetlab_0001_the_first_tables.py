"""the first tables"""

import sqlalchemy as sa
from alembic import op

revision = "wetlab_0001"
down_revision = None
branch_labels = ("wetlab",)
depends_on = None


def upgrade() -> None:
    """Up to this schema."""
    op.create_table(
        "wetlab_experiment",
        sa.Column("date", sa.Date(), nullable=True),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "created_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "uid",
            sa.String(length=24).with_variant(sa.String(length=24, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["user.id"], name=op.f("fk_wetlab_experiment_created_by_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_experiment")),
        sa.UniqueConstraint("uid", name=op.f("uq_wetlab_experiment_uid")),
    )
    with op.batch_alter_table("wetlab_experiment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_wetlab_experiment_name"), ["name"], unique=False)

    op.create_table(
        "wetlab_treatment",
        sa.Column("system", sa.Text(), nullable=True),
        sa.Column("concentration", sa.Float(), nullable=True),
        sa.Column("concentration_unit", sa.Text(), nullable=True),
        sa.Column("duration_hours", sa.Float(), nullable=True),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "created_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "uid",
            sa.String(length=24).with_variant(sa.String(length=24, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["user.id"], name=op.f("fk_wetlab_treatment_created_by_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_treatment")),
        sa.UniqueConstraint("uid", name=op.f("uq_wetlab_treatment_uid")),
    )
    with op.batch_alter_table("wetlab_treatment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_wetlab_treatment_name"), ["name"], unique=False)

    op.create_table(
        "wetlab_treatment_parent",
        sa.Column(
            "treatment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["wetlab_treatment.id"],
            name="fk_wetlab_treatment_parent_parent_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["treatment_id"],
            ["wetlab_treatment.id"],
            name="fk_wetlab_treatment_parent_treatment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "treatment_id", "parent_id", name=op.f("pk_wetlab_treatment_parent")
        ),
    )
    with op.batch_alter_table("wetlab_treatment_parent", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wetlab_treatment_parent_parent_id"), ["parent_id"], unique=False
        )

    op.create_table(
        "wetlab_well",
        sa.Column("row", sa.Text(), nullable=True),
        sa.Column("column", sa.Integer(), nullable=True),
        sa.Column(
            "experiment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "created_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "uid",
            sa.String(length=24).with_variant(sa.String(length=24, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["user.id"], name=op.f("fk_wetlab_well_created_by_id_user")
        ),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["wetlab_experiment.id"],
            name=op.f("fk_wetlab_well_experiment_id_wetlab_experiment"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_well")),
        sa.UniqueConstraint(
            "name", "experiment_id", name=op.f("uq_wetlab_well_name_experiment_id")
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_wetlab_well_uid")),
    )
    with op.batch_alter_table("wetlab_well", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wetlab_well_experiment_id"), ["experiment_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_wetlab_well_name"), ["name"], unique=False)

    op.create_table(
        "wetlab_biosample",
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column(
            "organism_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "created_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "uid",
            sa.String(length=24).with_variant(sa.String(length=24, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["user.id"], name=op.f("fk_wetlab_biosample_created_by_id_user")
        ),
        sa.ForeignKeyConstraint(
            ["organism_id"],
            ["bionty_organism.id"],
            name=op.f("fk_wetlab_biosample_organism_id_bionty_organism"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_biosample")),
        sa.UniqueConstraint("uid", name=op.f("uq_wetlab_biosample_uid")),
    )
    with op.batch_alter_table("wetlab_biosample", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_wetlab_biosample_name"), ["name"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_wetlab_biosample_organism_id"), ["organism_id"], unique=False
        )

    op.create_table(
        "wetlab_artifact_biosample",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "feature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("origin", sa.String(length=8), server_default="api", nullable=False),
        sa.Column(
            "artifact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "biosample_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["artifact_id"],
            ["artifact.id"],
            name="fk_wetlab_artifact_biosample_artifact_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["biosample_id"],
            ["wetlab_biosample.id"],
            name="fk_wetlab_artifact_biosample_biosample_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["feature.id"],
            name=op.f("fk_wetlab_artifact_biosample_feature_id_feature"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_artifact_biosample")),
        sa.UniqueConstraint(
            "artifact_id",
            "biosample_id",
            "origin",
            "feature_id",
            name="uq_wetlab_artifact_biosample_once",
        ),
    )
    with op.batch_alter_table("wetlab_artifact_biosample", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wetlab_artifact_biosample_feature_id"), ["feature_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_biosample_of", ["biosample_id", "artifact_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_biosample_once",
            ["artifact_id", "biosample_id", "origin"],
            unique=True,
            sqlite_where=sa.text("feature_id IS NULL"),
            postgresql_where=sa.text("feature_id IS NULL"),
        )

    op.create_table(
        "wetlab_artifact_experiment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "feature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("origin", sa.String(length=8), server_default="api", nullable=False),
        sa.Column(
            "artifact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "experiment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["artifact_id"],
            ["artifact.id"],
            name="fk_wetlab_artifact_experiment_artifact_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["wetlab_experiment.id"],
            name="fk_wetlab_artifact_experiment_experiment_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["feature.id"],
            name=op.f("fk_wetlab_artifact_experiment_feature_id_feature"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_artifact_experiment")),
        sa.UniqueConstraint(
            "artifact_id",
            "experiment_id",
            "origin",
            "feature_id",
            name="uq_wetlab_artifact_experiment_once",
        ),
    )
    with op.batch_alter_table("wetlab_artifact_experiment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wetlab_artifact_experiment_feature_id"), ["feature_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_experiment_of", ["experiment_id", "artifact_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_experiment_once",
            ["artifact_id", "experiment_id", "origin"],
            unique=True,
            sqlite_where=sa.text("feature_id IS NULL"),
            postgresql_where=sa.text("feature_id IS NULL"),
        )

    op.create_table(
        "wetlab_artifact_treatment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "feature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("origin", sa.String(length=8), server_default="api", nullable=False),
        sa.Column(
            "artifact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "treatment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["artifact_id"],
            ["artifact.id"],
            name="fk_wetlab_artifact_treatment_artifact_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["feature.id"],
            name=op.f("fk_wetlab_artifact_treatment_feature_id_feature"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["treatment_id"],
            ["wetlab_treatment.id"],
            name="fk_wetlab_artifact_treatment_treatment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_artifact_treatment")),
        sa.UniqueConstraint(
            "artifact_id",
            "treatment_id",
            "origin",
            "feature_id",
            name="uq_wetlab_artifact_treatment_once",
        ),
    )
    with op.batch_alter_table("wetlab_artifact_treatment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wetlab_artifact_treatment_feature_id"), ["feature_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_treatment_of", ["treatment_id", "artifact_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_treatment_once",
            ["artifact_id", "treatment_id", "origin"],
            unique=True,
            sqlite_where=sa.text("feature_id IS NULL"),
            postgresql_where=sa.text("feature_id IS NULL"),
        )

    op.create_table(
        "wetlab_artifact_well",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "feature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("origin", sa.String(length=8), server_default="api", nullable=False),
        sa.Column(
            "artifact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("well_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact_id"],
            ["artifact.id"],
            name="fk_wetlab_artifact_well_artifact_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["feature.id"],
            name=op.f("fk_wetlab_artifact_well_feature_id_feature"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["well_id"],
            ["wetlab_well.id"],
            name="fk_wetlab_artifact_well_well_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_artifact_well")),
        sa.UniqueConstraint(
            "artifact_id", "well_id", "origin", "feature_id", name="uq_wetlab_artifact_well_once"
        ),
    )
    with op.batch_alter_table("wetlab_artifact_well", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wetlab_artifact_well_feature_id"), ["feature_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_well_of", ["well_id", "artifact_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_well_once",
            ["artifact_id", "well_id", "origin"],
            unique=True,
            sqlite_where=sa.text("feature_id IS NULL"),
            postgresql_where=sa.text("feature_id IS NULL"),
        )

    op.create_table(
        "wetlab_techsample",
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column(
            "biosample_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "created_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "uid",
            sa.String(length=24).with_variant(sa.String(length=24, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["biosample_id"],
            ["wetlab_biosample.id"],
            name=op.f("fk_wetlab_techsample_biosample_id_wetlab_biosample"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["user.id"], name=op.f("fk_wetlab_techsample_created_by_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_techsample")),
        sa.UniqueConstraint("uid", name=op.f("uq_wetlab_techsample_uid")),
    )
    with op.batch_alter_table("wetlab_techsample", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wetlab_techsample_biosample_id"), ["biosample_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_wetlab_techsample_name"), ["name"], unique=False)

    op.create_table(
        "wetlab_artifact_techsample",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "feature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("origin", sa.String(length=8), server_default="api", nullable=False),
        sa.Column(
            "artifact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "techsample_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["artifact_id"],
            ["artifact.id"],
            name="fk_wetlab_artifact_techsample_artifact_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["feature.id"],
            name=op.f("fk_wetlab_artifact_techsample_feature_id_feature"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["techsample_id"],
            ["wetlab_techsample.id"],
            name="fk_wetlab_artifact_techsample_techsample_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wetlab_artifact_techsample")),
        sa.UniqueConstraint(
            "artifact_id",
            "techsample_id",
            "origin",
            "feature_id",
            name="uq_wetlab_artifact_techsample_once",
        ),
    )
    with op.batch_alter_table("wetlab_artifact_techsample", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_wetlab_artifact_techsample_feature_id"), ["feature_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_techsample_of", ["techsample_id", "artifact_id"], unique=False
        )
        batch_op.create_index(
            "ix_wetlab_artifact_techsample_once",
            ["artifact_id", "techsample_id", "origin"],
            unique=True,
            sqlite_where=sa.text("feature_id IS NULL"),
            postgresql_where=sa.text("feature_id IS NULL"),
        )
