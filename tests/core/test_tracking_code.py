"""Which transform a script is: by its key, by a uid, by its source when it was renamed; and the commit it is of."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, NotFound
from lamin_core.instance.instance import Instance
from lamin_core.runtime import git
from lamin_core.runtime.environment import current_environment, lock_files, packages

Write = Callable[[str, str], Path]
STEM = "Ab3dEf5hIj7l"


def _run(write: Write, name: str, text: str, *arguments: str, fails: bool = False) -> str:
    """The standard error of the script."""
    path = write(name, "import lamin_core as ln\n" + text)
    done = subprocess.run(
        [sys.executable, str(path), *arguments], capture_output=True, text=True, cwd=path.parent
    )
    assert (done.returncode != 0) is fails, done.stderr
    return done.stderr


def test_stem_uid_identifies_the_transform_wherever_its_file_is(
    instance: Instance, write: Write
) -> None:
    _run(write, "a.py", f"ln.track('{STEM}')\n")
    _run(write, "sub/b.py", f"ln.track(uid='{STEM}')\n")
    _run(write, "sub/b.py", f"ln.context.uid = '{STEM}'\nln.track()\n")
    versions = ln.Transform.filter(uid__startswith=STEM).order_by("number").to_list()
    assert [(transform.uid, transform.key) for transform in versions] == [
        (f"{STEM}0000", "a.py"),
        (f"{STEM}0001", "b.py"),
        (f"{STEM}0002", "b.py"),
    ]
    assert ln.Transform.count() == 3


def test_full_uid_pins_the_version_and_changed_source_names_the_next_uid(
    instance: Instance, write: Write
) -> None:
    _run(write, "a.py", f"ln.track('{STEM}0000')\n")
    _run(write, "a.py", f"ln.track('{STEM}0000')\n")
    assert (ln.Run.count(), ln.Transform.one().uid) == (2, f"{STEM}0000")
    stderr = _run(write, "a.py", f"ln.track('{STEM}0000')  # changed\n", fails=True)
    assert f'hint: ln.track("{STEM}0001") is its next version' in stderr
    _run(write, "a.py", f"ln.track('{STEM}0003')  # changed\n")
    assert ln.Transform.get(key="a.py").uid == f"{STEM}0003"
    assert f'hint: ln.track("{STEM}0004")' in _run(
        write, "a.py", f"ln.track('{STEM}0002')  # and again\n", fails=True
    )
    assert ln.Run.count() == 3


@pytest.mark.parametrize("uid", ["short", "Ab3dEf5hIj7l0", "Ab3dEf5hIj7-0000"])
def test_malformed_transform_uid_is_refused(instance: Instance, uid: str) -> None:
    with pytest.raises(InvalidArgument, match="not the uid of a transform"):
        ln.track(uid, key="a.py")
    assert ln.Transform.count() == 0


def test_key_of_a_transform_with_another_stem_uid_raises_conflict(
    instance: Instance, write: Write
) -> None:
    existing = ln.Transform(key="a.py").save()
    with pytest.raises(Conflict, match=f'ln.track\\("{existing.stem_uid}"\\)'):
        ln.track(STEM, key="a.py")


def test_renamed_script_is_the_same_transform_and_a_copied_one_is_not(
    instance: Instance, write: Write
) -> None:
    text = "import lamin_core as ln\nln.track()\n"
    _run(write, "a.py", text)
    shutil.copy("a.py", "another.py")
    subprocess.run([sys.executable, "another.py"], check=True)
    Path("a.py").rename("renamed.py")
    subprocess.run([sys.executable, "renamed.py"], check=True)
    _run(write, "renamed.py", text + "# changed\n")
    transforms = ln.Transform.all().order_by("key", "number").to_list()
    assert [(transform.key, transform.version) for transform in transforms] == [
        ("another.py", "0000"),
        ("renamed.py", "0000"),
        ("renamed.py", "0001"),
    ]
    assert transforms[1].stem_uid == transforms[2].stem_uid != transforms[0].stem_uid
    assert [transform.runs.count() for transform in transforms] == [1, 2, 1]
    _run(write, "a.py", "ln.track()\n# something new under the old name\n")
    assert ln.Transform.get(key="a.py").stem_uid not in {
        transform.stem_uid for transform in transforms
    }


def test_transform_versions_can_be_created_directly(instance: Instance) -> None:
    first_version = ln.Transform(
        key="caller", version="1.0", kind="pipeline", reference="https://example.org/c"
    ).save()
    same = ln.Transform(key="caller", version="1.0").save()
    two = ln.Transform(key="caller", version="2.0", type="pipeline").save()
    assert (
        first_version.uid == same.uid,
        first_version.stem_uid == two.stem_uid,
        two.version,
        two.is_latest,
    ) == (
        True,
        True,
        "2.0",
        True,
    )
    assert ln.Transform(key="caller").save().uid == two.uid
    moved = ln.Transform(revises=two, key="calling", source_code="x", description="calls").save()
    assert (moved.stem_uid, moved.key, moved.description) == (
        first_version.stem_uid,
        "calling",
        "calls",
    )
    assert [version.uid for version in moved.versions] == [moved.uid, two.uid, first_version.uid]
    with pytest.raises(InvalidArgument, match="needs a key"):
        ln.Transform(kind="script")
    assert moved.latest_run is None
    run = ln.Run(moved, name="first").save()
    latest = moved.latest_run
    assert latest is not None
    assert latest.uid == run.uid


def test_context_and_track_arguments_are_recorded_with_the_run(
    instance: Instance, write: Write
) -> None:
    ln.Project(name="atlas").save()
    text = (
        '"""Count genes.\n\nSlowly."""\nimport datetime, pathlib\nimport numpy as np\n'
        "ln.context.name = 'the first'\n"
        "ln.track(params={'n': np.int64(3), 'p': 0.5, 'on': True, 'day': datetime.date(2026, 1, 2), 'none': None,\n"
        "  'path': pathlib.Path('x'), 'deep': {'list': [1, (2,)], 'nan': float('nan')}, 'token': 't'},\n"
        "  project='atlas')\n"
        "assert ln.context.name == 'the first' and ln.context.description == 'Count genes.'\n"
        "assert ln.context.uid == ln.context.transform.uid\n"
    )
    path = write("a.py", text.replace("import numpy", "import lamin_core as ln\nimport numpy"))
    subprocess.run([sys.executable, str(path), "--fast", "--password=x", "two words"], check=True)
    run = ln.Run.one()
    assert (run.name, run.cli_args) == ("the first", "--fast --password=*** 'two words'")
    assert run.params == {
        "n": 3,
        "p": 0.5,
        "on": True,
        "day": "2026-01-02",
        "none": None,
        "path": "x",
        "token": "***",
        "deep": {"list": [1, [2]], "nan": "nan"},
    }
    assert [project.name for project in run.projects] == ["atlas"]
    with pytest.raises(NotFound, match="no project is called 'nowhere'"):
        ln.track(project="nowhere", key="a.py")
    assert ln.Run.count() == 1


def test_project_is_read_from_the_environment(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    ln.Project(name="atlas").save()
    monkeypatch.setenv("LAMIN_CURRENT_PROJECT", "atlas")
    run = ln.track(ln.Transform(key="t"))
    ln.finish()
    assert [project.name for project in run.projects] == ["atlas"]


def test_track_sets_feature_values_of_the_run(instance: Instance) -> None:
    ln.Feature(name="temperature", dtype=float).save()
    run = ln.track(ln.Transform(key="t"), features={"temperature": 21.6})
    ln.finish()
    assert run.features.get_values() == {"temperature": 21.6}
    assert ln.Run.filter(temperature__gt=20).one().uid == run.uid
    with pytest.raises(ln.errors.LaminError):
        ln.track(ln.Transform(key="t"), features={"pressure": 1})
    assert ln.context.run is None
    assert [tracked_run.status for tracked_run in ln.Run.all().order_by("started_at")] == [
        "completed",
        "failed",
    ]


def test_track_with_new_run_false_continues_the_run(instance: Instance) -> None:
    first = ln.track(key="a.py")
    ln.finish()
    again = ln.track(key="a.py", new_run=False)
    assert (again.uid, again.status, again.finished_at) == (first.uid, "running", None)
    ln.finish()
    assert (ln.Run.one().status, ln.track(key="a.py").uid != first.uid) == ("completed", True)


def test_parent_run_is_read_from_the_environment_by_uid(
    instance: Instance, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = ln.Run(ln.Transform(key="parent").save()).save()
    monkeypatch.setenv("LAMIN_INITIATED_BY_RUN_UID", parent.uid)
    _run(write, "a.py", "ln.track()\n")
    assert ln.Run.get(transform__key="a.py").initiated_by_run.uid == parent.uid
    monkeypatch.setenv("LAMIN_INITIATED_BY_RUN_UID", "nobodyknowsme000")
    stderr = _run(write, "b.py", "ln.track()\n")
    assert "the registry knows no such run" in stderr
    assert ln.Run.get(transform__key="b.py").parent is None


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_commit_is_recorded_inside_a_git_repository(instance: Instance, write: Write) -> None:
    assert git.checkout(Path.cwd()) is None
    _git("init", "-q", "-b", "trunk")
    assert git.checkout(Path.cwd()) is None  # nothing is committed yet
    write("a.py", "import lamin_core as ln\nln.track()\n")
    _git("add", "a.py")
    _git("commit", "-q", "-m", "first")
    _git("remote", "add", "origin", "https://me:secret@example.org/repo.git")
    commit = _git("rev-parse", "HEAD")
    subprocess.run([sys.executable, "a.py"], check=True)
    expected = {
        "commit": commit,
        "branch": "trunk",
        "remote": "https://me:***@example.org/repo.git",
        "dirty": False,
    }
    assert ln.Run.one().git == expected
    write("a.py", "import lamin_core as ln\nln.track()  # changed\n")
    _git("checkout", "-q", "--detach")
    checkout = git.checkout(Path.cwd() / "data")
    assert checkout is not None
    assert checkout.facts() == expected | {"branch": None, "dirty": True}


def test_checkout_without_a_valid_repository_or_git_is_none(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (in_tmp_path / ".git").mkdir()
    assert git.checkout(in_tmp_path) is None
    monkeypatch.setenv("PATH", str(in_tmp_path))
    assert git.checkout(in_tmp_path) is None


def test_packages_are_listed_with_their_origins(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = in_tmp_path / "site"
    for name, origin in {
        "plain-1.0": None,
        "Some_Tool-2.1": {
            "url": "https://u:p@example.org/t.git",
            "vcs_info": {"vcs": "git", "commit_id": "abc"},
        },
        "mine-0.1": {"url": "file:///src/mine", "dir_info": {"editable": True}},
    }.items():
        folder = site / f"{name}.dist-info"
        folder.mkdir(parents=True)
        if origin is not None:
            (folder / "direct_url.json").write_text(json.dumps(origin))
    (site / "old.egg-info").mkdir()
    (site / "old.egg-info" / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nName: old\nVersion: 3\n"
    )
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    packages.cache_clear()
    try:
        versions = packages()
    finally:
        packages.cache_clear()
    assert (versions["plain"], versions["old"]) == ("1.0", "3")
    assert versions["some-tool"] == "2.1 @ git+https://u:***@example.org/t.git@abc"
    assert versions["mine"] == "0.1 @ file:///src/mine (editable)"
    assert "sqlalchemy" in versions


def test_lock_files_are_part_of_the_environment(instance: Instance, write: Write) -> None:
    write(".git/HEAD", "")
    write("uv.lock", "version = 1\n")
    assert lock_files(Path.cwd() / "data") == {"uv.lock": "version = 1\n"}
    _run(write, "sub/a.py", "ln.track()\n")
    write("uv.lock", "version = 2\n")
    _run(write, "sub/a.py", "ln.track()\n")
    first, second = (run.environment for run in ln.Run.all().order_by("started_at"))
    assert (first.locks, second.locks) == (
        {"uv.lock": "version = 1\n"},
        {"uv.lock": "version = 2\n"},
    )
    assert first.packages == second.packages == current_environment(Path.cwd()).packages


def test_packages_are_listed_within_a_second() -> None:
    packages.cache_clear()
    begin = time.perf_counter()
    assert len(packages()) > 50
    assert time.perf_counter() - begin < 1  # pip takes longer than that to begin
