"""Where a Snakefile is kept: the git repository and commit it stands at, if it is tracked in one."""

from __future__ import annotations

import os
import subprocess

from lamin_core.runtime.redaction import redact_text


def of(path: str) -> tuple[str | None, str | None]:
    """Repository (the address of its remote, else its folder's name) and commit of the file at this path.

    >>> of("/no/such/Snakefile")
    (None, None)
    """
    folder, name = os.path.split(path)
    if not os.path.isdir(folder) or _git(folder, "ls-files", "--error-unmatch", name) is None:
        return None, None
    remote = _git(folder, "remote", "get-url", "origin")
    top = _git(folder, "rev-parse", "--show-toplevel") or folder
    return redact_text(remote) if remote else os.path.basename(top), _git(folder, "rev-parse", "HEAD")


def _git(folder: str, *command: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", folder, *command],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
