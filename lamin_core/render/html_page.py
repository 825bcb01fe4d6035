"""Lineage as one HTML file to mail or to keep: the picture and two tables, nothing that runs or is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from lamin_core.lineage.view import path_of
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.render.drawing import Lineage
from lamin_core.runtime.printable import printable
from lamin_core.runtime.text import duration
from lamin_core.uids import VERSION_LENGTH

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root{{color-scheme:light dark}}
body{{font:1rem/1.5 system-ui,sans-serif;margin:1rem auto;max-width:76rem;padding:0 1rem}}
h1{{font-size:1.3rem;overflow-wrap:anywhere}}
.graph{{overflow:auto;border:1px solid #8c959f;border-radius:6px}}
table{{border-collapse:collapse;width:100%}}
th,td{{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0}}
th,td{{border-bottom:1px solid #8c959f;overflow-wrap:anywhere}}
</style>
</head>
"""


def html_page(graph: Lineage, title: str) -> str:
    """Return the graph as one self-contained page; every text in it is escaped.

    >>> from lamin_core.lineage.graph import Graph
    >>> "<h1>&lt;b&gt;</h1>" in html_page(Lineage.around(Graph(), []), "<b>")
    True
    """
    runs = [node for node in graph.runs.values() if not node.is_declared]
    artifact_rows = [
        (path_of(node), node.uid[-VERSION_LENGTH:], _size(node.size), node.hash or "", graph.remarks.get(key, ""))
        for key, node in graph.artifacts.items()
    ]  # fmt: skip
    run_rows = []
    for run in runs:
        began = "" if run.started_at is None else run.started_at.isoformat(timespec="seconds")
        took = "" if run.duration is None else duration(run.duration)
        status = f"{run.status} (cached)" if run.cached else run.status
        run_rows.append(
            (run.transform_key, run.uid, run.engine, status, began, took, run.error or "")
        )
    parts = [
        _HEAD.format(title=_text(title)),
        f"<body>\n<h1>{_text(title)}</h1>",
        f'<div class="graph" tabindex="0">{graph.svg()}</div>',
        _table("Artifacts", ("path", "version", "bytes", "hash", ""), artifact_rows),
        _table("Runs", ("of", "uid", "engine", "status", "began", "took", "error"), run_rows),
        "</body>\n</html>",
    ]
    return "\n".join(parts)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
    lines = ["".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f"<h2>{title}</h2>\n<table><thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table>"
    )


def _size(size: int | None) -> str:
    return "" if size is None or size == UNKNOWN_SIZE else f"{size:,}"


def _text(value: str) -> str:
    return escape(printable(value)).encode("utf-8", "replace").decode()
