"""The state of the code in git: commit, branch, remote, and whether files differ from the commit."""

from __future__ import annotations

import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from lamin_core.runtime.redaction import redact_text

_PATIENCE = 2.0
"""Seconds: in a huge repository the question whether anything has changed is left open."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A working copy; `dirty` says that a file which git knows differs from the commit."""

    commit: str
    branch: str | None
    remote: str | None
    dirty: bool

    def facts(self) -> dict[str, object]:
        """The fields by name."""
        return asdict(self)


def checkout(folder: Path) -> Checkout | None:
    """The working copy that this folder is in; None without a repository, a commit, or git itself."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    status = git_output(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if status is None:
        return None
    lines = status.splitlines()
    branch_facts = dict(
        line.removeprefix("# branch.").split(" ", 1)
        for line in lines
        if line.startswith("# branch.")
    )
    if branch_facts.get("oid", "(initial)") == "(initial)":
        return None
    branch = None if branch_facts.get("head") == "(detached)" else branch_facts.get("head")
    remote = (git_output(folder, "config", "--get", "remote.origin.url") or "").strip()
    dirty = any(not line.startswith("#") for line in lines)
    return Checkout(branch_facts["oid"], branch, redact_text(remote) or None, dirty)


def git_output(folder: str | Path, *arguments: str, patience: float = _PATIENCE) -> str | None:
    """Return what git prints; None when it fails or takes more than `patience` seconds.

    It takes no lock, so that nobody waits for it, and asks for no password.
    """
    try:
        completed = subprocess.run(
            ["git", "-C", os.fspath(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                "GIT_OPTIONAL_LOCKS": "0",
                "GIT_TERMINAL_PROMPT": "0",
                "LC_ALL": "C",
            },
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return completed.stdout if completed.returncode == 0 else None
