"""What Snakemake leaves behind in a working directory: records of finished jobs, and the logs of invocations."""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import md5
from pathlib import Path
from typing import Any

from lamin_core.errors import NotFound

_LOG_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d{6}\.\d{6})\.snakemake\.log")
_TAIL = 4096


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """What Snakemake wrote down about one output of a finished job; times in seconds since 1970."""

    output: str
    """As in the Snakefile: relative to the working directory, unless it is absolute."""
    rule: str
    started: float
    ended: float
    input: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    """The `repr` of each, sorted; Snakemake does not write down their names."""
    code: str | None = None
    """The template of `shell:`, or the source of `run:` and of what is run by `script:`."""
    command: str | None = None
    container: str | None = None
    """The image that the rule names, whether it was used or not."""
    conda_environment: str | None = None
    """The text of the conda file, of an environment that Snakemake deployed."""
    software_stack: str | None = None
    """A hash of what Snakemake deployed."""
    external_jobid: str | None = None
    job_hash: int | None = None
    """The same for the outputs of one job, in one process of Snakemake; without meaning outside of it."""
    wildcards: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Known where Snakemake itself reports, or of the Snakefile; not in its records."""
    named_params: Mapping[str, Any] | None = field(default=None, hash=False)
    """Known where Snakemake itself reports."""
    benchmark: str | None = None
    """Path of the table; known as wildcards are."""
    conda: str | None = None
    """Path of the conda file; known of the Snakefile."""

    @property
    def deployed(self) -> list[str]:
        """The kinds of software deployment that Snakemake used for the job.

        >>> OutputRecord("a", "r", 0.0, 1.0, conda_environment="dependencies: []").deployed
        ['conda']
        """
        image = (self.container or "").encode()
        is_used = image and self.software_stack == md5(image, usedforsecurity=False).hexdigest()
        return [*(["apptainer"] if is_used else []), *(["conda"] if self.conda_environment else [])]

    @classmethod
    def of(
        cls, output: str, record: Mapping[str, Any], wildcards: Mapping[str, str] | None = None
    ) -> OutputRecord | None:
        """Read a record; None for one of a job that did not finish, or of a Snakemake that did not say when."""
        started, ended, rule = (record.get(name) for name in ("starttime", "endtime", "rule"))
        if started is None or ended is None or rule is None or record.get("incomplete"):
            return None
        return cls(
            output,
            str(rule),
            float(started),
            max(float(started), float(ended)),
            tuple(map(str, record.get("input") or ())),
            tuple(map(str, record.get("log") or ())),
            tuple(map(str, record.get("params") or ())),
            record.get("code"),
            record.get("shellcmd"),
            record.get("container_img_url"),
            _decoded(record.get("conda_env")),
            record.get("software_stack_hash"),
            record.get("external_jobid"),
            record.get("job_hash"),
            dict(wildcards or {}),
        )


def _decoded(text: str | None) -> str | None:
    return None if text is None else b64decode(text).decode(errors="replace")


@dataclass(frozen=True, slots=True)
class InvocationLog:
    """The log of one call of Snakemake."""

    name: str
    started: float
    last_written: float | None
    """None for a log without text, as `--quiet all` leaves it."""
    tail: str = ""


def read_records(folder: Path) -> Iterator[OutputRecord]:
    """Read `.snakemake/metadata` of a working directory, in no order.

    Raises:
        NotFound: there are no records; its hint says where Snakemake may have put them.
    """
    root = folder / ".snakemake" / "metadata"
    if not root.is_dir():
        raise NotFound(
            f"no records of Snakemake in {str(folder)!r}",
            hint="name the folder in which snakemake ran; with its records in a database: snakemake --reporter lamin",
        )
    unfinished = {path.name for path in (folder / ".snakemake" / "incomplete").glob("*")}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.name not in unfinished:
            record = _read(root, path)
            if record is not None:
                yield record


def _read(root: Path, path: Path) -> OutputRecord | None:
    """One file; its path is the name of the output in base64, in pieces of which all but the last begin with `@`."""
    encoded = "".join(part.removeprefix("@") for part in path.relative_to(root).parts)
    try:
        return OutputRecord.of(
            urlsafe_b64decode(encoded).decode(), json.loads(path.read_text("utf-8"))
        )
    except (ValueError, TypeError, AttributeError, OSError):  # another version, or torn
        return None


def read_logs(folder: Path) -> list[InvocationLog]:
    """Read the logs of a working directory, the earliest first."""
    logs = []
    for path in sorted((folder / ".snakemake" / "log").glob("*.snakemake.log")):
        match = _LOG_NAME.fullmatch(path.name)
        if match is not None:
            started = datetime.strptime(match[1], "%Y-%m-%dT%H%M%S.%f").timestamp()
            logs.append(_log(path, started))
    return logs


def _log(path: Path, started: float) -> InvocationLog:
    try:
        stat_result = path.stat()
        if not stat_result.st_size:
            return InvocationLog(path.name, started, None)
        with path.open("rb") as file:
            file.seek(max(0, stat_result.st_size - _TAIL))
            tail = file.read().decode(errors="replace")
    except OSError:
        return InvocationLog(path.name, started, None)
    return InvocationLog(path.name, started, stat_result.st_mtime, tail)
