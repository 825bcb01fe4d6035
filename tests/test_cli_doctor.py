"""`lamin doctor`: each check can fail, says so with what to type, and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from lamin_core.admin import doctor
from lamin_core.admin.doctor.database import file_system
from lamin_core.instance.instance import Instance, connect
from tests.support.commands import typed
from tests.support.object_store import forget_clients


@pytest.fixture
def folder(in_tmp_path: Path, database_url: str) -> Path:
    """An instance in the test's folder, on both databases."""
    Instance.create(in_tmp_path, "./data", database_url).db.dispose()
    return in_tmp_path


def _finding(check: str) -> dict[str, Any]:
    findings = {finding.check: finding.as_dict() for finding in doctor.examine()}
    return findings[check]


def test_doctor_of_a_healthy_instance_reports_and_changes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    shown = typed("doctor").stdout
    findings = typed("doctor", "--json").json
    assert all(set(finding) == {"check", "status", "detail", "hint"} for finding in findings)
    assert {finding["check"] for finding in findings if finding["status"] != "ok"} <= {
        "sqlite",
        "file system",
    }
    assert all(
        finding["detail"] in shown
        for finding in findings
        if finding["check"] in ("version", "schema")
    )
    assert {
        "engine snakemake",
        "engine prefect",
        "engine nextflow",
        "latency",
        "clock of the database",
    } <= {finding["check"] for finding in findings}
    for finding in findings:
        assert (finding["hint"] is None) == (finding["status"] == "ok")
    assert sorted(folder.rglob("*")) == before


def test_doctor_without_an_instance_runs_the_other_checks(in_tmp_path: Path) -> None:
    findings = {finding["check"]: finding for finding in typed("doctor", "--json", code=1).json}
    assert findings["instance"]["hint"] == "lamin init --storage ./data"
    assert findings["version"]["status"] == "ok"


def test_doctor_reports_a_missing_storage(folder: Path) -> None:
    (folder / "data").rmdir()
    assert typed("doctor", code=1).stdout.count("failure") == 1
    finding = _finding("storage")
    assert (finding["status"], finding["hint"]) == (
        "failure",
        f"mount it; if it was moved: lamin storage move {folder / 'data'} NEW",
    )


def test_doctor_reports_an_unreachable_bucket(in_tmp_path: Path) -> None:
    os.environ |= {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    os.environ["AWS_MAX_ATTEMPTS"] = "1"
    Instance.create(in_tmp_path, "s3://nowhere/x").db.dispose()
    finding = _finding("storage")
    assert finding["status"] == "failure"
    assert "AWS_ENDPOINT_URL set" in finding["hint"]
    forget_clients()


@pytest.mark.parametrize(
    ("revision", "message", "hint"),
    [
        ("0000", "older than", "lamin migrate"),
        ("9999", "newer than", "pip install --upgrade lamin-core"),
    ],
)
def test_doctor_reports_another_schema_version(
    folder: Path, revision: str, message: str, hint: str
) -> None:
    instance = connect()
    with instance.db.writing() as session:
        session.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
    database_finding = _finding("database")
    assert (database_finding["status"], database_finding["hint"]) == ("failure", hint)
    assert message in database_finding["detail"]
    assert hint in typed("runs", code=5).stderr
    if message == "newer than":
        assert hint in typed("migrate", code=5).stderr
    assert "storage" not in {
        finding.check for finding in doctor.examine()
    }  # nobody knows where it is


def _remove_database(file: Path) -> None:
    for path in file.parent.glob("lamin.db*"):
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "message", "hint"),
    [
        (_remove_database, "is gone", "lamin restore FILE"),
        (
            lambda file: file.write_text("garbage " * 1000),
            "file is not a database",
            "lamin restore FILE",
        ),
        (
            lambda file: file.write_bytes(file.read_bytes()[:20000]),
            "malformed",
            "lamin restore FILE",
        ),
        (lambda file: file.write_bytes(b""), "holds no registry", "lamin migrate"),
    ],
    ids=["gone", "garbage", "half", "empty"],
)
def test_doctor_reports_a_missing_or_corrupt_database(
    in_tmp_path: Path, damage: Callable[[Path], Any], message: str, hint: str
) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    typed("backup", "copy.db")
    file = in_tmp_path / ".lamin" / "lamin.db"
    damage(file)
    was_there = file.exists()
    database_finding = _finding("database")
    assert database_finding["status"] == "failure"
    assert message in database_finding["detail"]
    assert hint in database_finding["hint"]
    assert message in typed("runs", code=5).stderr
    assert file.exists() == was_there  # looking makes no new one
    typed("restore", "copy.db", "--yes")
    assert {finding.status for finding in doctor.examine()} <= {"ok", "warning"}


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("db = 3", "names no database", "sqlite:///lamin.db"),
        ('db = "mysql://me@host/x"', "not a supported database", "SQLite or PostgreSQL"),
        ('db = "nonsense"', "not a database URL", "postgresql://"),
        ("db = [", "cannot be read", "restore it"),
        ("", "no instance", "lamin init"),
    ],
)
def test_doctor_reports_invalid_instance_settings(
    in_tmp_path: Path, line: str, message: str, hint: str
) -> None:
    (in_tmp_path / ".lamin").mkdir()
    (in_tmp_path / ".lamin" / "instance.toml").write_text(line)
    finding = _finding("instance")
    assert finding["status"] == "failure"
    assert message in finding["detail"]
    assert hint in finding["hint"]


def test_doctor_reports_a_missing_plugin(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lamin_prefect", None)
    finding = _finding("engine prefect")
    assert (finding["status"], finding["hint"]) == ("warning", "pip install 'lamin-core[prefect]'")


def test_removed_working_directory_is_reported(in_tmp_path: Path) -> None:
    command = f"mkdir below && cd below && rmdir ../below && {sys.executable} -m lamin_core runs"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, "the working directory is gone" in done.stderr) == (3, True)


def test_doctor_reports_an_unreachable_database(in_tmp_path: Path) -> None:
    os.environ["LAMIN_INSTANCE"] = os.getcwd()  # one that is found on a server must be allowed
    (in_tmp_path / ".lamin").mkdir()
    (in_tmp_path / ".lamin" / "instance.toml").write_text(
        'db = "postgresql://me:hunter2@127.0.0.1:9/none"\n'
    )
    finding = _finding("database")
    assert finding["status"] == "failure"
    assert "hunter2" not in str(finding)
    (in_tmp_path / ".lamin" / "instance.toml").chmod(0o644)
    assert _finding("secrecy")["hint"] == f"chmod 600 {in_tmp_path / '.lamin' / 'instance.toml'}"


def test_doctor_reports_waiting_events(folder: Path) -> None:
    (folder / ".lamin" / "spool").mkdir()
    (folder / ".lamin" / "spool" / "a.ndjson").write_text("{}\n")
    finding = _finding("spool")
    assert (finding["status"], finding["hint"]) == ("warning", "lamin events replay")
    assert "3 bytes in 1 files" in finding["detail"]
    assert typed("doctor").stdout  # a warning is no failure


def test_doctor_reports_a_wrong_clock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 60)
    finding = _finding("clock of the storage")
    assert finding["status"] == "warning"
    assert "NTP" in finding["hint"]


def test_doctor_reports_a_locked_database(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamin_core.db.database.BUSY_TIMEOUT_MS", 100)
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
    finding = _finding("permissions")
    done.set()
    writer.join()
    assert finding["status"] == "failure"
    assert "locked" in finding["detail"]
    instance.db.dispose()


def test_file_system_finds_the_mount_of_a_path() -> None:
    mounts = "/dev/sda / ext4 rw 0 0\nserver:/x /team\\040space nfs4 rw 0 0\n/dev/sdb /team ext4 rw 0 0\n"
    assert file_system(Path("/team space/.lamin/lamin.db"), mounts) == "nfs4"
    assert file_system(Path("/team/.lamin/lamin.db"), mounts) == "ext4"
    assert file_system(Path("/a.db"), "") is None


def test_doctor_runs_without_any_engine(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    code = "import sys; sys.modules['snakemake'] = None; from lamin_core.cli import main; main(['doctor'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "engine snakemake" in done.stdout
