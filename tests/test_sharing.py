"""An instance is its owner's alone, whatever the umask, until it is shared with a group on purpose."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.runtime.paths import spool_folder
from lamin_core.runtime.sharing import Sharing, sharing_of
from openlineage.lamin.emit.spool import Spool
from tests.support.commands import typed
from tests.support.users import (
    GROUP,
    Person,
    alice,
    bob,
    disk,
    everything_is_imported,
    mallory,
    needs_root,
)

__all__ = ["alice", "bob", "disk", "everything_is_imported", "mallory"]

_WORK = """
import lamin_core as ln
ln.track(report=True)
print("a line of the report")
ln.ULabel(name="private").save()
open("a.txt", "w").write("x")
ln.Artifact("a.txt", key="copies/a.txt").save()
from openlineage.lamin.emit import events
from openlineage.lamin.emit.spool import Spool
spool = Spool(__import__("lamin_core.runtime.paths", fromlist=["paths"]).spool_folder(), "00000000", 1 << 20)
spool.append([b"{}"])
import pathlib
for path in [pathlib.Path(".lamin"), *pathlib.Path(".lamin").rglob("*")]:
    if "cache" not in path.parts:
        print("MODE", oct(path.lstat().st_mode & 0o7777), path)
ln.finish()
"""


def _mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _modes(output: str) -> dict[str, int]:
    """The modes of files and folders that the script printed while they were in use."""
    lines = [line.split(maxsplit=2) for line in output.splitlines() if line.startswith("MODE ")]
    return {path: int(mode, 8) for _, mode, path in lines}


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The umask of the test, and of what it starts."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_of_a_new_instance_are_private_to_the_owner(in_tmp_path: Path, umask: int) -> None:
    typed("init")
    Path("work.py").write_text(_WORK)
    typed("settings", "set", "spool_limit", "64")
    done = subprocess.run([sys.executable, "work.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modes = _modes(done.stdout)
    names = " ".join(modes)
    assert all(
        name in names for name in ("lamin.db", "-wal", "-shm", "instance.toml", "logs/", "spool/")
    ), names
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_backups_and_restored_databases_are_private(in_tmp_path: Path, umask: int) -> None:
    typed("init")
    typed("backup", "copy.db")
    assert _mode("copy.db") == 0o600
    typed("restore", "copy.db", "--yes")
    saved_copy = next(Path(".lamin").glob("before-restore-*"))
    assert (_mode(saved_copy), _mode(".lamin/lamin.db")) == (0o600, 0o600)
    Path(".lamin/lamin.db").unlink()
    typed("restore", "copy.db", "--yes")
    assert _mode(".lamin/lamin.db") == 0o600


def test_user_settings_and_allowed_instances_are_private(in_tmp_path: Path, umask: int) -> None:
    typed("settings", "set", "--user", "spool_limit", "64")
    (in_tmp_path / "a").mkdir()
    Instance.create(in_tmp_path / "a", in_tmp_path / "a" / "data").db.dispose()
    (in_tmp_path / "b").mkdir()
    os.chdir("b")
    typed("connect", "../a")
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "lamin"
    assert {path.name: oct(_mode(path)) for path in config.iterdir() if _mode(path) & 0o077} == {}
    assert not _mode(".lamin/connected") & 0o022


def test_init_shared_and_private_change_the_permissions(in_tmp_path: Path, umask: int) -> None:
    typed("init", "--shared")
    assert sharing_of(Path(".lamin")) is Sharing.GROUP
    assert (_mode(".lamin"), _mode(".lamin/lamin.db"), _mode(".lamin/instance.toml")) == (
        0o2770,
        0o660,
        0o660,
    )
    typed("settings", "set", "spool_limit", "64")
    assert _mode(".lamin/instance.toml") == 0o660
    typed("init", "--shared=group-read")
    assert (_mode(".lamin"), _mode(".lamin/lamin.db"), _mode(".lamin/instance.toml")) == (
        0o2750,
        0o640,
        0o640,
    )
    typed("init")
    assert _mode(".lamin") == 0o2750
    typed("init", "--shared=private")
    assert (_mode(".lamin"), _mode(".lamin/lamin.db"), _mode(".lamin/instance.toml")) == (
        0o700,
        0o600,
        0o600,
    )


def test_settings_with_a_password_stay_private(in_tmp_path: Path, postgres_url: str) -> None:
    typed("init", "--db", postgres_url, "--shared")
    assert _mode(".lamin/instance.toml") == 0o660
    scheme, _, rest = postgres_url.partition("://")
    user, _, address = rest.partition("@")
    with_password = f"{scheme}://{user.partition(':')[0]}:hunter2@{address}"
    Path(".lamin/instance.toml").write_text(f'db = "{with_password}"\n')
    typed("connect", ".", code=None)
    typed("init", "--shared", code=None)
    typed("settings", "set", "spool_limit", "64")
    assert _mode(".lamin/instance.toml") == 0o600


def test_instance_with_wide_permissions_works_and_doctor_says_how_to_restrict_it(
    in_tmp_path: Path,
) -> None:
    typed("init")
    for path, mode in {".lamin": 0o755, ".lamin/lamin.db": 0o644}.items():
        Path(path).chmod(mode)
    typed("runs")
    assert (_mode(".lamin"), _mode(".lamin/lamin.db")) == (0o755, 0o644)
    findings = {finding["check"]: finding for finding in typed("doctor", "--json", code=None).json}
    assert findings["secrecy"]["status"] == "warning"
    assert "lamin init --shared=private" in findings["secrecy"]["hint"]
    typed("init", "--shared=private")
    findings = {finding["check"]: finding for finding in typed("doctor", "--json", code=None).json}
    assert findings["secrecy"]["status"] == "ok"


def test_restored_database_of_a_shared_instance_is_shared(in_tmp_path: Path) -> None:
    typed("init", "--shared")
    typed("backup", "copy.db")
    Path(".lamin/lamin.db").unlink()
    typed("restore", "copy.db", "--yes")
    assert _mode(".lamin/lamin.db") == 0o660


# -- two users


def _project(disk: Path, owner: Person) -> Path:
    project = disk / "project"
    project.mkdir()
    os.chown(project, owner.uid, GROUP)
    project.chmod(0o2775)
    return project


@needs_root
def test_private_instance_names_its_owner_and_the_command_to_share_it(
    disk: Path, alice: Person, bob: Person
) -> None:
    project = _project(disk, alice)
    alice.lamin("init", cwd=project)
    for arguments in (["runs"], ["--instance", ".", "runs"], ["connect", "."], ["init"]):
        refused = bob.lamin(*arguments, cwd=project, code=5)
        assert "cannot be read: permission denied" in refused.stderr, (arguments, refused.stderr)
        assert f"belongs to uid {alice.uid}" in refused.stderr
        assert "lamin init --shared" in refused.stderr
        assert "Traceback" not in refused.stderr
    examined = bob.lamin("doctor", cwd=project, code=1)
    assert "lamin init --shared" in examined.stdout
    assert "lamin init --storage" not in examined.stdout


@needs_root
def test_private_database_in_a_shared_instance_names_its_owner(
    disk: Path, alice: Person, bob: Person
) -> None:
    project = _project(disk, alice)
    alice.lamin("init", "--shared", cwd=project)
    (project / ".lamin" / "lamin.db").chmod(0o600)
    refused = bob.lamin("--instance", ".", "runs", cwd=project, code=5)
    assert "lamin.db' cannot be read: permission denied" in refused.stderr
    assert "lamin init --shared" in refused.stderr


@needs_root
@pytest.mark.parametrize("umask", [0o022, 0o077], ids=oct)
def test_group_members_write_into_a_shared_instance(
    disk: Path, alice: Person, bob: Person, mallory: Person, umask: int
) -> None:
    project = _project(disk, alice)
    alice.lamin("init", "--shared", cwd=project, umask=umask)
    with alice.doing(
        lambda: ln.ULabel(name="a").save(), project, umask
    ):  # -wal and -shm are Alice's
        bob.lamin("connect", ".", cwd=project, umask=umask)
        done = bob.run(lambda: ln.ULabel(name="b").save(), project, umask)
        assert done.returncode == 0, done.stderr
    with bob.doing(lambda: ln.ULabel(name="c").save(), project, umask):  # now they are Bob's
        done = alice.run(lambda: ln.ULabel(name="d").save(), project, umask)
        assert done.returncode == 0, done.stderr
    done = alice.run(lambda: print(sorted(ln.ULabel.df().name)), project, umask)
    assert done.stdout == "['a', 'b', 'c', 'd']\n"
    refused = mallory.lamin("runs", cwd=project, code=5)
    assert "permission denied" in refused.stderr
    for person in (alice, bob):
        done = person.run(
            lambda: Spool(spool_folder(), "00000000", 1 << 20).append([b"{}"]), project, umask
        )
        assert done.returncode == 0, done.stderr
    segments = list((project / ".lamin" / "spool").iterdir())
    assert [_mode(segment) for segment in segments] == [0o660, 0o660]


@needs_root
def test_group_with_read_access_can_query_but_not_write(
    disk: Path, alice: Person, bob: Person
) -> None:
    project = _project(disk, alice)
    alice.lamin("init", "--shared=group-read", cwd=project)
    (project / "a.txt").write_text("x")
    alice.lamin("save", "a.txt", cwd=project)
    bob.lamin("connect", ".", cwd=project)
    assert len(json.loads(bob.lamin("artifacts", "--json", cwd=project).stdout)) == 1
    refused = bob.lamin("annotate", "a.txt", "--labels", "raw", cwd=project, code=5)
    assert "may only be read" in refused.stderr
    waiting = bob.run(lambda: print(spool_folder()), project)
    assert waiting.stdout.strip() == str(bob.home / ".local/state/lamin/spool")


@needs_root
def test_sharing_the_instance_of_another_user_is_refused(
    disk: Path, alice: Person, bob: Person
) -> None:
    project = _project(disk, alice)
    alice.lamin("init", "--shared", cwd=project)
    bob.lamin("connect", ".", cwd=project)
    refused = bob.lamin("init", "--shared=private", cwd=project, code=5)
    assert f"belongs to uid {alice.uid}" in refused.stderr
    assert sharing_of(project / ".lamin") is Sharing.GROUP
