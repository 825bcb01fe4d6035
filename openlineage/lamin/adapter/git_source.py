"""Where a workflow file is kept: the git repository and the commit it is at."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lamin_core.runtime.git import git_output
from lamin_core.runtime.redaction import redact_text

_PATIENCE = 5.0
"""Seconds: asked once for a workflow, not for each run of a script."""


@dataclass(frozen=True, slots=True)
class GitSource:
    """A file in git; both fields are None for a file that git does not track."""

    repository: str | None = None
    """The address of the remote `origin`, without credentials; without a remote, the name of the top folder."""
    commit: str | None = None

    @classmethod
    def of(cls, path: str) -> GitSource:
        """Return the repository and the commit of the file at this path.

        >>> GitSource.of("/no/such/Snakefile")
        GitSource(repository=None, commit=None)
        """
        folder, name = os.path.split(path)
        if not os.path.isdir(folder) or _git(folder, "ls-files", "--error-unmatch", name) is None:
            return cls()
        remote = _git(folder, "remote", "get-url", "origin")
        top = _git(folder, "rev-parse", "--show-toplevel") or folder
        repository = redact_text(remote) if remote else os.path.basename(top)
        return cls(repository, _git(folder, "rev-parse", "HEAD"))


def _git(folder: str, *arguments: str) -> str | None:
    output = git_output(folder, *arguments, patience=_PATIENCE)
    return None if output is None else output.strip()
