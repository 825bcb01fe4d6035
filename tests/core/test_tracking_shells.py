"""Runs of shell scripts, in real shells."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.instance.instance import Instance
from lamin_core.tracking.checkout import bring_back

Write = Callable[[str, str], Path]
CHILD = """
import lamin_core as ln
ln.Artifact(open("made.txt", "w") and "made.txt").save()
"""


def _sh(
    write: Write, text: str, *arguments: str, shell: str = "bash"
) -> subprocess.CompletedProcess[str]:
    path = write("job.sh", text)
    return subprocess.run(
        [shell, path.name, *arguments], capture_output=True, text=True, cwd=path.parent
    )


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_shell_script_is_a_run_and_parent_of_started_processes(
    instance: Instance, write: Write, shell: str
) -> None:
    write("child.py", CHILD)
    write("tracked.py", "import lamin_core as ln\nln.track()\n")
    source = "lamin track --param alpha=0.5 --param mode=fast\npython child.py\npython tracked.py\nlamin finish\n"
    done = _sh(write, source, "in.csv", "--token=secret", shell=shell)
    assert done.returncode == 0, done.stderr
    run = ln.Run.filter(engine="shell").one()
    assert done.stdout.strip() == run.uid
    assert (run.status, run.params, run.cli_args) == (
        "completed",
        {"alpha": 0.5, "mode": "fast"},
        "job.sh in.csv --token=***",
    )
    assert (run.transform.key, run.transform.source_code, run.transform.language) == (
        "job.sh",
        source,
        "shell",
    )
    assert [artifact.key for artifact in run.output_artifacts] == ["made.txt"]
    assert [child.transform.key for child in run.children] == ["tracked.py"]
    assert ln.Run.count() == 2


@pytest.mark.parametrize(
    ("end", "status", "error"),
    [
        ("trap 'lamin finish --code $?' EXIT\nfalse", "failed", "exit code 1"),
        ("trap 'lamin finish --code $?' EXIT\n(exit 143)", "aborted", "ended by SIGTERM"),
        ("kill -9 $$", "lost", "the process ended without reporting the end of its run"),
        ("lamin track > /dev/null; lamin finish", "completed", None),
    ],
)
def test_run_of_a_shell_script_has_the_status_of_its_exit(
    instance: Instance, write: Write, end: str, status: str, error: str | None
) -> None:
    _sh(write, f"uid=$(lamin track)\nset -e\n{end}\n")
    instance.runs.find_lost()
    first = ln.Run.all().order_by("started_at").first()
    assert (first.status, first.error, first.transform.key) == (status, error, "job.sh")
    assert ln.Run.filter(status="running").count() == 0


def test_track_export_passes_the_parent_run_by_variables(instance: Instance, write: Write) -> None:
    inner = write("inner.sh", "lamin track\nlamin finish\n")
    done = _sh(
        write,
        f'eval "$(lamin track --export --name outer)"\nenv | grep LAMIN_\nsetsid sh {inner}\nlamin finish\n',
    )
    assert done.returncode == 0, done.stderr
    outer, inside = ln.Run.all().order_by("started_at")
    assert f"LAMIN_INITIATED_BY_RUN_UID={outer.uid}\n" in done.stdout
    assert (outer.name, inside.parent.uid, outer.status, inside.status) == (
        "outer",
        outer.uid,
        "completed",
        "completed",
    )


def test_track_without_a_script_needs_a_key_and_finish_needs_a_run(
    instance: Instance,
) -> None:
    commands = "lamin track; lamin finish; lamin track --key typed; lamin finish"
    done = subprocess.run(["bash", "-c", commands], text=True, capture_output=True)
    assert "lamin track --key NAME" in done.stderr
    assert "call lamin track first" in done.stderr
    assert (ln.Run.one().transform.key, ln.Run.one().status) == ("typed", "completed")


def test_script_can_be_loaded_and_tracked_again(
    instance: Instance, write: Write, tmp_path: Path
) -> None:
    script = write("sub/job.sh", "lamin track --key a/job.sh\nlamin finish\n")
    subprocess.run(["bash", str(script)], check=True, capture_output=True)
    first = ln.Transform.get(key="a/job.sh")
    script.write_text("lamin track --key a/job.sh\nlamin finish # changed\n")
    subprocess.run(["bash", str(script)], check=True, capture_output=True)
    target = tmp_path / "desk"
    target.mkdir()
    assert bring_back(first, target).read_text() == first.source_code
    assert (
        bring_back(ln.Transform.get(key="a/job.sh"), target).read_text().endswith("# changed\n")
    )  # nothing is lost
    (target / "job.sh").write_text("precious\n")
    with pytest.raises(Conflict, match="--force"):
        bring_back(first, target)
    assert (target / "job.sh").read_text() == "precious\n"
    bring_back(first, target, force=True)
    assert (target / "job.sh").read_text() == first.source_code
    with pytest.raises(InvalidArgument, match="is a pipeline, not a file"):
        bring_back(ln.Transform(key="p", source_code="x").save(), target)


def test_bring_back_refuses_links_and_other_folders(instance: Instance, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "fit.py").symlink_to(tmp_path / "nothing.py")
    script = ln.Transform(key="fit.py", kind="script", source_code="print(1)").save()
    with pytest.raises(Conflict, match="has changes"):
        bring_back(script, folder)
    assert not (tmp_path / "nothing.py").exists()
    above = ln.Transform(key="code/..", kind="script", source_code="print(1)").save()
    with pytest.raises(InvalidArgument, match="not a file name"):
        bring_back(above, folder, force=True)
