"""The code of this process, script or notebook, as a transform."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import lamin_core
from lamin_core.models import Transform
from lamin_core.runtime.redaction import redact_text
from lamin_core.tracking import notebooks
from lamin_core.tracking.embedding import LANGUAGES, r_document, r_script


@dataclass(frozen=True, slots=True)
class Code:
    """A script, a notebook, or what is typed at a prompt, which has no source."""

    key: str
    kind: str
    source: str | None = None
    path: Path | None = None
    description: str | None = None

    def transform(self, **attributes: Any) -> Transform:
        """The transform of this code; the values in `said` override those that the code itself defines."""
        facts: dict[str, Any] = {
            "key": self.key,
            "kind": self.kind,
            "source_code": self.source,
            "description": self.description,
            "language": "python"
            if self.path is None
            else LANGUAGES.get(self.path.suffix.lower(), "python"),
            "reference": None if self.path is None else self.path.as_uri(),
            "reference_type": None if self.path is None else "file",
        }
        return Transform(
            **facts | {name: value for name, value in attributes.items() if value is not None}
        )


def at_work(path: str | os.PathLike[str] | None = None) -> Code:
    """The code of this process, or at `path`."""
    if path is None:
        path = notebooks.path() if notebooks.is_running() else script()
    if path is None:
        return Code("interactive", "notebook" if notebooks.is_running() else "script")
    return in_file(Path(path).absolute())


def script() -> str | None:
    """The file that this process runs; where that is an installed program, such as Snakemake, the one that calls us."""
    main: str | None = getattr(sys.modules.get("__main__"), "__file__", None)
    of_r = (r_document() or r_script()) if main is None else None
    if of_r is not None:
        return of_r.file
    return main if main is None or not _is_installed(main) else _caller() or main


def _caller() -> str | None:
    frame = sys._getframe().f_back
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_OURS) and not _is_installed(file) and os.path.isfile(file):
            return file
        frame = frame.f_back
    return None


_OURS = str(Path(lamin_core.__file__).parent) + os.sep


@cache
def _is_installed(file: str) -> bool:
    places = sysconfig.get_paths()
    folders = {
        os.path.realpath(places[name]) + os.sep
        for name in ("stdlib", "purelib", "platlib", "scripts")
    }
    return os.path.realpath(file).startswith(tuple(folders))


def in_file(path: Path) -> Code:
    """The code in this file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return Code(path.name, _kind(path), path=path)
    if path.suffix == ".ipynb":
        return Code(
            path.name,
            "notebook",
            redact_text(notebooks.source(text)),
            path,
            _masked(notebooks.title(text)),
        )
    return Code(path.name, _kind(path), redact_text(text), path, _summary(text))


_NOTEBOOKS = (".ipynb", ".Rmd", ".qmd", ".rmarkdown")


def _kind(path: Path) -> str:
    return "notebook" if path.suffix in _NOTEBOOKS else "script"


def _summary(text: str) -> str | None:
    """The first line of the script's docstring."""
    try:
        docstring = ast.get_docstring(ast.parse(text))
    except (SyntaxError, ValueError):
        return None
    return _masked((docstring or "").partition("\n")[0] or None)


def _masked(description: str | None) -> str | None:
    return None if description is None else redact_text(description)
