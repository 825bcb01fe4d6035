"""The one-line summary of a command, read from its source.

`lamin --help` and completion show a line for each command. Importing all of them for that would
load the database half and every engine's package, which costs most of a second; their sources are
read in a few milliseconds.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from functools import cache
from pathlib import Path

LENGTH = 100


def summary(home: str) -> str:
    """The first paragraph of the docstring, or the `short_help`, of the function at `package.module:function`.

    >>> summary("lamin_core.cli.instance:info")
    'Show which instance is used here.'
    """
    module, _, name = home.partition(":")
    text = _docstrings(module).get(name)
    if text is None:  # no plain function in a plain source file
        text = getattr(importlib.import_module(module), name).help
    line = " ".join((text or "").split("\n\n")[0].split())
    return line if len(line) <= LENGTH else f"{line[: LENGTH - 3].rsplit(' ', 1)[0]} ..."


@cache
def _docstrings(module: str) -> dict[str, str]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return {}
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {
        node.name: docstring
        for node in functions
        if (docstring := _short_help(node) or ast.get_docstring(node))
    }


def _short_help(function: ast.FunctionDef) -> str | None:
    """The `short_help` in the decorator of a command."""
    keywords = [
        word
        for call in function.decorator_list
        if isinstance(call, ast.Call)
        for word in call.keywords
    ]
    values = [word.value for word in keywords if word.arg == "short_help"]
    return next((value.value for value in values if isinstance(value, ast.Constant)), None)  # type: ignore[return-value]
