"""Labels, features and values on more than artifacts; projects and references; hierarchies

No table that others refer to is made anew: with foreign keys on, SQLite would empty those others.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Up to this schema."""
    _widen()
    _registries()
    _keys("ulabel_parent", "ulabel", "ulabel", "parent_id")
    _keys("project_reference", "project", "reference", "reference_id")
    _schemas()
    _links()
    for thing in ("artifact", "run"):
        _values(thing)


def _widen() -> None:
    """New columns of tables that are there."""
    for table in ("ulabel", "feature"):
        op.add_column(table, sa.Column("synonyms", sa.Text()))
    op.add_column(
        "feature", sa.Column("nullable", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.add_column("feature", sa.Column("default_value", sa.JSON(none_as_null=True)))
    for name in ("itype", "dtype"):
        op.add_column("schema", sa.Column(name, sa.Text()))
    op.add_column("schema", sa.Column("n_members", sa.Integer()))
    op.add_column(
        "schema", sa.Column("minimal_set", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    flags = [("schema", name) for name in ("ordered_set", "maximal_set", "flexible", "coerce")]
    for table, name in [*flags, ("feature", "coerce"), ("schema_feature", "optional")]:
        op.add_column(
            table, sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    _refer("schema", "index_id", "feature")
    _refer("schema", "created_by_id", "user")
    _refer("feature", "created_by_id", "user")
    op.execute(
        "UPDATE schema SET n_members = (SELECT count(*) FROM schema_feature WHERE schema_id = schema.id)"
    )


def _refer(table: str, column: str, target: str) -> None:
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    name = f"fk_{table}_{column}_{target}"
    op.execute(
        f'ALTER TABLE {table} ADD COLUMN {column} {kind} CONSTRAINT {name} REFERENCES "{target}" (id)'
    )


def _registries() -> None:
    op.create_table(
        "project",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("abbr", sa.String(length=32)),
        sa.Column("description", sa.Text()),
        sa.Column("url", sa.Text()),
        sa.Column("start_date", sa.Date()),
        sa.Column("end_date", sa.Date()),
        *_record("project"),
    )
    op.create_table(
        "reference",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("abbr", sa.String(length=32)),
        sa.Column("description", sa.Text()),
        sa.Column("url", sa.Text()),
        sa.Column("doi", sa.String(length=255)),
        sa.Column("pubmed_id", sa.Integer()),
        sa.Column("authors", sa.Text()),
        sa.Column("date", sa.Date()),
        *_record("reference"),
    )
    op.create_index("ix_reference_doi", "reference", ["doi"])


def _record(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("created_by_id", IDENTITY),
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("uid", sa.String(length=24), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["user.id"], name=f"fk_{table}_created_by_id_user"
        ),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("name", name=f"uq_{table}_name"),
        sa.UniqueConstraint("uid", name=f"uq_{table}_uid"),
    ]


def _foreign(
    table: str, column: str, target: str, *, cascade: bool = True
) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{target}"
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=name, ondelete="CASCADE" if cascade else None
    )


def _keys(table: str, own: str, other: str, other_id: str) -> None:
    op.create_table(
        table,
        sa.Column(f"{own}_id", IDENTITY, nullable=False),
        sa.Column(other_id, IDENTITY, nullable=False),
        _foreign(table, f"{own}_id", own),
        _foreign(table, other_id, other),
        sa.PrimaryKeyConstraint(f"{own}_id", other_id, name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_{other_id}", table, [other_id])


def _schemas() -> None:
    op.create_table(
        "schema_component",
        sa.Column("composite_id", IDENTITY, nullable=False),
        sa.Column("slot", sa.String(length=64), nullable=False),
        sa.Column("component_id", IDENTITY, nullable=False),
        _foreign("schema_component", "composite_id", "schema"),
        _foreign("schema_component", "component_id", "schema", cascade=False),
        sa.PrimaryKeyConstraint("composite_id", "slot", name="pk_schema_component"),
    )
    op.create_index("ix_schema_component_component_id", "schema_component", ["component_id"])
    op.create_table(
        "artifact_schema",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("artifact_id", IDENTITY, nullable=False),
        sa.Column("schema_id", IDENTITY, nullable=False),
        sa.Column("slot", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("origin", sa.String(length=8), nullable=False, server_default="api"),
        _foreign("artifact_schema", "artifact_id", "artifact"),
        _foreign("artifact_schema", "schema_id", "schema"),
        sa.PrimaryKeyConstraint("id", name="pk_artifact_schema"),
        sa.UniqueConstraint(
            "artifact_id",
            "slot",
            "schema_id",
            "origin",
            name="uq_artifact_schema_artifact_id_slot_schema_id_origin",
        ),
    )
    op.create_index("ix_artifact_schema_schema_id", "artifact_schema", ["schema_id"])


def _links() -> None:
    op.execute("CREATE TEMPORARY TABLE kept AS SELECT artifact_id, ulabel_id FROM artifact_ulabel")
    op.drop_table("artifact_ulabel")
    for thing in ("artifact", "run", "transform", "collection"):
        _link(thing, "ulabel")
    op.execute(
        "INSERT INTO artifact_ulabel (artifact_id, ulabel_id) SELECT artifact_id, ulabel_id FROM kept"
    )
    op.execute("DROP TABLE kept")
    for thing in ("artifact", "run", "transform"):
        _link(thing, "project")
    for thing in ("artifact", "transform"):
        _link(thing, "reference")


def _link(thing: str, label: str) -> None:
    table, columns = f"{thing}_{label}", [f"{thing}_id", f"{label}_id", "origin"]
    op.create_table(
        table,
        sa.Column(f"{thing}_id", IDENTITY, nullable=False),
        sa.Column(f"{label}_id", IDENTITY, nullable=False),
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("feature_id", IDENTITY),
        sa.Column("origin", sa.String(length=8), nullable=False, server_default="api"),
        _foreign(table, f"{thing}_id", thing),
        _foreign(table, f"{label}_id", label),
        _foreign(table, "feature_id", "feature"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint(*columns, "feature_id", name=f"uq_{table}_once"),
    )
    alone = sa.text("feature_id IS NULL")
    op.create_index(
        f"ix_{table}_once", table, columns, unique=True, postgresql_where=alone, sqlite_where=alone
    )
    op.create_index(f"ix_{table}_{label}_id", table, [f"{label}_id"])
    op.create_index(f"ix_{table}_feature_id", table, ["feature_id"])


def _values(thing: str) -> None:
    table = f"{thing}_feature_value"
    op.create_table(
        table,
        sa.Column(f"{thing}_id", IDENTITY, nullable=False),
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("feature_id", IDENTITY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("number", sa.Double()),
        sa.Column("string", KEY),
        sa.Column("hash", sa.String(length=22), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False, server_default="api"),
        _foreign(table, f"{thing}_id", thing),
        _foreign(table, "feature_id", "feature"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint(
            f"{thing}_id", "feature_id", "position", "hash", "origin", name=f"uq_{table}_once"
        ),
    )
    op.create_index(f"ix_{table}_number", table, ["feature_id", "number"])
    op.create_index(f"ix_{table}_string", table, ["feature_id", "string"])
