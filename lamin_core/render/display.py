"""Notebook display: SVG where it can be shown, text everywhere else."""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod

MOST = 150
"""Boxes in a picture: more cannot be looked at."""
LETTERS = 34
"""Letters on a line of a box."""


class Picture(ABC):
    """Something with both: Jupyter asks for the one, and `show` for what fits where it is shown."""

    @abstractmethod
    def tree(self, *, downwards: bool | None = None) -> str:
        """The text of what is above it or below it; by default the direction of the query."""

    @abstractmethod
    def svg(self) -> str:
        """Return the drawing as SVG text."""

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": self.tree(), "image/svg+xml": self.svg()}


def show(picture: Picture, *, downwards: bool = False) -> None:
    """Show the picture in a notebook, the text elsewhere: what is above it and, on request, what is below."""
    if is_notebook():
        importlib.import_module("IPython.display").display(picture)
    else:
        texts = [picture.tree(), picture.tree(downwards=True)] if downwards else [picture.tree()]
        print("\n\n".join(texts))  # noqa: T201 - this is what it is for


def is_notebook() -> bool:
    """Whether a notebook's kernel runs this, which can show pictures."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
