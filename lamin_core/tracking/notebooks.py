"""Notebooks: the path of the current one, its source without outputs, its title, its HTML page."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from lamin_core.errors import InvalidArgument
from lamin_core.runtime import process


def is_running() -> bool:
    """Whether this process is the kernel of a notebook."""
    return "ipykernel" in sys.modules and "IPython" in sys.modules


def path() -> Path | None:
    """The notebook whose kernel this is; None if unknown.

    Jupyter's server tells its kernels by a variable of the environment, VS Code by one of the
    notebook; `jupyter execute`, `nbconvert`, `papermill` and the like have it on their own command
    line.
    """
    candidates = [_of_vscode(), os.environ.get("JPY_SESSION_NAME"), *_of_whoever_started_it()]
    paths = (Path(candidate) for candidate in candidates if candidate)
    return next(
        (notebook for notebook in paths if notebook.suffix == ".ipynb" and notebook.is_file()), None
    )


def _of_vscode() -> str | None:
    file: str | None = getattr(sys.modules["__main__"], "__vsc_ipynb_file__", None)
    return file


def _of_whoever_started_it() -> list[str]:
    parent = os.getppid()
    try:
        folder = os.readlink(f"/proc/{parent}/cwd")
    except OSError:
        return []
    return [
        os.path.join(folder, argument)
        for argument in process.command_line(parent)
        if argument.endswith(".ipynb")
    ]


def source(text: str) -> str:
    """The notebook as code: its cells without outputs, counts and what the editor keeps about them.

    Raises `InvalidArgument`.
    """
    read = _read(text)
    metadata = read.get("metadata", {})
    kernel_metadata = {name: metadata[name] for name in ("kernelspec",) if name in metadata}
    cells = [
        {"cell_type": kind, "metadata": {}, "source": cell} | _empty(kind)
        for kind, cell in _cells(read)
    ]
    notebook = {"cells": cells, "metadata": kernel_metadata, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _empty(kind: str) -> dict[str, Any]:
    return {"execution_count": None, "outputs": []} if kind == "code" else {}


def _read(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
        if not isinstance(read, dict) or not isinstance(read.get("cells"), list):
            raise ValueError("it has no cells")
    except ValueError as error:
        raise InvalidArgument(f"not a notebook: {error}", hint="save it in the format 4") from error
    return read


def _cells(read: dict[str, Any]) -> list[tuple[str, str]]:
    """Kind and text of each cell."""
    cells = [(cell.get("cell_type", "raw"), cell.get("source", "")) for cell in read["cells"]]
    return [(kind, text if isinstance(text, str) else "".join(text)) for kind, text in cells]


def title(text: str) -> str | None:
    """The first heading.

    >>> title('{"cells": [{"cell_type": "markdown", "source": ["# Counts\\\\n", "of genes"]}]}')
    'Counts'
    """
    lines = [
        line
        for kind, cell in _cells(_read(text))
        if kind == "markdown"
        for line in cell.splitlines()
    ]
    return next((line.removeprefix("#").strip() for line in lines if line.startswith("# ")), None)


def page(notebook: Path) -> str | None:
    """The notebook as it was saved last, outputs and all, as a page of HTML; None without `nbconvert`."""
    try:
        from nbconvert import HTMLExporter
    except ImportError:
        return None
    exporter: Any = HTMLExporter
    html: str = exporter(sanitize_html=True, embed_images=True).from_filename(str(notebook))[0]
    return html
