"""Write a script or notebook from the registry back to a file."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from blake3 import blake3

from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.models import Transform
from lamin_core.tracking.code import in_file


def bring_back(transform: Transform, folder: Path, *, force: bool = False) -> Path:
    """Write the source of this version into the folder; where the file is.

    What lies there already is written over if the registry has it, as another version; if it does
    not, only with `force`. Raises `Conflict`, and `InvalidArgument` for what is no file.
    """
    if transform.source_code is None or transform.kind not in ("script", "notebook"):
        raise InvalidArgument(
            f"{transform.key!r} is a {transform.kind}, not a file"
            if transform.source_code
            else "its source is unknown",
            hint="`lamin list transform` shows scripts and notebooks",
        )
    name = PurePosixPath(transform.key).name
    if name in ("", ".."):
        raise InvalidArgument(
            f"not a file name: {transform.key!r}", hint="`lamin list transform` shows the names"
        )
    path = folder / name
    if os.path.lexists(path) and not force and not _is_known(transform, path):
        raise Conflict(
            f"{str(path)!r} has changes that the registry does not have",
            hint="run it with ln.track(), move it away, or write over it with --force",
        )
    path.write_text(transform.source_code, encoding="utf-8")
    return path


def _is_known(transform: Transform, path: Path) -> bool:
    if (
        not path.is_file()
    ):  # a folder, or a link to nothing yet, through which a file would be made elsewhere
        return False
    source = in_file(path).source
    if source is None:
        return False
    is_saved: bool = transform.versions.filter(
        hash=blake3(source.encode("utf-8", "surrogatepass")).hexdigest()
    ).exists()
    return is_saved
