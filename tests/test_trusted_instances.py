"""An instance that is found, not named, is used only if it is this user's own or was allowed once."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.cli import main
from lamin_core.errors import UntrustedInstance
from lamin_core.instance.instance import Instance
from lamin_core.runtime import paths, trust
from lamin_core.runtime.paths import (
    find_instance,
    find_trusted_instance,
    instance_for_children,
    spool_folder,
    user_spool,
)
from openlineage.lamin.emit import events
from openlineage.lamin.emit.default_sink import default_sink
from tests.support.commands import lamin, typed
from tests.support.users import (
    Person,
    alice,
    bob,
    disk,
    everything_is_imported,
    mallory,
    needs_root,
)

__all__ = ["alice", "bob", "disk", "everything_is_imported", "mallory"]


def _instance(project: Path, database_url: str | None = None) -> Path:
    """A new instance in this folder, on this database."""
    project.mkdir(parents=True, exist_ok=True)
    Instance.create(project, project / "data", database_url).db.dispose()
    return project / ".lamin"


def _emit(count: int = 1) -> None:
    """Send events as an engine's adapter does."""
    sink = default_sink()
    for _ in range(count):
        run = events.Run(str(uuid.uuid4()), events.Job("tests", "align", "script"), "tests", "1")
        sink.emit(events.start(run, datetime.now(UTC)))
    sink.close()


@pytest.fixture
def cloned(in_tmp_path: Path, database_url: str) -> Path:
    """A clone of a repository that carries a `.lamin` folder, on both databases."""
    origin = in_tmp_path / "origin"
    _instance(origin, database_url if database_url.startswith("postgresql") else None)
    # As from a machine on which nobody has run this: only what is in the repository counts.
    paths.allowed_instances().unlink(missing_ok=True)
    for command in (["init", "-q"], ["add", "-f", ".lamin"], ["commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    subprocess.run(["git", "clone", "-q", str(origin), "clone"], check=True)
    os.chdir("clone")
    return in_tmp_path / "clone"


def test_cloned_instance_is_refused_until_allowed(cloned: Path) -> None:
    (cloned / "below").mkdir()
    os.chdir("below")
    for command in (["runs"], ["info"], ["migrate"], ["doctor"], ["events", "replay"]):
        shown = typed(*command, code=None)
        assert "came with the git repository" in shown.stdout + shown.stderr, command
        assert f"lamin connect {cloned}" in shown.stdout + shown.stderr, command
    assert "came with the git repository" in typed("runs", code=5).stderr
    typed("connect", str(cloned))
    assert not (cloned / "below" / ".lamin").exists()
    assert typed("info", "--json").json["instance"] == str(cloned / ".lamin")
    typed("disconnect")
    typed("runs", code=5)
    assert (cloned / ".lamin" / "instance.toml").exists()


def test_cloned_instance_named_explicitly_is_used(
    cloned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed("--instance", ".", "runs")
    monkeypatch.setenv("LAMIN_INSTANCE", str(cloned))
    typed("runs")
    monkeypatch.delenv("LAMIN_INSTANCE")
    typed("runs", code=5)


def test_init_does_not_open_a_cloned_instance(cloned: Path) -> None:
    assert "came with the git repository" in typed("init", code=5).stderr
    assert "came with the git repository" in typed("init", "--storage", "./data", code=5).stderr


def test_events_below_a_cloned_instance_wait_until_it_is_allowed(
    cloned: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert (find_trusted_instance(), instance_for_children(), spool_folder()) == (
        None,
        None,
        user_spool(),
    )
    _emit(2)
    warnings = [
        record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
    ]
    assert len(warnings) == 1, warnings
    assert f"lamin connect {cloned}" in warnings[0]
    typed("connect", ".")
    assert typed("events", "replay", "--json").json["taken"] == 2
    assert len(typed("runs", "--json").json) == 2


def test_events_for_a_refused_instance_are_not_ingested_by_another(
    cloned: Path, tmp_path: Path
) -> None:
    _emit()
    _instance(tmp_path / "own")
    os.chdir(tmp_path / "own")
    assert typed("events", "replay", "--json").json["taken"] == 0
    os.chdir(cloned)
    typed("connect", ".")
    assert typed("events", "replay", "--json").json["taken"] == 1


def test_track_below_a_cloned_instance_warns_and_continues(cloned: Path) -> None:
    Path("script.py").write_text(
        "import lamin_core as ln\nln.track(params={'plan': 'private'})\nprint('done')\nln.finish()\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert done.stderr.count("this run is not tracked") == 1
    assert len(done.stderr.splitlines()) == 1
    typed("connect", ".")
    assert typed("runs", "--json").json == []


def test_settings_of_a_cloned_instance_are_not_read(cloned: Path) -> None:
    with open(".lamin/instance.toml", "a") as file:
        file.write('cache_dir = "/somewhere"\n')
    assert ln.settings.cache_dir is None
    typed("connect", ".")
    assert ln.settings.cache_dir == "/somewhere"


def test_allowed_instance_with_a_changed_database_is_refused_again(cloned: Path) -> None:
    typed("connect", ".")
    Path(".lamin/instance.toml").write_text('db = "postgresql://u@elsewhere.example/x"\n')
    with pytest.raises(UntrustedInstance):
        find_instance()


def test_cloned_connection_to_an_untrusted_instance_is_refused(in_tmp_path: Path) -> None:
    folder = _instance(in_tmp_path / "target")
    (folder / "instance.toml").write_text('db = "postgresql://u@elsewhere.example/x"\n')
    (folder / "instance.toml").chmod(0o644)
    (in_tmp_path / "project" / ".lamin").mkdir(parents=True)
    (in_tmp_path / "project" / ".lamin" / "connected").write_text(f"{folder}\n")
    with pytest.raises(UntrustedInstance, match="outside of its folder"):
        find_instance(in_tmp_path / "project")


def test_own_instance_is_used_without_a_message(in_tmp_path: Path, database_url: str) -> None:
    folder = _instance(
        in_tmp_path / "own", database_url if database_url.startswith("postgresql") else None
    )
    os.chdir(in_tmp_path / "own")
    subprocess.run(["git", "init", "-q"], check=True)
    (in_tmp_path / "own" / "a.txt").write_text("x")
    subprocess.run(["git", "add", "-A"], check=True)
    assert find_instance() == folder
    assert lamin("runs").stderr == ""
    (in_tmp_path / "other").mkdir()
    os.chdir(in_tmp_path / "other")
    typed("connect", str(in_tmp_path / "own"))
    assert find_instance() == folder
    assert lamin("runs").stderr == ""


def test_instance_on_a_server_created_by_an_older_version_is_used(
    in_tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _instance(in_tmp_path / "own", postgres_url)
    paths.allowed_instances().unlink()  # which older versions did not write
    assert find_instance(in_tmp_path / "own") == folder
    assert paths.allowed_instances().exists()
    monkeypatch.setattr(trust, "_RECORDED_SINCE", 0.0)
    paths._examined.cache_clear()
    assert find_instance(in_tmp_path / "own") == folder  # recorded when it was used first
    paths.allowed_instances().unlink()
    with pytest.raises(UntrustedInstance, match="outside of its folder"):
        find_instance(in_tmp_path / "own")
    monkeypatch.setattr(trust, "_RECORDED_SINCE", time.time() + 1000)
    (folder / "instance.toml").chmod(0o644)  # not as `lamin` writes it
    with pytest.raises(UntrustedInstance, match="outside of its folder"):
        find_instance(in_tmp_path / "own")


def test_database_file_outside_the_folder_is_refused(in_tmp_path: Path) -> None:
    folder = _instance(in_tmp_path / "own")
    (folder / "lamin.db").rename(in_tmp_path / "other.db")
    (folder / "lamin.db").symlink_to(in_tmp_path / "other.db")
    (folder / "instance.toml").chmod(0o644)
    with pytest.raises(UntrustedInstance, match="outside of its folder"):
        find_instance(in_tmp_path / "own")


@pytest.mark.parametrize("path", [".lamin", ".lamin/instance.toml", ".lamin/lamin.db"])
def test_world_writable_instance_is_refused(in_tmp_path: Path, path: str) -> None:
    _instance(in_tmp_path)
    mode = Path(path).stat().st_mode
    Path(path).chmod(0o777)
    with pytest.raises(UntrustedInstance, match="everybody may write"):
        find_instance()
    Path(path).chmod(mode)
    assert find_instance() is not None


def test_world_writable_list_of_allowed_instances_is_ignored(cloned: Path) -> None:
    typed("connect", ".")
    paths.allowed_instances().chmod(0o666)
    typed("runs", code=5)


def test_instance_in_a_git_worktree_is_refused(cloned: Path, in_tmp_path: Path) -> None:
    subprocess.run(
        ["git", "worktree", "add", "-q", str(in_tmp_path / "tree"), "-b", "side"], check=True
    )
    with pytest.raises(UntrustedInstance, match="came with the git repository"):
        find_instance(in_tmp_path / "tree")


# -- other users


@needs_root
@pytest.mark.parametrize(
    "theirs",
    [
        (".lamin",),
        (".lamin/instance.toml",),
        (".lamin/lamin.db",),
        (".lamin", ".lamin/instance.toml"),
    ],
)
def test_instance_partly_owned_by_another_user_is_refused(
    in_tmp_path: Path, mallory: Person, theirs: tuple[str, ...], disk: Path
) -> None:
    _instance(in_tmp_path)
    for path in theirs:
        os.chown(path, mallory.uid, mallory.gid)
    with pytest.raises(UntrustedInstance, match="belongs to uid 61003, not to you"):
        find_instance()


@needs_root
def test_link_to_the_instance_of_another_user_is_refused(
    in_tmp_path: Path, mallory: Person
) -> None:
    mallory.owns(_instance(in_tmp_path / "theirs"))
    (in_tmp_path / "mine").mkdir()
    (in_tmp_path / "mine" / ".lamin").symlink_to(in_tmp_path / "theirs" / ".lamin")
    with pytest.raises(UntrustedInstance, match="belongs to"):
        find_instance(in_tmp_path / "mine")


@needs_root
def test_password_in_the_environment_is_not_sent_to_a_foreign_server(
    disk: Path, mallory: Person
) -> None:
    """Neither a command, nor Python, nor an engine's adapter connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        (disk / "shared" / ".lamin").mkdir(parents=True)
        url = f"postgresql://u@127.0.0.1:{server.getsockname()[1]}/x"
        (disk / "shared" / ".lamin" / "instance.toml").write_text(f'db = "{url}"\n')
        mallory.owns(disk / "shared" / ".lamin")
        root = str(Path(__file__).parent.parent)
        environment = {
            **os.environ,
            "PYTHONPATH": root,
            "PGPASSWORD": "password-of-the-lab",
            "PGCONNECT_TIMEOUT": "3",
        }
        for arguments in (
            ["-m", "lamin_core", "runs"],
            ["-m", "lamin_core", "doctor"],
            ["-c", "import lamin_core as ln; ln.track(); ln.finish()"],
            ["-c", "from tests.test_trusted_instances import _emit; _emit()"],
        ):
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=disk / "shared",
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert "lamin connect" in done.stdout + done.stderr, arguments
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()
    assert not (disk / "shared" / ".lamin" / "spool").exists()


@needs_root
def test_sudo_uses_the_instance_of_the_invoking_user(
    in_tmp_path: Path, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.owns(_instance(in_tmp_path))
    with pytest.raises(UntrustedInstance):
        find_instance()
    monkeypatch.setenv("SUDO_UID", str(alice.uid))
    paths._examined.cache_clear()
    assert find_instance() is not None


@needs_root
def test_sudo_uid_is_ignored_for_other_users(disk: Path, alice: Person, mallory: Person) -> None:
    project = disk / "project"
    _instance(project)
    mallory.owns(project)
    (project / ".lamin").chmod(0o755)
    (project / ".lamin" / "instance.toml").chmod(0o644)
    alice.lamin("runs", cwd=project, code=5, SUDO_UID=str(mallory.uid))


@needs_root
def test_children_of_an_engine_use_the_allowed_instance(
    disk: Path, alice: Person, bob: Person
) -> None:
    project = alice.owns(_instance(disk / "shared").parent)
    alice.lamin("init", "--shared", cwd=project)
    work = project / "work"
    work.mkdir()
    bob.owns(work)
    refused = bob.lamin("runs", cwd=work, code=5)
    assert f"belongs to uid {alice.uid}, not to you" in refused.stderr
    assert f"lamin connect {project}" in refused.stderr
    bob.lamin("connect", str(project), cwd=work)

    def child_of_an_engine() -> None:
        os.environ["LAMIN_INSTANCE"] = str(instance_for_children())
        os.chdir("/")
        main(["info", "--json"])

    bob_home = bob.home / ".config" / "lamin" / "allowed"
    assert bob_home.is_file()
    done = bob.run(child_of_an_engine, work)
    assert done.returncode == 0, done.stderr
    bob_home.unlink()  # who names the instance is not asked
    done = bob.lamin("info", cwd=work, LAMIN_INSTANCE=str(project))
    assert str(project / ".lamin") in done.stdout
