"""Registries of biological terms, the sources they are from, and what is labelled with them"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UID = sa.String(24).with_variant(sa.String(24, collation="C"), "postgresql")

HIERARCHICAL = [
    "organism",
    "cell_type",
    "cell_line",
    "tissue",
    "disease",
    "phenotype",
    "pathway",
    "experimental_factor",
    "developmental_stage",
    "ethnicity",
]
OF_ORGANISM = {
    "gene": [
        ("symbol", KEY, True),
        ("stable_id", KEY, True),
        ("ensembl_gene_id", KEY, True),
        ("ncbi_gene_ids", sa.Text(), False),
        ("biotype", sa.Text(), False),
    ],
    "protein": [("uniprotkb_id", KEY, True), ("gene_symbol", KEY, True)],
    "cell_marker": [("gene_symbol", KEY, True), ("uniprotkb_id", KEY, True)],
}
IN_SCHEMAS = ["gene", "protein", "cell_marker", "pathway"]


def upgrade() -> None:
    """Up to this schema."""
    _source()
    for noun in HIERARCHICAL:
        _registry(noun, [("scientific_name", KEY, True)] if noun == "organism" else [])
        _pairs(f"{noun}_parent", (f"{noun}_id", f"bionty_{noun}"), ("parent_id", f"bionty_{noun}"))
    for noun, columns in OF_ORGANISM.items():
        _registry(noun, columns, of_organism=True)
    for noun in [*HIERARCHICAL, *OF_ORGANISM]:
        _annotation(noun)
    for noun in IN_SCHEMAS:
        _pairs(f"schema_{noun}", ("schema_id", "schema"), (f"{noun}_id", f"bionty_{noun}"))


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{target}"
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name)


def _link(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """A link table. With the target in its name, some names would be longer than the 63 bytes of PostgreSQL."""
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE")


def _record(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("uid", UID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by_id", IDENTITY),
        _foreign(table, "created_by_id", "user"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("uid", name=f"uq_{table}_uid"),
    ]


def _source() -> None:
    known_by = ["entity", "organism", "name", "version"]
    op.create_table(
        "bionty_source",
        *(sa.Column(name, KEY, nullable=False) for name in known_by),
        *(sa.Column(name, sa.Text()) for name in ("description", "url", "licence")),
        *_record("bionty_source"),
        sa.UniqueConstraint(*known_by, name="uq_bionty_source_entity_organism_name_version"),
    )


def _registry(noun: str, columns: list[tuple], *, of_organism: bool = False) -> None:  # type: ignore[type-arg]
    table = f"bionty_{noun}"
    references = ["source_id", *(["organism_id"] if of_organism else [])]
    is_named = noun != "gene"
    op.create_table(
        table,
        *([sa.Column("name", KEY, nullable=False)] if is_named else []),
        *(sa.Column(name, kind) for name, kind, _ in columns),
        sa.Column("abbr", sa.Text()),
        sa.Column("ontology_id", KEY),
        sa.Column("synonyms", sa.Text()),
        sa.Column("description", sa.Text()),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        *(sa.Column(name, IDENTITY) for name in references),
        *(_foreign(table, name, f"bionty_{name.removesuffix('_id')}") for name in references),
        *_record(table),
    )
    indexed = [name for name, _, is_indexed in columns if is_indexed]
    for name in [*(["name"] if is_named else []), "ontology_id", *references, *indexed]:
        op.create_index(f"ix_{table}_{name}", table, [name])


def _pairs(table: str, first: tuple[str, str], second: tuple[str, str]) -> None:
    op.create_table(
        table,
        sa.Column(first[0], IDENTITY, nullable=False),
        sa.Column(second[0], IDENTITY, nullable=False),
        _link(table, *first),
        _link(table, *second),
        sa.PrimaryKeyConstraint(first[0], second[0], name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_{second[0]}", table, [second[0]])


def _annotation(noun: str) -> None:
    table = f"artifact_{noun}"
    columns = ["artifact_id", f"{noun}_id", "origin"]
    op.create_table(
        table,
        sa.Column("artifact_id", IDENTITY, nullable=False),
        sa.Column(f"{noun}_id", IDENTITY, nullable=False),
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("feature_id", IDENTITY),
        sa.Column("origin", sa.String(length=8), nullable=False, server_default="api"),
        _link(table, "artifact_id", "artifact"),
        _link(table, f"{noun}_id", f"bionty_{noun}"),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["feature.id"],
            name=f"fk_{table}_feature_id_feature",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint(*columns, "feature_id", name=f"uq_{table}_once"),
    )
    alone = sa.text("feature_id IS NULL")
    op.create_index(
        f"ix_{table}_once", table, columns, unique=True, postgresql_where=alone, sqlite_where=alone
    )
    op.create_index(f"ix_{table}_of", table, [f"{noun}_id", "artifact_id"])
    op.create_index(f"ix_{table}_feature_id", table, ["feature_id"])
