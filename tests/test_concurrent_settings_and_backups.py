"""Settings and backups by several processes at once: nothing is lost, and a refusal is a typed error."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.runtime.settings import read_toml
from tests.support.commands import typed
from tests.support.users import GROUP, Person, alice, disk, everything_is_imported, needs_root

__all__ = ["alice", "disk", "everything_is_imported"]

_SET = """
import sys
from pathlib import Path
from lamin_core.runtime.settings import store
name, values = sys.argv[1], sys.argv[2:]
for value in values:
    store(name, value, Path(".lamin/instance.toml"))
"""


@pytest.fixture
def project(in_tmp_path: Path) -> Path:
    """A folder with an instance."""
    Instance.create(in_tmp_path, "./data").db.dispose()
    return in_tmp_path


def test_concurrent_settings_are_all_saved(project: Path) -> None:
    values_by_name = {
        "verbosity": ["info", "error"] * 40,
        "spool_limit": [str(number) for number in range(1, 81)],
        "track_run_inputs": ["false", "true"] * 40,
    }
    processes = [
        subprocess.Popen([sys.executable, "-c", _SET, name, *values])
        for name, values in values_by_name.items()
    ]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    stored = read_toml(project / ".lamin" / "instance.toml")
    assert (stored["verbosity"], stored["track_run_inputs"]) == ("error", True)
    assert float(stored["spool_limit"]) == 80
    assert "db" in stored


def test_concurrent_backups_to_one_file_leave_the_first(project: Path) -> None:
    command = [sys.executable, "-m", "lamin_core", "backup", "copy.db"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == [0, 4, 4, 4], errors
    typed("restore", "copy.db", "--yes")
    assert [path.name for path in project.glob("*.part*")] == []


@needs_root
def test_set_on_a_read_only_instance_is_a_typed_error(disk: Path, alice: Person) -> None:
    folder = disk / "project"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    os.chdir(folder)
    typed("init", "--shared=group-read")
    done = alice.lamin(
        "--instance", str(folder), "settings", "set", "verbosity", "info", cwd=folder, code=5
    )
    assert "may only be read" in done.stderr
    assert "--user" in done.stderr
    assert "Traceback" not in done.stderr


def test_init_in_a_connected_folder_is_refused(project: Path) -> None:
    other = project / "other"
    other.mkdir()
    os.chdir(other)
    typed("connect", "..")
    for arguments in (["init"], ["init", "--storage", "./data"]):
        error = typed(*arguments, code=4).stderr
        assert "is connected to the instance" in error
        assert "lamin disconnect" in error
    typed("disconnect")
    typed("init")


def test_init_restricts_permissions_of_an_existing_folder(in_tmp_path: Path) -> None:
    folder = in_tmp_path / ".lamin"
    folder.mkdir()
    folder.chmod(0o755)
    typed("init")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_doctor_reports_an_instance_folder_readable_by_others(project: Path) -> None:
    (project / ".lamin").chmod(0o755)
    findings = {f["check"]: f for f in typed("doctor", "--json", code=None).json}
    assert findings["secrecy"]["status"] == "warning"
    assert str(project / ".lamin") in findings["secrecy"]["detail"]
    typed("init", "--shared=private")
    findings = {f["check"]: f for f in typed("doctor", "--json", code=None).json}
    assert findings["secrecy"]["status"] == "ok"
