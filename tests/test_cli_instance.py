"""Which instance is at work: init, connect, disconnect, info, and the layers of settings."""

from __future__ import annotations

import json
import os
import random
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

import lamin_core as ln
from lamin_core.db.database import Database
from lamin_core.errors import Conflict, InvalidArgument, InvalidKey, NotFound, ReadOnly
from lamin_core.instance import setup
from lamin_core.instance.instance import Instance
from lamin_core.runtime.paths import (
    find_instance,
    instance_for_children,
    spool_folder,
    user_default,
)
from tests.support.commands import lamin, typed


@pytest.fixture
def home_and_project(in_tmp_path: Path) -> tuple[Path, Path]:
    """An instance, and a folder elsewhere that is none."""
    for name in ("home", "project"):
        (in_tmp_path / name).mkdir()
    Instance.create(in_tmp_path / "home", in_tmp_path / "home" / "data").db.dispose()
    return in_tmp_path / "home", in_tmp_path / "project"


def _info() -> dict[str, str]:
    facts: dict[str, str] = typed("info", "--show-origin", "--json").json
    return facts


def test_folder_can_be_connected_and_disconnected(home_and_project: tuple[Path, Path]) -> None:
    home, project = home_and_project
    (project / "below").mkdir()
    os.chdir(project / "below")
    assert "lamin init" in typed("info", code=3).stderr
    os.chdir(project)
    typed("connect", "../home")
    os.chdir(project / "below")
    facts = _info()
    assert (facts["instance"], facts["origin"]) == (
        str(home / ".lamin"),
        str(project / ".lamin" / "connected"),
    )
    typed("disconnect")
    assert not (project / ".lamin").exists()
    typed("info", code=3)
    assert "is not connected to an instance" in typed("disconnect", code=3).stderr


def test_connected_file_is_world_readable_and_instance_settings_are_not(
    home_and_project: tuple[Path, Path],
) -> None:
    home, project = home_and_project
    before = os.umask(0o022)
    try:
        setup.attach(str(home), project)
    finally:
        os.umask(before)
        ln.disconnect()
    assert (project / ".lamin" / "connected").stat().st_mode & 0o777 == 0o644
    assert (
        home / ".lamin" / "instance.toml"
    ).stat().st_mode & 0o777 == 0o600  # may hold a password


def test_files_of_a_connected_folder_have_relative_keys(
    home_and_project: tuple[Path, Path],
) -> None:
    home, project = home_and_project
    os.chdir(project)
    typed("connect", str(home))
    Path("a.txt").write_text("x")
    ln.connect()
    assert ln.Artifact("a.txt", run=False).save().key == "a.txt"
    ln.disconnect()


def test_instance_is_found_by_flag_then_variable_then_folder_then_user(
    home_and_project: tuple[Path, Path], in_tmp_path: Path
) -> None:
    home, project = home_and_project
    uids = {}
    for name in ("flag", "variable", "folder"):
        instance = Instance.create(in_tmp_path / name, in_tmp_path / name / "data")
        uids[name] = instance.uid
        instance.db.dispose()
    os.chdir(project)
    typed("connect", str(home), "--user")
    assert (_info()["instance"], _info()["origin"]) == (str(home / ".lamin"), str(user_default()))
    typed("connect", str(in_tmp_path / "folder"))
    assert (_info()["uid"], _info()["origin"]) == (
        uids["folder"],
        str(project / ".lamin" / "connected"),
    )
    os.environ["LAMIN_INSTANCE"] = str(in_tmp_path / "variable")
    assert (_info()["uid"], _info()["origin"]) == (uids["variable"], "LAMIN_INSTANCE")
    flagged = typed("--instance", str(in_tmp_path / "flag"), "info", "--show-origin", "--json").json
    assert (flagged["uid"], flagged["origin"]) == (uids["flag"], "--instance")
    del os.environ["LAMIN_INSTANCE"]
    typed("disconnect")
    typed("disconnect", "--user")
    assert find_instance() is None


def test_empty_lamin_folder_is_not_an_instance(home_and_project: tuple[Path, Path]) -> None:
    _, project = home_and_project
    (project / ".lamin").mkdir()
    os.chdir(project)
    assert find_instance() is None


def test_instance_folder_cannot_be_connected_or_disconnected(
    home_and_project: tuple[Path, Path],
) -> None:
    home, _ = home_and_project
    os.chdir(home)
    assert "is an instance itself" in typed("connect", ".", code=4).stderr
    assert "is an instance itself" in typed("disconnect", code=4).stderr
    assert (home / ".lamin" / "instance.toml").exists()


def test_lamindb_options_of_init_and_migrate_are_accepted(in_tmp_path: Path) -> None:
    assert "changes nothing" in typed("init", "--storage", "./data", "--modules", "bionty").stderr
    typed("migrate", "deploy")
    info = typed("info", "--json").json
    assert list(info) == ["version", "instance", "uid", "storage", "database", "schema"]


def test_init_below_another_instance_warns(home_and_project: tuple[Path, Path]) -> None:
    home, project = home_and_project
    (home / "below").mkdir()
    os.chdir(home / "below")
    assert f"{home} has an instance too" in typed("init", "--storage", "./data").stderr
    os.chdir(project)
    assert "has an instance too" not in typed("init", "--storage", "./data").stderr


def test_first_init_prints_next_steps_and_a_second_init_does_not(in_tmp_path: Path) -> None:
    first, again = typed("init").stderr, typed("init").stderr
    assert "ln.track() in a script" in first
    assert first.startswith(again)
    assert typed("info", "--json").json["storage"] == str(in_tmp_path / "data")
    assert (in_tmp_path / ".lamin" / ".gitignore").read_text().endswith("\n*\n")


def test_instance_is_identified_by_its_database_url(in_tmp_path: Path, postgres_url: str) -> None:
    for name in ("first", "second", "third"):
        (in_tmp_path / name).mkdir()
    os.chdir(in_tmp_path / "first")
    typed("init", "--storage", str(in_tmp_path / "copies"), "--db", postgres_url)
    first = _info()
    os.chdir(in_tmp_path / "second")
    typed("connect", postgres_url)
    second = _info()
    assert all(first[name] == second[name] for name in ("uid", "storage", "database"))
    Path("a.txt").write_text("x")
    typed_save = [
        sys.executable,
        "-c",
        "import lamin_core as ln; print(ln.Artifact('a.txt', run=False).save().key)",
    ]
    assert (
        subprocess.run(typed_save, capture_output=True, text=True, check=True).stdout == "a.txt\n"
    )
    os.chdir(in_tmp_path / "third")
    assert (
        "lamin connect"
        in typed("init", "--storage", "./other", "--db", postgres_url, code=4).stderr
    )
    assert "already" in typed("init", "--storage", "./other", "--db", postgres_url, code=4).stderr
    os.environ["LAMIN_INSTANCE"] = postgres_url
    assert _info()["uid"] == first["uid"]
    del os.environ["LAMIN_INSTANCE"]
    assert ln.connect(postgres_url).uid == first["uid"]
    ln.disconnect()


def test_password_in_the_database_url_is_never_printed(
    in_tmp_path: Path, postgres_url: str
) -> None:
    (in_tmp_path / "first").mkdir()
    os.chdir(in_tmp_path / "first")
    secret = postgres_url.replace("postgresql://postgres:@", "postgresql://postgres:hunter2@")
    assert "hunter2" in secret
    typed("init", "--storage", str(in_tmp_path / "copies"), "--db", postgres_url)
    (in_tmp_path / "second").mkdir()
    os.chdir(in_tmp_path / "second")
    result = typed("connect", secret)
    shown = typed("info", "--show-origin")
    assert "hunter2" not in result.stdout + result.stderr + shown.stdout + shown.stderr
    folder = find_instance()
    assert folder is not None
    assert oct((folder / "instance.toml").stat().st_mode)[-3:] == "600"


# -- settings


def test_settings_layers_override_each_other(home_and_project: tuple[Path, Path]) -> None:
    home, _ = home_and_project
    os.chdir(home)

    def seen() -> tuple[object, str]:
        setting = typed("settings", "get", "verbosity", "--json").json
        return setting["value"], setting["origin"]

    assert seen() == ("warning", "default")
    typed("settings", "set", "verbosity", "info", "--user")
    assert seen()[0] == "info"
    assert seen()[1].endswith("config.toml")
    typed("settings", "set", "verbosity", "error")
    assert seen() == ("error", str(home / ".lamin" / "instance.toml"))
    os.environ["LAMIN_VERBOSITY"] = "debug"
    assert seen() == ("debug", "LAMIN_VERBOSITY")
    ln.settings.verbosity = "warning"
    assert ln.settings.look_up("verbosity").origin == "ln.settings"
    del ln.settings.verbosity
    del os.environ["LAMIN_VERBOSITY"]
    typed("settings", "unset", "verbosity")
    typed("settings", "unset", "verbosity", "--user")
    assert seen() == ("warning", "default")
    assert typed("info", "--json").json["uid"]  # the rest of the file is as it was


def test_settings_are_listed_with_their_origin(home_and_project: tuple[Path, Path]) -> None:
    os.chdir(home_and_project[0])
    rows = typed("settings", "--show-origin", "--json").json
    assert {"name": "track_run_inputs", "value": True, "origin": "default"} in rows
    assert "track_run_inputs" in typed("settings").stdout
    assert all(set(row) == {"name", "value"} for row in typed("settings", "--json").json)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["settings", "get", "verbosty"], "did you mean verbosity?"),
        (["settings", "set", "verbosity", "loud"], "one of debug, info"),
        (["settings", "set", "track_run_inputs", "maybe"], "true or false"),
        (["settings", "set", "user", ""], "not a name"),
    ],
)
def test_unknown_setting_is_refused(
    home_and_project: tuple[Path, Path], arguments: list[str], message: str
) -> None:
    os.chdir(home_and_project[0])
    assert message in typed(*arguments, code=2).stderr
    with pytest.raises(InvalidArgument):
        ln.settings.verbosty = 1
    assert not hasattr(ln.settings, "_nothing")


def test_settings_take_effect(home_and_project: tuple[Path, Path], in_tmp_path: Path) -> None:
    os.chdir(home_and_project[0])
    typed("settings", "set", "user", "curie", "--user")
    typed("settings", "set", "user_name", "Marie Curie", "--user")
    typed("settings", "set", "cache_dir", str(in_tmp_path / "cache"))
    instance = ln.connect()
    assert instance._cache == in_tmp_path / "cache"
    Path("a.txt").write_text("x")
    artifact = ln.Artifact("a.txt", run=False).save()
    assert (artifact.created_by.handle, artifact.created_by.name) == ("curie", "Marie Curie")
    for enabled, inputs in ((False, 0), (True, 1)):
        ln.settings.track_run_inputs = enabled
        with ln.run("reads") as run:
            artifact.load()
        assert run.input_artifacts.count() == inputs
    del ln.settings.track_run_inputs
    ln.disconnect()


# -- a registry that may only be read


# Root may write everywhere, unless it gives up its powers: then modes count for it as for
# everybody.
_POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
needs_modes = pytest.mark.skipif(
    bool(_POWERLESS) and shutil.which("setpriv") is None,
    reason="root here cannot give up its powers",
)


def _reading(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python as somebody for whom the modes of files count."""
    run = [*_POWERLESS, sys.executable, *command]
    return subprocess.run(run, capture_output=True, text=True, check=False, cwd=folder)


@pytest.fixture
def archive(home_and_project: tuple[Path, Path]) -> Iterator[Path]:
    """An instance with one artifact, in folders that nobody may write to but may read."""
    home, _ = home_and_project
    os.chdir(home)
    Path("a.txt").write_text("x")
    ln.connect()
    ln.Artifact("a.txt", run=False).save()
    instance = ln.connect()
    instance.db.dispose()
    ln.disconnect()
    for path in [home, *home.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield home
    for path in [home, *home.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


_READ_ALL = """
from lamin_core.cli import main
for command in (["artifacts"], ["info"], ["lineage", "a.txt"], ["runs"], ["list", "artifact"], ["describe", "a.txt"]):
    main(command)
import lamin_core as ln
assert ln.Artifact.one().load() == ln.Artifact.filter(key__icontains="A.T").one().load() == "x"
assert ln.Artifact.filter(key__iregex="^A").count() == len(ln.Artifact.search("a.txt").to_list()) == 1
assert ln.Artifact.filter(key__icontains="Ä").count() == 0
assert ln.Artifact.df().key.to_list() == ["a.txt"]
print(ln.Artifact.one().description)
"""
_WRITE_AND_DIE = """
import os, signal, sqlite3
connection = sqlite3.connect(".lamin/lamin.db")
connection.execute("UPDATE artifact SET description = 'seen'")
connection.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""


@needs_modes
@pytest.mark.parametrize("files", ["none", "of a writer", "of a writer that was killed"])
def test_read_only_instance_can_be_read(archive: Path, files: str) -> None:
    writer = None
    if files == "of a writer":  # who has the database open, and has written to it
        (archive / ".lamin").chmod(0o755)
        (archive / ".lamin" / "lamin.db").chmod(0o644)
        writer = Database(f"sqlite:///{archive / '.lamin' / 'lamin.db'}")
        with writer.writing() as session:
            session.execute(text("UPDATE artifact SET description = 'seen'"))
        (archive / ".lamin").chmod(0o555)
        (archive / ".lamin" / "lamin.db").chmod(0o444)
    if files == "of a writer that was killed":
        for path in (archive / ".lamin", archive / ".lamin" / "lamin.db"):
            path.chmod(0o755)
        subprocess.run([sys.executable, "-c", _WRITE_AND_DIE], cwd=archive, check=False)
        assert (archive / ".lamin" / "lamin.db-wal").exists()
        for path in (archive / ".lamin").iterdir():
            path.chmod(0o444)
        (archive / ".lamin").chmod(0o555)
    done = _reading("-c", _READ_ALL, folder=archive)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ("None" if files == "none" else "seen")
    if writer is not None:
        writer.dispose()


@needs_modes
def test_write_to_a_read_only_instance_raises_read_only(archive: Path) -> None:
    done = _reading("-c", "import lamin_core as ln; ln.ULabel(name='x').save()", folder=archive)
    assert "ReadOnly: " in done.stderr
    assert "may only be read" in done.stderr


def test_read_only_postgresql_role_can_read_and_write_raises_read_only(
    in_tmp_path: Path, postgres_url: str
) -> None:
    instance = Instance.create(in_tmp_path, "./data", postgres_url)
    with instance.db.writing() as session:
        session.execute(text("ALTER ROLE CURRENT_USER SET default_transaction_read_only = off"))
    reader = Instance.at(
        f"{postgres_url}{'&' if '?' in postgres_url else '?'}options=-c%20default_transaction_read_only=on"
    )
    assert reader.uid == instance.uid
    assert reader.runs.find_lost() == 0
    with pytest.raises(ReadOnly, match="may only be read"):
        _ = reader.user_id
    for connection in (instance, reader):
        connection.db.dispose()


def test_attach_and_detach_in_python_match_connect_and_disconnect(
    home_and_project: tuple[Path, Path],
) -> None:
    home, project = home_and_project
    assert ln.setup.attach(str(home), project) == project / ".lamin" / "connected"
    with pytest.raises(Conflict):
        ln.setup.attach(str(project), home)
    ln.setup.detach(project)
    with pytest.raises(NotFound):
        ln.setup.detach()
    ln.disconnect()


def test_command_in_another_process_uses_the_connected_instance(
    home_and_project: tuple[Path, Path],
) -> None:
    home, project = home_and_project
    lamin("connect", str(home), cwd=project)
    assert json.loads(lamin("info", "--json", cwd=project).stdout)["instance"] == str(
        home / ".lamin"
    )


def test_name_too_long_for_an_index_is_refused(in_tmp_path: Path, database_url: str) -> None:
    instance = ln.setup.init("./data", db=database_url)
    long = "".join(
        random.Random(1).choices(string.ascii_letters, k=5000)
    )  # nothing that could be compressed
    Path("a.txt").write_text("x")
    with pytest.raises(InvalidKey, match="5000 characters is too long"):
        ln.Artifact("a.txt", key=long)
    with pytest.raises(InvalidArgument, match="is too long"):
        ln.ULabel(name=long).save()
    if not database_url.startswith("sqlite"):  # what nothing of ours looks at before
        with pytest.raises(InvalidArgument, match="longer than an index takes"):
            ln.Transform(key=long).save()
    ln.disconnect()
    instance.db.dispose()


def test_instance_for_children_is_absolute(
    home_and_project: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, project = home_and_project
    os.chdir(project)
    assert instance_for_children() is None
    typed("connect", "../home")
    assert instance_for_children() == str(home / ".lamin")
    monkeypatch.setenv("LAMIN_INSTANCE", "../home")
    assert instance_for_children() == str(home / ".lamin")
    monkeypatch.setenv("LAMIN_INSTANCE", "postgresql://me@host/registry")
    assert instance_for_children() == "postgresql://me@host/registry"


def test_engine_events_go_to_the_connected_instance(home_and_project: tuple[Path, Path]) -> None:
    from openlineage.lamin.emit.default_sink import destinations

    home, project = home_and_project
    os.chdir(project)
    assert [to.name for to in destinations()] == ["nowhere"]
    typed("connect", str(home), "--user")
    assert [to.name for to in destinations()] == [f"instance {home / '.lamin'}"]
    assert spool_folder() == home / ".lamin" / "spool"
