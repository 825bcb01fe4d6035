"""The page for teams, as two people would play it: a real PostgreSQL, an S3 endpoint, and a clone for each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.object_store import KEYS, serving
from tests.test_docs import play

PAGE = Path(__file__).parents[1] / "docs" / "team.md"


def test_team_page_runs(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path) as endpoint:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem(endpoint_url=endpoint, key="testing", secret="testing").mkdir("bucket")
        here = PAGE.read_text("utf-8").replace("postgresql://user@host/lineage", postgres_url)
        (tmp_path / "team.md").write_text(here)
        (tmp_path / "page").mkdir()
        play(tmp_path / "team.md", tmp_path / "page")
