"""A workflow has the same log, terminal, results and exit code with lineage, whatever state the registry is in."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamin_core.instance.instance import Instance
from tests.contract.snakemake.playing import COMMAND, environment, write

SNAKEFILE = """
rule c:
    input: "b.txt"
    output: "c.txt"
    log: "c.log"
    shell: "echo lost > {log}; exit 3"

rule b:
    input: "a.txt"
    output: "b.txt"
    retries: 1
    shell: "echo try >> tries; test $(wc -l < tries) = 2 && cp {input} {output}"

rule a:
    output: "a.txt"
    params: token="hunter2hunter2"
    shell: "echo a > {output}"
"""
_TIME = re.compile(rb"\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]|\d{4}-\d\d-\d\d[ T][\d:.]+")
_OWN = re.compile(rb"(Workflow ID|Command|Elapsed time): .*")
"""What differs between two invocations in any case: `--logger` is on the command line."""
_OURS = re.compile(rb"^(lineage|jobs? .* told).*\n", re.MULTILINE)


@dataclass(frozen=True)
class Trace:
    """The traces of an invocation for its user."""

    code: int
    terminal: bytes
    log: bytes
    files: dict[str, bytes]


def invoke(folder: Path, *options: str, **variables: str) -> Trace:
    """Run the workflow in this folder, emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    write(folder, SNAKEFILE)
    command = [*COMMAND[:3], *options, "--cores", "1"]
    process = subprocess.run(
        command,
        cwd=folder,
        env={**environment(folder.parent), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    (log,) = (folder / ".snakemake" / "log").glob("*.snakemake.log")
    texts = process.stdout, log.read_bytes()
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    terminal, log_text = (_OWN.sub(b"", _TIME.sub(b"", text)) for text in texts)
    return Trace(process.returncode, terminal, log_text, files)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unchanged")


@pytest.fixture(scope="module")
def plain(home: Path) -> Trace:
    """Without us."""
    trace = invoke(home / "project")
    assert trace.code == 1
    assert b"c.log" in trace.log
    return trace


@contextmanager
def registry(folder: Path) -> Iterator[Path]:
    """A new instance in this folder; where it keeps its database."""
    instance = Instance.create(folder, "./data")
    instance.db.dispose()
    yield folder / ".lamin"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a file system of eight megabytes, with an instance in it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if (
        os.geteuid() != 0
        or shutil.which("mount") is None
        or subprocess.run(mount, check=False).returncode != 0
    ):
        pytest.skip("only root can mount a small file system")
    try:
        with registry(folder) as instance_folder:
            yield instance_folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def working(folder: Path) -> Iterator[dict[str, str]]:
    with registry(folder) as instance_folder:
        yield {"LAMIN_INSTANCE": str(instance_folder)}


@contextmanager
def down(folder: Path) -> Iterator[dict[str, str]]:
    yield {"OPENLINEAGE_URL": "http://127.0.0.1:9"}


@contextmanager
def hanging(folder: Path) -> Iterator[dict[str, str]]:
    with socket.create_server(("127.0.0.1", 0)) as server:  # it listens, and accepts nobody
        yield {"OPENLINEAGE_URL": f"http://127.0.0.1:{server.getsockname()[1]}"}


@contextmanager
def read_only(folder: Path) -> Iterator[dict[str, str]]:
    with small_disk(folder) as instance_folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield {"LAMIN_INSTANCE": str(instance_folder)}


@contextmanager
def full(folder: Path) -> Iterator[dict[str, str]]:
    with small_disk(folder) as instance_folder:
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={folder / 'filler'}", "bs=64k"],
            capture_output=True,
            check=False,
        )
        yield {"LAMIN_INSTANCE": str(instance_folder)}


@contextmanager
def locked(folder: Path) -> Iterator[dict[str, str]]:
    with registry(folder) as instance_folder, ExitStack() as stack:
        (file,) = instance_folder.glob("*.db")
        database = sqlite3.connect(file, isolation_level=None)
        stack.callback(database.close)
        database.execute("BEGIN EXCLUSIVE")
        yield {"LAMIN_INSTANCE": str(instance_folder)}


@contextmanager
def other_version(folder: Path) -> Iterator[dict[str, str]]:
    with registry(folder) as instance_folder:
        (file,) = instance_folder.glob("*.db")
        database = sqlite3.connect(file)
        with database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.close()
        yield {"LAMIN_INSTANCE": str(instance_folder)}


CONDITIONS = [working, down, hanging, read_only, full, locked, other_version]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.__name__)
def test_log_terminal_results_and_exit_code_equal_those_of_a_plain_run(
    plain: Trace, home: Path, condition: Callable[[Path], object]
) -> None:
    with condition(home / condition.__name__) as variables:  # type: ignore[attr-defined]
        trace = invoke(home / "project", "--logger", "lamin", LAMIN_PATIENCE="1", **variables)
    warnings = _OURS.findall(trace.terminal)
    assert _OURS.sub(b"", trace.terminal) == plain.terminal
    assert (trace.log, trace.code, trace.files) == (plain.log, plain.code, plain.files)
    assert len(warnings) == (0 if condition is working else 1)


def test_secrets_of_config_command_and_environment_are_not_recorded(home: Path) -> None:
    secrets = {"hunter2hunter2", "abc123secret", "xyz789secret"}
    options = ["--config", "api_token=abc123secret", "--logger", "lamin"]
    with down(home) as variables:
        invoke(
            home / "project",
            *options,
            LAMIN_SPOOL=str(home / "spool_of_secrets"),
            LAMIN_PATIENCE="1",
            MY_PASSWORD="xyz789secret",
            **variables,
        )
    recorded = "".join(path.read_text() for path in (home / "spool_of_secrets").glob("*.ndjson"))
    assert "api_token" in recorded
    assert [secret for secret in secrets if secret in recorded] == []
