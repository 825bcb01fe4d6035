"""Errors of the shell: they name what went wrong, and their hints work when typed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.instance.instance import disconnect, init
from tests.support.commands import typed

LAMIN = str(Path(sys.executable).with_name("lamin"))


@pytest.fixture
def folder(in_tmp_path: Path) -> Iterator[Path]:
    """An instance in the test's folder, with a file in it."""
    init("./data")
    disconnect()
    (in_tmp_path / "a.csv").write_text("x\n1\n")
    yield in_tmp_path
    disconnect()


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line in a real shell, in which `lamin` is this one."""
    path = f"{Path(LAMIN).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env={**os.environ, "PATH": path}
    )


def test_save_with_closed_standard_output_succeeds_and_listing_fails(folder: Path) -> None:
    saved = shell("lamin save a.csv >&-")
    assert (saved.returncode, saved.stderr) == (0, "saved artifact a.csv, version 0000\n")
    listed = shell("lamin artifacts >&-")
    assert listed.returncode == 1
    assert "standard output cannot be written: Bad file descriptor" in listed.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")
def test_full_standard_output_is_reported_with_the_completed_work(folder: Path) -> None:
    done = shell("lamin save a.csv > /dev/full")
    assert done.returncode == 1
    uid = typed("artifacts", "--json").json[0]["uid"]
    assert f"saved artifact a.csv, version 0000: {uid}" in done.stderr
    assert "standard output cannot be written: No space left on device" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")
@pytest.mark.parametrize("arguments", ["--help", "--version", "lineage --help"])
def test_help_into_a_full_standard_output_is_reported(folder: Path, arguments: str) -> None:
    done = shell(f"lamin {arguments} > /dev/full")
    assert done.returncode == 1
    assert "standard output cannot be written: No space left on device" in done.stderr


def test_missing_bytes_of_a_file_in_place_suggest_saving_copies(
    folder: Path,
) -> None:
    typed("save", "a.csv")
    (folder / "a.csv").write_text("other")
    advice = "lamin save PATH --key KEY keeps a copy of each version"
    assert advice in typed("load", "a.csv", code=4).stderr
    uid = typed("artifacts", "--json").json[0]["uid"]
    (folder / "a.csv").unlink()
    assert advice in typed("load", uid, code=3).stderr
    init("./data")
    with pytest.raises(NotFound, match=r"ln\.Artifact\(PATH, key=KEY\)\.save\(\) keeps a copy"):
        ln.Artifact.get(uid).load()
    with pytest.raises(NotFound, match=r"ln\.Artifact\.df\(\) lists what is there"):
        ln.connect().lineage.find("nothing-like-it")


def test_hint_for_a_name_that_begins_with_a_dash_works(folder: Path) -> None:
    (folder / "-x.csv").write_text("x")
    typed("save", "--", "-x.csv")
    for command in ("get", "lineage", "load"):
        assert f"lamin {command} -- -NAME" in typed(command, "-x.csv", code=2).stderr
        typed(command, "--", "-x.csv")


def test_newline_in_a_key_is_printed_as_an_escape(folder: Path) -> None:
    assert "saved artifact a\\nb.csv, version" in typed("save", "a.csv", "--key", "a\nb.csv").stderr


def test_backup_to_a_dash_is_refused(folder: Path) -> None:
    assert "lamin backup registry.db" in typed("backup", "-", code=2).stderr
    assert not (folder / "-").exists()


def test_connect_refuses_a_file_that_is_not_a_database_and_a_relative_path(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(exist_ok=True)
    os.chdir(folder.parent / "elsewhere")
    (folder / "text.db").write_text("no database")
    refused = typed("connect", f"sqlite:///{folder}/text.db", code=5).stderr
    assert "the URL of its database" in refused
    assert "restore" not in refused
    relative = typed("connect", "sqlite:///sub/x.db", code=2).stderr
    assert f"lamin connect sqlite:///{Path.cwd()}/sub/x.db" in relative


def test_read_only_fields_and_unknown_kinds_are_refused(folder: Path) -> None:
    init("./data")
    with pytest.raises(InvalidArgument, match="cannot be changed in many at once") as error:
        ln.Artifact.filter().update(hash="x")
    assert error.value.hint == "artifact.replace(data)"
    transform = ln.Transform(key="fit.py", kind="script").save()
    for change in (
        lambda: ln.Transform(key="x", kind="zzz"),
        lambda: setattr(transform, "kind", "zzz"),
        lambda: ln.Transform.filter().update(kind="zzz"),
    ):
        with pytest.raises(InvalidArgument, match="not a kind of transform: 'zzz'"):
            change()
    (folder / "fit.py").write_text("1\n")
    assert "did you mean script?" in typed("save", "fit.py", "--kind", "scrpt", code=2).stderr
