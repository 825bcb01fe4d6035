"""A project that is moved or copied finds its files; what lies outside is moved by command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.db.database import Database
from lamin_core.errors import Conflict, NotFound
from lamin_core.instance.instance import Instance, disconnect
from lamin_core.instance.moves import move_storage
from lamin_core.models import Artifact, Relocation, Run, Storage
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild
from tests.support.commands import lamin, typed
from tests.support.users import GROUP, Person, alice, disk, everything_is_imported, needs_root

__all__ = ["alice", "disk", "everything_is_imported"]


@pytest.fixture
def project(in_tmp_path: Path) -> Path:
    """A project with a file made by a program, and one that a script has saved."""
    folder = in_tmp_path / "one"
    folder.mkdir()
    os.chdir(folder)
    typed("init")
    Path("in.txt").write_text("b\na\n")
    lamin("run", "sort", "--output=sorted.txt", "in.txt")
    Path("kept.csv").write_text("a,b\n1,2\n")
    ln.connect()
    ln.Artifact("kept.csv", key="tables/kept.csv").save()
    disconnect()
    return folder


def _move(folder: Path, name: str) -> Path:
    os.chdir(folder.parent)
    target = folder.rename(folder.with_name(name))
    os.chdir(target)
    return target


def _lineage(name: str) -> Any:
    return typed("lineage", name, "--json").json


def _keys() -> set[str]:
    return {artifact["key"] for artifact in typed("list", "artifact", "--json").json}


def test_moved_project_finds_its_files_and_can_be_used(project: Path) -> None:
    keys = _keys()
    moved = _move(project, "two")
    assert len(_lineage("sorted.txt")["runs"]) == 1
    assert str(moved) in typed("load", "tables/kept.csv").stdout
    Path("in.txt").write_text("c\nb\n")
    lamin("run", "sort", "--output=sorted.txt", "in.txt")
    graph = _lineage("sorted.txt")
    assert {(a["key"], a["path"], a["version"]) for a in graph["artifacts"]} == {
        ("sorted.txt", str(moved / "sorted.txt"), "0001"),
        ("in.txt", str(moved / "in.txt"), "0001"),
    }
    assert _keys() == keys
    lamin("fsck")
    roots = {row["root"] for row in typed("list", "storage", "--json").json}
    assert roots == {str(moved), str(moved / "data")}


def test_moved_project_keeps_transforms_of_programs_and_scripts(project: Path) -> None:
    Path("script.py").write_text("import lamin_core as ln\nln.track()\nln.finish()\n")
    subprocess.run([sys.executable, "script.py"], check=True)
    _move(project, "two")
    subprocess.run([sys.executable, "script.py"], check=True)
    Path("in.txt").write_text("c\n")
    lamin("run", "sort", "--output=sorted.txt", "in.txt")
    keys = [row["key"] for row in typed("list", "transform", "--json").json]
    assert sorted(keys) == ["script.py", "sort"]


def test_copied_project_is_a_registry_of_its_own(project: Path) -> None:
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    os.chdir(copy)
    Path("in.txt").write_text("c\n")
    lamin("run", "sort", "--output=sorted.txt", "in.txt")
    assert len(typed("runs", "--json").json) == 2
    assert str(copy) in typed("load", "tables/kept.csv").stdout
    os.chdir(project)
    assert len(typed("runs", "--json").json) == 1
    assert str(project) in typed("load", "tables/kept.csv").stdout


@needs_root
def test_moved_project_can_be_read_by_a_user_without_write_permission(
    disk: Path, alice: Person
) -> None:
    folder = disk / "one"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    os.chdir(folder)
    typed("init", "--shared=group-read")
    Path("kept.csv").write_text("a\n")
    os.chown("kept.csv", 0, GROUP)
    typed("save", "kept.csv")
    moved = _move(folder, "two")
    done = alice.lamin("--instance", str(moved), "load", "kept.csv", cwd=moved)
    assert done.stdout.strip() == str(moved / "kept.csv")


def test_project_opened_through_a_link_records_the_same_keys(project: Path) -> None:
    link = project.with_name("link")
    link.symlink_to(project)
    keys = _keys()
    lamin("--instance", str(link), "run", "sort", "--output=sorted.txt", "in.txt", cwd=project)
    lamin("run", "sort", "--output=sorted.txt", "in.txt", cwd=project)
    assert _keys() == keys


def _events(folder: Path, number: int, when: str) -> list[bytes]:
    run = {"runId": f"00000000-0000-7000-8000-{number:012d}"}
    job = {"namespace": "test", "name": "job"}
    base = {"run": run, "job": job, "producer": "https://example.org", "schemaURL": ""}
    files = {
        "inputs": [{"namespace": "file", "name": str(folder / "raw.csv")}],
        "outputs": [{"namespace": "file", "name": str(folder / "out" / "table.csv")}],
    }
    start = {"eventType": "START", "eventTime": f"{when}:00Z", **base}
    end = {"eventType": "COMPLETE", "eventTime": f"{when}:01Z", **base, **files}
    return [json.dumps(event).encode() for event in (start, end)]


def _registry(database: Database) -> tuple[set[str | None], set[str]]:
    with database.reading() as session:
        keys = {artifact.key for artifact in session.query(Artifact)}
        return keys, {storage.root for storage in session.query(Storage)}


def test_events_before_a_move_are_rebuilt_and_later_ones_ingested_without_duplicates(
    in_tmp_path: Path,
) -> None:
    old = in_tmp_path / "one"
    old.mkdir()
    instance = Instance.create(old, "./data")
    ingest(instance.db, map(parse, _events(old, 1, "2026-01-01T10:00")))
    before, _ = _registry(instance.db)
    instance.db.dispose()
    new = old.rename(in_tmp_path / "two")
    instance = Instance.open(new / ".lamin")
    # Late ones of before, and those of now.
    ingest(instance.db, map(parse, _events(old, 2, "2026-01-01T11:00")))
    ingest(instance.db, map(parse, _events(new, 3, "2036-01-01T10:00")))
    expected = (before, {str(new), str(new / "data")})
    assert _registry(instance.db) == expected
    rebuild(instance.db)
    assert _registry(instance.db) == expected
    with instance.db.reading() as session:
        assert session.query(Run).count() == 3
    # Somebody makes another project in the old place: its files are others.
    ingest(instance.db, map(parse, _events(old, 4, "2036-01-01T11:00")))
    keys, roots = _registry(instance.db)
    assert keys - before
    assert "/" in roots
    instance.db.dispose()


def test_repeated_moves_are_recorded_once_per_folder(in_tmp_path: Path) -> None:
    folder = in_tmp_path / "one"
    folder.mkdir()
    Instance.create(folder, "./data").db.dispose()
    for name in ("two", "one", "two", "three"):
        folder = folder.rename(in_tmp_path / name)
        instance = Instance.open(folder / ".lamin")
        instance.db.dispose()
    with instance.db.reading() as session:
        moves = {row.old: row.new for row in session.query(Relocation)}
    assert moves == {str(in_tmp_path / name): str(folder) for name in ("one", "two")}
    instance.db.dispose()


@pytest.fixture
def elsewhere(in_tmp_path: Path, database_url: str) -> Instance:
    """An instance whose storage is outside of the project's folder, and a file in it."""
    (in_tmp_path / "project").mkdir()
    os.chdir(in_tmp_path / "project")
    url = None if database_url.startswith("sqlite") else database_url
    instance = ln.setup.init(str(in_tmp_path / "disk"), db=url)
    Path("kept.csv").write_text("a\n")
    ln.Artifact("kept.csv", key="tables/kept.csv").save()
    return instance


def test_moved_storage_is_named_by_errors_and_fixed_by_storage_move(
    elsewhere: Instance, in_tmp_path: Path
) -> None:
    old, new = in_tmp_path / "disk", in_tmp_path / "archive" / "disk"
    new.parent.mkdir()
    old.rename(new)
    disconnect()
    remedy = f"lamin storage move {old} NEW"
    assert remedy in typed("load", "tables/kept.csv", code=3).stderr
    assert remedy in typed("fsck", code=1).stdout
    assert remedy in typed("doctor", code=1).stdout
    assert str(new) in typed("storage", "move", str(old), str(new)).stdout
    assert str(new) in typed("load", "tables/kept.csv").stdout
    typed("fsck")
    typed("doctor", code=None)
    assert ln.Storage.get(root=str(new)).is_managed
    disconnect()


def test_storage_move_to_another_or_from_an_unknown_storage_is_refused(
    elsewhere: Instance, in_tmp_path: Path
) -> None:
    database = elsewhere.db
    (in_tmp_path / "other").mkdir()
    ln.Storage(str(in_tmp_path / "other")).save()
    with pytest.raises(Conflict, match="another storage"):
        move_storage(database, str(in_tmp_path / "disk"), str(in_tmp_path / "other"))
    with pytest.raises(NotFound, match="no storage"):
        move_storage(database, str(in_tmp_path / "never"), str(in_tmp_path))
    with pytest.raises(NotFound, match="no folder"):
        move_storage(database, str(in_tmp_path / "disk"), str(in_tmp_path / "nowhere"))
    disconnect()


def test_storage_move_maps_events_of_another_machine_to_local_files(
    elsewhere: Instance, in_tmp_path: Path
) -> None:
    remote, here = Path("/cluster/scratch/lab"), in_tmp_path / "project"
    move_storage(elsewhere.db, str(remote), str(here))
    ingest(elsewhere.db, map(parse, _events(remote, 1, "2026-01-01T10:00")))
    keys, roots = _registry(elsewhere.db)
    assert {"raw.csv", "out/table.csv"} <= keys
    assert not any(root.startswith("/cluster") or root == "/" for root in roots)
    disconnect()


def test_storage_root_is_queried_by_its_absolute_path(project: Path) -> None:
    moved = _move(project, "two")
    instance = ln.connect()
    roots = [str(moved), str(moved / "data")]
    assert [s.root for s in ln.Storage.filter().order_by("root")] == roots
    assert ln.Storage.get(root=roots[1]).is_managed
    assert ln.Storage.filter(root__startswith=f"{moved}/").count() == 1
    assert ln.Storage.filter(root__contains="two").count() == 2
    assert ln.Storage.filter(root__in=roots).count() == 2
    assert ln.Artifact.filter(storage__root=roots[1]).count() == 1
    assert instance.storage == roots[1]
    disconnect()
