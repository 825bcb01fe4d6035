"""Other users of the machine: real ones where the tests run as root, which alone can be somebody else.

What they do runs in a fork of the tests: the Python of a test environment is often out of their
reach.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lamin_core
from lamin_core.cli import main
from lamin_core.instance.instance import disconnect, init
from tests.support.commands import typed

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
GROUP = 62_000


@dataclass(frozen=True)
class Done:
    """The output of a command of another user."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Person:
    """A user with a home, and perhaps in the group that shares."""

    uid: int
    gid: int
    home: Path

    def run(
        self, action: Callable[[], Any], cwd: Path, umask: int = 0o022, **variables: str
    ) -> Done:
        """Do something as this user, in a process of its own."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            child = os.fork()
            if child == 0:  # pragma: no cover - another process
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                self._become(cwd, umask, variables)
                os._exit(_outcome(action))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0)
            err.seek(0)
            return Done(code, out.read(), err.read())

    def _become(self, cwd: Path, umask: int, variables: dict[str, str]) -> None:
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        for name in list(os.environ):
            if name.startswith(("LAMIN_", "XDG_")):
                del os.environ[name]
        os.environ.update({"HOME": str(self.home), **variables})
        os.umask(umask)
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)
        os.chdir(cwd)

    def lamin(self, *arguments: str, cwd: Path, code: int = 0, **options: Any) -> Done:
        """Run a command as this user; check its exit code."""
        done = self.run(lambda: main(list(arguments)), cwd, **options)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    @contextmanager
    def doing(self, action: Callable[[], Any], cwd: Path, umask: int = 0o022) -> Iterator[None]:
        """While the block runs, this user has done it, and its process is still there."""
        ready, ready_end = os.pipe()
        wait, go_on = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            os.close(go_on)
            self._become(cwd, umask, {})
            code = _outcome(action)
            os.write(ready_end, b".")
            os.read(wait, 1)
            os._exit(code)
        os.close(ready_end)
        os.close(wait)
        assert os.read(ready, 1) == b"."
        try:
            yield
        finally:
            os.close(go_on)
            os.close(ready)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def owns(self, folder: Path) -> Path:
        """Give a folder, and what is in it, to this user."""
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        return folder


def _outcome(action: Callable[[], Any]) -> int:  # pragma: no cover - another process
    disconnect()
    code: Any = 0
    try:
        action()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 1


@pytest.fixture(scope="module")
def everything_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nobody else may read where Python is, perhaps."""
    for module in pkgutil.walk_packages(lamin_core.__path__, "lamin_core."):
        if not module.name.endswith((".env", "__main__")) and ".versions." not in module.name:
            with suppress(ImportError):
                importlib.import_module(module.name)
    folder, before = tmp_path_factory.mktemp("warm"), Path.cwd()
    os.chdir(folder)
    init("./data")
    disconnect()
    Path("a.txt").write_text("x")
    for command in (
        "save a.txt",
        "artifacts",
        "doctor",
        "runs",
        "annotate a.txt --labels x",
        "events replay",
    ):
        typed(*command.split(), code=None)
    lamin_core.ULabel(name="y").save()
    lamin_core.ULabel.df()
    disconnect()
    os.chdir(before)


@pytest.fixture
def disk(everything_is_imported: None) -> Iterator[Path]:
    """A folder that every user of the machine can reach, unlike pytest's own, whatever umask the tests run with."""
    before = os.umask(0o022)
    folder = Path(tempfile.mkdtemp(prefix="lamin-disk-")).resolve()
    folder.chmod(0o755)
    yield folder
    os.umask(before)
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
