"""The git repository and commit of a workflow file, and the name of its job that follows from them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

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
    project: str | None = None
    """`owner/name` of the remote; None without a remote."""
    path: str | None = None
    """The path of the file in the repository."""

    @classmethod
    def of(cls, path: str) -> GitSource:
        """Return the repository and the commit of the file at this path.

        >>> GitSource.of("/no/such/Snakefile")
        GitSource(repository=None, commit=None, project=None, path=None)
        """
        folder, name = os.path.split(path)
        if not os.path.isdir(folder):
            return cls()
        tracked = _git(folder, "ls-files", "-z", "--full-name", "--error-unmatch", "--", name)
        if tracked is None:
            return cls()
        remote = _git(folder, "remote", "get-url", "origin")
        top = _git(folder, "rev-parse", "--show-toplevel") or folder
        repository = redact_text(remote) if remote else os.path.basename(top)
        project = project_of(remote) if remote else None
        return cls(repository, _git(folder, "rev-parse", "HEAD"), project, tracked.strip("\0"))

    def job_name(self, path: str) -> str:
        """Return the name of a workflow file, independently of the folder that contains its project.

        In a repository with a remote it is called by the project and its path there, else by its
        own name; with the folder `workflow` above it, which belongs to a layout and not to a machine.

        >>> GitSource().job_name("/home/me/align/Snakefile")
        'Snakefile'
        >>> GitSource().job_name("/home/me/align/workflow/Snakefile")
        'workflow/Snakefile'
        >>> GitSource(project="lab/align", path="rna/Snakefile").job_name("/home/me/x/rna/Snakefile")
        'lab/align/rna/Snakefile'
        """
        if self.project and self.path:
            return f"{self.project}/{self.path}"
        file = PurePosixPath(path)
        return f"{file.parent.name}/{file.name}" if file.parent.name == "workflow" else file.name


def project_of(remote: str) -> str:
    """Return `owner/name` of the address of a remote.

    >>> project_of("https://host/lab/align.git"), project_of("git@host:lab/align")
    ('lab/align', 'lab/align')
    """
    path = re.sub(r"^[a-z+]+://[^/]*/|^[^/]*@[^/:]*:", "", remote)
    parts = re.sub(r"(\.git)?/*$", "", path).split("/")
    return "/".join(part for part in parts[-2:] if part)


def _git(folder: str, *arguments: str) -> str | None:
    output = git_output(folder, *arguments, patience=_PATIENCE)
    return None if output is None else output.strip()
