"""The databases that the other tests stand on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool
    )


@pytest.mark.parametrize("which", ["first", "second"])
def test_every_test_has_an_empty_database(empty_database_url: str, which: str) -> None:
    with _engine(empty_database_url).begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        connection.execute(sa.text("CREATE TABLE seen (id INTEGER)"))


def test_postgres_fixture_is_a_real_server(postgres_url: str) -> None:
    with _engine(postgres_url).connect() as connection:
        version = connection.execute(sa.text("SHOW server_version_num")).scalar_one()
        assert int(version) >= 160000
        assert connection.execute(sa.text("SHOW server_encoding")).scalar_one() == "UTF8"


def test_database_can_be_created_from_a_template(postgres) -> None:
    template = postgres.create()
    with _engine(postgres.url(template)).begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept AS SELECT 1 AS id"))
    copy = postgres.create(template)
    with _engine(postgres.url(copy)).connect() as connection:
        assert connection.execute(sa.text("SELECT id FROM kept")).scalar_one() == 1
    postgres.drop(copy)
    postgres.drop(template)


def test_environment_of_a_test_is_isolated(home: Path) -> None:
    foreign = [
        name
        for name in os.environ
        if name.startswith(("LAMIN_", "OPENLINEAGE_", "PREFECT_", "AWS_"))
    ]
    assert foreign == ["LAMIN_PATIENCE"]  # which says that a slow machine is no reason to spool
    assert Path.home() == home
    assert list(home.iterdir()) == []
    assert Path(os.environ["XDG_STATE_HOME"]).is_relative_to(home)
