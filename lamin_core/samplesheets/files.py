"""The files that a samplesheet names, as artifacts: those of the registry, and those on this machine that are new."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from lamin_core.lineage.path_lookup import absolute, artifacts_at
from lamin_core.models import Artifact
from lamin_core.samplesheets.reading import Samplesheet
from lamin_core.storage.locations import is_file_url, is_remote


@dataclass(frozen=True)
class NamedFiles:
    """The files of a sheet, by the text of their cells."""

    artifacts: Mapping[str, Artifact]
    """The files that are registered."""
    new: Mapping[str, str]
    """Absolute paths of files on this machine that it does not have."""
    unregistered: tuple[str, ...]
    """URLs that it does not have: a run that reads them registers them."""
    problems: tuple[str, ...]
    """A line for each file that is nowhere."""

    def new_artifacts(self) -> dict[str, Artifact]:
        """Return unsaved artifacts of the new files, which stay in place; reads all of their bytes."""
        artifacts = {path: Artifact(path, run=False) for path in set(self.new.values())}
        return {text: artifacts[path] for text, path in self.new.items()}


def find_files(session: Session, sheet: Samplesheet, folders: Iterable[Path]) -> NamedFiles:
    """Return the artifacts that the sheet names; relative paths are looked up in these folders, in their order."""
    folders = list(folders)
    artifacts: dict[str, Artifact] = {}
    new: dict[str, str] = {}
    unregistered: dict[str, None] = {}
    problems = []
    for row in sheet.rows:
        for column, text in row.files.items():
            if text in artifacts or text in new:
                continue
            paths = _paths(text, folders)
            artifact = _registered(session, paths)
            existing = [path for path in paths if os.path.exists(path)]
            if artifact is not None:
                artifacts[text] = artifact
            elif existing:
                new[text] = existing[0]
            elif is_remote(text) and not is_file_url(text):
                unregistered[text] = None
            else:
                problems.append(f"line {row.line}: {column}: no such file: {text!r}")
    return NamedFiles(artifacts, new, tuple(unregistered), tuple(problems))


def _paths(text: str, folders: Iterable[Path]) -> list[str]:
    """The possible paths of the file; a URL is not changed."""
    if is_remote(text):
        return [absolute(text)]
    return [os.path.abspath(os.path.join(folder, os.path.expanduser(text))) for folder in folders]


def _registered(session: Session, paths: Iterable[str]) -> Artifact | None:
    for path in paths:
        for artifact in artifacts_at(session, path):
            return artifact
    return None
