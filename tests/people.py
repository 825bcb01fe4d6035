"""Other users of the machine: real ones where the tests run as root, which alone can be somebody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
GROUP = 62_000


@dataclass(frozen=True)
class Person:
    """A user with a home, and perhaps in the group that shares."""

    uid: int
    gid: int
    home: Path

    def run(self, *command: str, cwd: Path, umask: int = 0o022, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments as this user."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *command],
            cwd=cwd,
            env={**environment, **variables},
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            umask=umask,
            capture_output=True,
            text=True,
            check=False,
        )

    def lamin(self, *arguments: str, cwd: Path, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as this user; check its exit code."""
        done = self.run("-m", "lamin_core", *arguments, cwd=cwd, **options)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def owns(self, folder: Path) -> Path:
        """Give a folder, and what is in it, to this user."""
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        return folder


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder that every user of the machine can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="lamin-disk-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def person(disk: Path, name: str, uid: int, gid: int = GROUP) -> Person:
    """A user with an empty home."""
    home = disk / "home" / name
    home.mkdir(parents=True)
    os.chown(home, uid, gid)
    return Person(uid, gid, home)


@pytest.fixture
def alice(disk: Path) -> Person:
    """Somebody in the group."""
    return person(disk, "alice", 61_001)


@pytest.fixture
def bob(disk: Path) -> Person:
    """Somebody else in the group."""
    return person(disk, "bob", 61_002)


@pytest.fixture
def mallory(disk: Path) -> Person:
    """Somebody in no group of theirs."""
    return person(disk, "mallory", 61_003, 61_003)
