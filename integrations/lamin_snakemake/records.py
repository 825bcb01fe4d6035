"""Artifacts by the names that a Snakefile uses, and what it says of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import lamin_core as ln
from lamin_core.errors import NotFound

if TYPE_CHECKING:
    from lamin_core.models import Artifact, Run, Schema


def artifact_named(name: str) -> Artifact:
    """Return the artifact with this `key`, `key@version` or uid; without a version, the latest.

    Raises:
        NotFound: there is none; its message names the keys most like it.
    """
    named = ln.Artifact.filter(key=name, is_latest=True).first()
    if named is not None:
        return named
    key, separator, version = name.rpartition("@")
    if separator and key:
        return _versioned(key, version)
    if name.isalnum() and len(name) in _UID_LENGTHS:
        return ln.Artifact.get(name)
    return ln.Artifact.get(key=name)


_UID_LENGTHS = (16, 20)
"""Letters of a stem, which means the latest version, and of a whole uid."""


def _versioned(key: str, version: str) -> Artifact:
    named = ln.Artifact.filter(key=key, version=version).first()
    if named is not None:
        return named
    latest = ln.Artifact.get(key=key)
    raise NotFound(
        f"{key!r} has no version {version!r}", hint=f"the latest is {key}@{latest.version}"
    )


def annotate(
    artifact: Artifact,
    labels: str | Sequence[str] = (),
    features: Mapping[str, object] | None = None,
    schema: str | None = None,
    *,
    strict: bool = True,
) -> None:
    """Give the artifact labels, made if they are new, and values of features; check it against a schema.

    The check comes first: what does not fit raises `ValidationError` and gets no label; unless it is not `strict`.
    """
    if schema is not None:
        ln.curators.check(artifact, schema_named(schema), strict=strict)
    names = [labels] if isinstance(labels, str) else list(labels)
    if names:
        artifact.ulabels.add(*(ln.ULabel(name=name).save() for name in names))
    if features:
        artifact.features.add_values(dict(features))


def schema_named(name: str) -> Schema:
    """Return the schema with this name or uid. Raises `NotFound`, and `MultipleFound` for several of the name."""
    return ln.Schema.get(**{"uid" if ln.Schema.filter(uid=name).exists() else "name": name})


def registered(path: str | os.PathLike[str]) -> Artifact:
    """Return the file or folder as an artifact in place, without a run that made it.

    A file that a rule has just written may be known before the event of its job arrives: both mean
    the same version, by path and content.
    """
    return ln.Artifact(path, run=False).save()


def saved(
    path: str | os.PathLike[str],
    key: str | None,
    description: str | None = None,
    run: Run | bool | None = None,
) -> Artifact:
    """Save a copy of the file or folder under this key, made by the current run; without a key, register it.

    `run` as for `ln.Artifact`.
    """
    if key is None or key == os.fspath(path):
        return ln.Artifact(path, description=description, run=False).save()
    return ln.Artifact(path, key=key, description=description, run=run).save()


def address_of(artifact: Artifact | None, key: str | None) -> str:
    """Return the path or URL of the artifact in events; for None, the path of an artifact to be saved with the key."""
    if artifact is None:
        return f"{ln.connect().files.managed().root.rstrip('/')}/{key}"
    if artifact.key is None:
        return str(artifact.path)
    return f"{artifact.storage.root.rstrip('/')}/{artifact.key}"


def put_at(
    artifact: Artifact,
    path: str | os.PathLike[str],
    *,
    copy: bool = False,
    reader: Run | bool | None = None,
) -> None:
    """Put the bytes of the artifact at this path: as links to where they are, or as copies.

    A folder becomes a folder of links: whoever adds a file to it does not add it to the artifact.
    The current run has then read the artifact, or what `reader` says, as for `artifact.cache`.
    """
    source, target = artifact.cache(is_run_input=reader).absolute(), Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.is_dir():
        _link_or_copy(source, target, copy=copy)
        return
    for file in sorted(source.rglob("*")):
        if file.is_file():
            inner = target / file.relative_to(source)
            inner.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(file, inner, copy=copy)


def _link_or_copy(source: Path, target: Path, *, copy: bool) -> None:
    import shutil

    target.unlink(missing_ok=True)
    if copy:
        shutil.copyfile(source, target)
    else:
        target.symlink_to(source)
