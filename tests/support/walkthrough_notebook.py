"""The walkthrough as a notebook: `python -m tests.support.walkthrough_notebook` writes it anew from the page."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

DOCS = Path(__file__).parents[2] / "docs"
PAGE, NOTEBOOK = DOCS / "walkthrough.md", DOCS / "introduction.ipynb"
_OUTPUT = re.compile(r"<!-- test: output -->\n```text\n.*?\n```\n", re.DOTALL)
_SKIPPED = re.compile(r"<!-- test: skip-block.*?-->\n```python\n", re.DOTALL)
_CODE = re.compile(r"```python\n(.*?)\n```\n", re.DOTALL)


def notebook_of(page: str) -> nbformat.NotebookNode:
    """Return the notebook with the code of this page as its cells, and the text between them; no outputs.

    >>> [cell.cell_type for cell in notebook_of("Text.\\n\\n```python\\n1\\n```\\n").cells]
    ['markdown', 'code']
    """
    cells = []
    text_only = _SKIPPED.sub("```py\n", _OUTPUT.sub("", page))
    parts = _CODE.split(text_only)
    for number, part in enumerate(parts):
        text = part.strip()
        if text:
            cells.append(new_code_cell(text) if number % 2 else new_markdown_cell(text))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=cells)


if __name__ == "__main__":
    nbformat.write(notebook_of(PAGE.read_text("utf-8")), NOTEBOOK)
