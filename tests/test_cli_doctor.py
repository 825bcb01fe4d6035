"""`lamin doctor`: each check can fail, says so with what to type, and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from lamin_core import doctor
from lamin_core.doctor.database import file_system
from lamin_core.instance import Instance, connect
from tests.command import typed


@pytest.fixture
def folder(in_tmp_path: Path, database_url: str) -> Path:
    """An instance in the test's folder, on both databases."""
    Instance.create(in_tmp_path, "./data", database_url).db.dispose()
    return in_tmp_path


def _found(check: str) -> dict[str, Any]:
    findings = {finding.check: finding.as_dict() for finding in doctor.examine()}
    return findings[check]


def test_a_healthy_instance(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    shown = typed("doctor").stdout
    findings = typed("doctor", "--json").json
    assert all(set(finding) == {"check", "status", "detail", "hint"} for finding in findings)
    assert {finding["check"] for finding in findings if finding["status"] != "ok"} <= {"sqlite", "file system"}
    assert all(finding["detail"] in shown for finding in findings if finding["check"] in ("version", "schema"))
    assert {"engine snakemake", "engine prefect", "engine nextflow", "latency", "clock of the database"} <= {
        finding["check"] for finding in findings
    }
    for finding in findings:
        assert (finding["hint"] is None) == (finding["status"] == "ok")
    assert sorted(folder.rglob("*")) == before


def test_without_an_instance_the_rest_is_still_examined(in_tmp_path: Path) -> None:
    findings = {finding["check"]: finding for finding in typed("doctor", "--json", code=1).json}
    assert findings["instance"]["hint"] == "lamin init --storage ./data"
    assert findings["version"]["status"] == "ok"


def test_a_storage_that_is_gone(folder: Path) -> None:
    (folder / "data").rmdir()
    assert typed("doctor", code=1).stdout.count("failure") == 1
    found = _found("storage")
    assert (found["status"], found["hint"]) == ("failure", f"mkdir -p {folder / 'data'}, or mount it")


def test_a_bucket_that_does_not_answer(in_tmp_path: Path) -> None:
    os.environ |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    os.environ["AWS_MAX_ATTEMPTS"] = "1"
    Instance.create(in_tmp_path, "s3://nowhere/x").db.dispose()
    found = _found("storage")
    assert found["status"] == "failure"
    assert "AWS_ENDPOINT_URL set" in found["hint"]


def test_a_schema_of_another_version(folder: Path) -> None:
    instance = connect()
    with instance.db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    found = _found("database")
    assert (found["status"], found["hint"]) == ("failure", "lamin migrate")


def test_a_database_out_of_reach(in_tmp_path: Path) -> None:
    (in_tmp_path / ".lamin").mkdir()
    (in_tmp_path / ".lamin" / "instance.toml").write_text('db = "postgresql://me:hunter2@127.0.0.1:9/none"\n')
    found = _found("database")
    assert found["status"] == "failure"
    assert "hunter2" not in str(found)
    (in_tmp_path / ".lamin" / "instance.toml").chmod(0o644)
    assert _found("secrecy")["hint"] == f"chmod 600 {in_tmp_path / '.lamin' / 'instance.toml'}"


def test_a_settings_file_that_cannot_be_read(in_tmp_path: Path) -> None:
    (in_tmp_path / ".lamin").mkdir()
    (in_tmp_path / ".lamin" / "instance.toml").write_text("db = ")
    assert _found("instance")["status"] == "failure"


def test_events_that_wait(folder: Path) -> None:
    (folder / ".lamin" / "spool").mkdir()
    (folder / ".lamin" / "spool" / "a.ndjson").write_text("{}\n")
    found = _found("spool")
    assert (found["status"], found["hint"]) == ("warning", "lamin events replay")
    assert "3 bytes in 1 files" in found["detail"]
    assert typed("doctor").stdout  # a warning is no failure


def test_a_clock_that_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 60)
    found = _found("clock of the storage")
    assert found["status"] == "warning"
    assert "NTP" in found["hint"]


def test_a_writer_that_does_not_let_go(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamin_core.db.BUSY_TIMEOUT_MS", 100)
    instance = Instance.create(in_tmp_path, "./data")
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with instance.db.writing() as session:
            session.connection()
            holds.set()
            done.wait(60)

    writer = threading.Thread(target=hold)
    writer.start()
    holds.wait(30)
    found = _found("permissions")
    done.set()
    writer.join()
    assert found["status"] == "failure"
    assert "locked" in found["detail"]
    instance.db.dispose()


def test_a_file_system_over_the_network_is_no_place_for_sqlite() -> None:
    mounts = "/dev/sda / ext4 rw 0 0\nserver:/x /team\\040space nfs4 rw 0 0\n/dev/sdb /team ext4 rw 0 0\n"
    assert file_system(Path("/team space/.lamin/lamin.db"), mounts) == "nfs4"
    assert file_system(Path("/team/.lamin/lamin.db"), mounts) == "ext4"
    assert file_system(Path("/a.db"), "") is None


def test_it_runs_where_no_engine_is_installed(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    code = "import sys; sys.modules['snakemake'] = None; from lamin_core.cli import main; main(['doctor'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "engine snakemake" in done.stdout
