"""Migrations: they lead to the very tables that the models say, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text

from lamin_core.db.database import REVISION, Database
from lamin_core.errors import SchemaMismatch
from lamin_core.instance.instance import Instance
from lamin_core.migrations import apply, configuration, upgrade
from lamin_core.models import (
    ArtifactULabel,
    Base,
    Run,
    RunChange,
    Transform,
    TransformSeries,
    blank,
    now,
    search,
)


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    """An empty database."""
    new_database = Database(empty_database_url)
    yield new_database
    new_database.dispose()


def test_migrations_have_one_head_which_is_the_revision_of_the_code(database: Database) -> None:
    with database.reading() as session:
        scripts = ScriptDirectory.from_config(configuration(session.connection()))
    assert scripts.get_heads() == [REVISION]


def _is_ours(name: str | None, kind: str, parents: Any) -> bool:
    return not search.is_derived(name)


def test_migrations_create_the_tables_of_the_models(database: Database) -> None:
    with database.writing() as session:
        apply(session.connection())
    with database.reading() as session:
        differences = compare_metadata(
            MigrationContext.configure(session.connection(), opts={"include_name": _is_ours}),
            Base.metadata,
        )
    assert differences == []
    database.check()


def test_migrations_and_models_have_the_same_collations(postgres: Any) -> None:
    created, migrated = (Database(postgres.url(postgres.create())) for _ in range(2))
    created.create()
    with migrated.writing() as session:
        apply(session.connection())
    collations = _collations(migrated)
    assert collations == _collations(created)
    assert collations["ulabel", "name"] == collations["artifact", "uid"] == "C"
    created.dispose()
    migrated.dispose()


def _collations(database: Database) -> dict[tuple[str, str], str | None]:
    columns = "SELECT table_name, column_name, collation_name FROM information_schema.columns"
    with database.reading() as session:
        rows = session.execute(text(f"{columns} WHERE table_schema = 'public'"))
        return {(row[0], row[1]): row[2] for row in rows}


def test_new_instance_has_the_tables_of_the_migrations(database: Database, tmp_path: Path) -> None:
    database.create()
    migrated = Database(f"sqlite:///{tmp_path / 'migrated.db'}")
    with migrated.writing() as session:
        apply(session.connection())
    assert _names(database) == _names(migrated)
    migrated.dispose()


def _names(database: Database) -> dict[str, set[str]]:
    tables = inspect(database.engine)
    names = [name for name in tables.get_table_names() if not search.is_derived(name)]
    return {name: {column["name"] for column in tables.get_columns(name)} for name in names}


def test_models_need_no_further_migration(database: Database) -> None:
    database.create()
    with database.reading() as session:
        command.check(configuration(session.connection()))


@pytest.mark.parametrize(
    ("revision", "hint"), [("9999", "pip install --upgrade"), ("0000", "lamin migrate")]
)
def test_database_of_another_schema_version_is_refused(
    in_tmp_path: Path, database: Database, revision: str, hint: str
) -> None:
    instance = Instance.create(in_tmp_path, "./data", database.url)
    with instance.db.writing() as session:
        session.execute(
            text("UPDATE alembic_version SET version_num = :found"), {"found": revision}
        )
    instance.db.dispose()
    with pytest.raises(SchemaMismatch, match=hint):
        Instance.open(instance.folder)


def test_upgrade_of_an_up_to_date_database_changes_nothing(
    in_tmp_path: Path, database: Database
) -> None:
    Instance.create(in_tmp_path, "./data", database.url).db.dispose()
    upgrade(in_tmp_path)
    Instance.open(in_tmp_path / ".lamin").db.dispose()


def test_labels_of_the_first_schema_are_migrated(in_tmp_path: Path, database: Database) -> None:
    when = "'2026-01-01 00:00:00'"
    with database.writing() as session:
        apply(session.connection(), "0001")
        for statement in (
            "INSERT INTO storage (id, uid, root, type, is_managed, created_at)"
            f" VALUES (1, 's', '/', 'x', false, {when})",
            "INSERT INTO artifact_series (id, stem, storage_id) VALUES (1, 'a', 1)",
            "INSERT INTO artifact (id, uid, series_id, number, is_latest, storage_id, suffix, origin, created_at)"
            f" VALUES (1, 'a0000', 1, 0, true, 1, '', 'api', {when})",
            f"INSERT INTO ulabel (id, uid, name, is_type, created_at) VALUES (1, 'u', 'x', false, {when})",
            "INSERT INTO artifact_ulabel (artifact_id, ulabel_id) VALUES (1, 1)",
        ):
            session.execute(text(statement))
    with database.writing() as session:
        apply(session.connection())
        assert session.scalars(select(ArtifactULabel)).one().origin == "api"


@pytest.mark.parametrize("made_by", ["models", "migrations"])
def test_every_change_of_a_run_is_recorded(
    in_tmp_path: Path, database: Database, made_by: str
) -> None:
    if made_by == "migrations":
        with database.writing() as session:
            apply(session.connection())
    instance = Instance.create(in_tmp_path, "./data", database.url)
    with instance.db.writing() as session:
        apply(session.connection())  # once more: nothing is noted twice
        series = TransformSeries(stem="s", namespace="n", key="k")
        session.add(series)
        session.flush()
        code = blank(Transform, uid="t", series_id=series.id, number=0, is_latest=True, key="k", namespace="n",
                     kind="script", origin="api")  # fmt: skip
        session.add(code)
        session.flush()
        session.add(
            blank(
                Run,
                uid="r",
                external_id="r",
                transform_id=code.id,
                origin="api",
                engine="python",
                status="running",
            )
        )
    with instance.db.writing() as session:
        session.execute(text("UPDATE run SET status = 'running', name = 'no news'"))
        session.execute(text("UPDATE run SET status = 'completed'"))
    with instance.db.reading() as session:
        changes = session.scalars(select(RunChange).order_by(RunChange.id)).all()
    assert [change.status for change in changes] == ["running", "completed"]
    assert all(abs((change.at - now()).total_seconds()) < 60 for change in changes)
    instance.db.dispose()


def _create_fifth_schema(database: Database) -> None:
    with database.writing() as session:
        apply(session.connection(), "0005")
        session.execute(
            text(
                "INSERT INTO storage (id, uid, root, type, is_managed, created_at)"
                " VALUES (7, 'storageuid12', '/data', 'local', true, '2026-01-01 00:00:00')"
            )
        )


def test_migrated_instance_keeps_its_uid_and_storage(in_tmp_path: Path, database: Database) -> None:
    _create_fifth_schema(database)
    (in_tmp_path / ".lamin").mkdir()
    url = database.engine.url.render_as_string(hide_password=False)
    settings = in_tmp_path / ".lamin" / "instance.toml"
    settings.write_text(f'uid = "itsolduid123"\nstorage = "/data"\ndb = "{url}"\n')
    settings.chmod(0o600)  # as `lamin init` has always made it
    upgrade(in_tmp_path)
    instance = Instance.open(in_tmp_path / ".lamin")
    assert (instance.uid, instance.storage) == ("itsolduid123", "/data")
    instance.db.dispose()


def test_migrated_copies_of_a_database_get_the_same_uid(tmp_path: Path, database: Database) -> None:
    uids = set()
    for target in (database, Database(f"sqlite:///{tmp_path / 'copy.db'}")):
        _create_fifth_schema(target)
        with target.writing() as session:
            apply(session.connection())
            uids.add(session.scalar(text("SELECT uid FROM instance")))
        target.dispose()
    assert len(uids) == 1
    assert len(uids.pop() or "") == 12
