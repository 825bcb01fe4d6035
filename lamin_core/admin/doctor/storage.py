"""Checks of the storage: reachable, writable, clock."""

from __future__ import annotations

import os
import secrets
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from lamin_core.admin.doctor.database import skew
from lamin_core.admin.doctor.finding import Finding, failure, ok, warning
from lamin_core.enums import MANAGED
from lamin_core.errors import LaminError, Unavailable
from lamin_core.instance.instance import Instance
from lamin_core.storage.locations import is_remote
from lamin_core.storage.object_store import filesystem
from lamin_core.storage.rooted_paths import own_location


def checks(instance: Instance) -> Iterator[Finding]:
    """Check the storages: write, read and remove a small file in each."""
    try:
        root = instance.storage
        ahead = _tried_remote(root) if is_remote(root) else _tried_local(root)
    except LaminError as error:
        yield failure(
            "storage", error.message, error.hint or "check its address and your credentials"
        )
        return
    yield ok("storage", f"{root} can be written to")
    yield skew("clock of the storage", ahead)
    yield from _absent(instance)


def _absent(instance: Instance) -> Iterator[Finding]:
    """Folders that the registry knows files of, and that are not there; those of a team may be on other machines."""
    for storage in instance.files.storages():
        if is_remote(storage.root) or os.path.isdir(storage.root):
            continue
        remedy = f"if it was moved: lamin storage move {shlex.quote(storage.root)} NEW"
        if instance.db.project is None:
            yield ok("storages", f"no folder at {storage.root} on this machine; {remedy}")
        else:
            yield warning("storages", f"no folder at {storage.root}", f"mount it; {remedy}")


def _tried_local(root: str) -> float:
    """The seconds by which the clock of its file system is ahead of ours. Raises `Unavailable`."""
    own_location(root, f"{MANAGED}/any")
    folder = Path(root, MANAGED)
    path = folder / f".doctor-{secrets.token_hex(8)}"
    try:
        if not Path(root).is_dir():
            hint = f"mount it; if it was moved: lamin storage move {shlex.quote(root)} NEW"
            raise Unavailable(f"no folder at {root!r}", hint=hint)
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            file.write(b"x")
        ahead = path.stat().st_mtime - time.time()
        path.unlink()
        if is_new:
            folder.rmdir()
    except OSError as error:
        message = f"{root!r} cannot be written to: {error.strerror or error}"
        raise Unavailable(message, hint=f"let yourself write to {root}") from error
    return ahead


def _tried_remote(root: str) -> float:
    fs, target = filesystem(f"{root.rstrip('/')}/{MANAGED}/.doctor-{secrets.token_hex(8)}")
    try:
        fs.pipe_file(target, b"x")
        written = fs.info(target).get("LastModified")
        ahead = written.timestamp() - time.time() if written is not None else 0.0
        fs.rm_file(target)
    except Exception as error:
        hint = f"check the bucket, AWS_ENDPOINT_URL and your credentials ({_credentials()})"
        raise Unavailable(f"{root!r} cannot be used: {error}", hint=hint) from error
    return ahead


def _credentials() -> str:
    named = [
        name
        for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL")
        if os.environ.get(name)
    ]
    return f"{', '.join(named)} set" if named else "none in the environment"
