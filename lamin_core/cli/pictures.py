"""Lineage as a picture or as JSON, on standard output or in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from lamin_core.cli import completers
from lamin_core.cli.output import echo, print_json
from lamin_core.errors import InvalidArgument
from lamin_core.lineage.graph import Graph, Node
from lamin_core.lineage.view import view
from lamin_core.render.drawing import Lineage
from lamin_core.render.html_page import html_page

Command = TypeVar("Command", bound=Callable[..., object])
_FORMS = {
    ".svg": "svg",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".html": "html",
    ".json": "json",
    ".txt": "text",
}
"""The form of a file, by its suffix."""
_DRAWN = 50
"""Nodes of a whole registry that its picture begins with."""


def picture_options(command: Command) -> Command:
    """The options `--svg`, `--dot`, `--mermaid`, `--html` and `-o`."""
    for option in (
        click.option(
            *("-o", "--output", "file"),
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            shell_complete=completers.files,
            help="Write to this file: .svg, .html, .dot, .mmd (Mermaid), .json or .txt.",
        ),
        click.option(
            "--html",
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            shell_complete=completers.files,
            help="Write one HTML file to mail: the drawing, which expands, and its tables.",
        ),
        click.option(
            "--mermaid",
            "picture",
            flag_value="mermaid",
            help="Print a Mermaid diagram, for Markdown.",
        ),
        click.option("--dot", "picture", flag_value="dot", help="Print a Graphviz graph."),
        click.option("--svg", "picture", flag_value="svg", help="Print an SVG picture."),
    ):
        command = option(command)
    return command


def chosen_file(file: Path | None, html: Path | None) -> Path | None:
    """The file of `-o`, or of `--html`. Raises `InvalidArgument` for both, and for a name that is not one of HTML."""
    if html is None:
        return file
    if file is not None:
        raise InvalidArgument("two files for one drawing", hint=f"--html {html}, or -o {file}")
    if html.suffix.lower() != ".html":
        raise InvalidArgument(
            f"not the name of an HTML file: {html.name!r}", hint=f"--html {html.stem}.html"
        )
    return html


def chosen_form(picture: str | None, file: Path | None, as_json: bool) -> str:
    """What to print: svg, dot, mermaid, html, json or text. Raises `InvalidArgument` for another suffix."""
    if picture is not None and as_json:
        raise InvalidArgument("a picture or JSON, not both", hint=f"--{picture}, or --json")
    if picture is not None or as_json:
        return picture or "json"
    if file is None:
        return "text"
    form = _FORMS.get(file.suffix.lower())
    if form is None:
        raise InvalidArgument(
            f"not a format of lineage: {file.name!r}",
            hint=f"-o {file.stem or 'lineage'}.svg; there are {', '.join(_FORMS)}",
        )
    return form


def put_out(graph: Lineage, form: str, file: Path | None, title: str = "lineage") -> None:
    """Print the graph in this form, or write it into the file."""
    if file is None and form == "json":
        print_json(view(graph))
        return
    text = html_page(graph, title) if form == "html" else _text(graph, form)
    if file is None:
        echo(text)
        return
    file.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    echo(f"{file} is written", err=True)


def _text(graph: Lineage, form: str) -> str:
    if form == "json":
        return json.dumps(view(graph), default=str)
    return {
        "svg": graph.svg,
        "dot": graph.dot,
        "mermaid": graph.mermaid,
        "text": graph.tree,
    }[form]()


def newest_nodes(graph: Graph) -> list[Node]:
    """The nodes that a picture of the whole registry begins with: the newest runs."""
    runs = sorted(graph.runs, reverse=True)[:_DRAWN]
    if runs:
        return [("run", run) for run in runs]
    return [("artifact", artifact) for artifact in sorted(graph.artifacts, reverse=True)[:_DRAWN]]
